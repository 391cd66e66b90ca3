#include "tests/support/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

extern char** environ;

namespace test {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kGrace{5'000};

[[noreturn]] void fail(const std::string& what, int error = 0) {
  throw std::runtime_error(error == 0 ? what : what + ": " + std::strerror(error));
}

std::pair<int, int> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2", errno);
  return {ends[0], ends[1]};
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text;
  }
  for (const auto& [name, value] : changes) {
    if (value.empty()) {
      variables.erase(name);
    } else {
      std::string& text = variables[name];
      text = name;
      text.append("=").append(value);
    }
  }
  std::vector<std::string> result;
  result.reserve(variables.size());
  for (const auto& [name, text] : variables)
    result.push_back(text);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::optional<int> exit_code(pid_t pid, int flags) {
  int status = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(pid, &status, flags);
  } while (ended < 0 && errno == EINTR);
  if (ended != pid) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ChildProcess::ChildProcess(const Options& options) : name_(options.command.front()) {
  const auto [their_input, our_input] = make_pipe();
  const auto [our_output, their_output] = make_pipe();

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, their_input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, their_output, STDOUT_FILENO);
  if (!options.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, options.directory.c_str());
  }
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = environment_with(options.environment);
  const int error = posix_spawn(&pid_, name_.c_str(), &actions, nullptr, pointers(command).data(),
                                pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(their_input);
  ::close(their_output);
  input_ = our_input;
  output_ = our_output;
  if (error != 0) {
    pid_ = -1;
    close_input();
    ::close(output_);
    fail("cannot start " + name_, error);
  }
}

ChildProcess::~ChildProcess() {
  close_input();
  if (pid_ > 0) {
    const auto deadline = steady_clock::now() + kGrace;
    std::optional<int> code;
    while (!(code = exit_code(pid_, WNOHANG)) && steady_clock::now() < deadline) {
      std::this_thread::sleep_for(milliseconds{2});
    }
    if (!code) {
      ::kill(pid_, SIGKILL);
      (void)exit_code(pid_, 0);
    }
  }
  ::close(output_);
}

void ChildProcess::write_line(const std::string& line) {
  const std::string text = line + "\n";
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(input_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write to " + name_, errno);
    written += static_cast<std::size_t>(count);
  }
}

std::string ChildProcess::read_line(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  std::size_t end = 0;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (!read_more(deadline)) fail(name_ + " ended without another line: " + buffer_);
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

std::string ChildProcess::read_all(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (read_more(deadline)) {
  }
  return std::exchange(buffer_, {});
}

int ChildProcess::wait() {
  const auto code = exit_code(std::exchange(pid_, -1), 0);
  if (!code) fail("cannot wait for " + name_, errno);
  return *code;
}

bool ChildProcess::read_more(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
  pollfd wanted{.fd = output_, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&wanted, 1, left > 0 ? static_cast<int>(left) : 0);
  if (ready < 0 && errno == EINTR) return true;
  if (ready <= 0) fail(name_ + " wrote nothing in time");
  std::array<char, 65536> bytes;
  const ssize_t count = ::read(output_, bytes.data(), bytes.size());
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  buffer_.append(bytes.data(), static_cast<std::size_t>(count));
  return true;
}

void ChildProcess::close_input() {
  if (input_ >= 0) ::close(std::exchange(input_, -1));
}

}  // namespace test

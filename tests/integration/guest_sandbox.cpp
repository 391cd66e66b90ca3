#include "tests/integration/guest_sandbox.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "local/guest/pipes.hpp"
#include "local/guest/process_table.hpp"
#include "tests/support/catch.hpp"

namespace test {
namespace {

namespace guest = nullspace::local::guest;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;

std::filesystem::path guest_executable() {
  const auto path = guest::find_guest_executable();
  REQUIRE(path);
  return *path;
}

// Appends what is there. False at the end of the stream.
bool drain(guest::UniqueFd& fd, std::string& text) {
  std::array<char, 65536> buffer{};
  while (fd) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return true;
    } else {
      fd.reset();  // the end, which a terminal reports as EIO
    }
  }
  return false;
}

std::vector<GuestMode> find_modes() {
  std::vector<GuestMode> found;
  found.push_back({"unisolated", {}});
  const TemporaryDirectory state;
  const auto probe = guest::probe_isolation({guest_executable(), state.path()});
  if (!probe.isolated) {
    WARN("not isolated here, only the unisolated guest is tested: " << probe.reason);
    return found;
  }
  found.push_back({"isolated", probe});
  if (probe.method == guest::IsolationMethod::privileged) {
    guest::IsolationProbe fallback = probe;
    fallback.method = guest::IsolationMethod::root_namespace;
    found.push_back({"isolated in a namespace of root", fallback});
  }
  return found;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "nullspace guest test-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

const std::vector<GuestMode>& guest_modes() {
  static const std::vector<GuestMode> kModes = find_modes();
  return kModes;
}

GuestSandbox::GuestSandbox(const GuestMode& mode, bool internet_access) {
  own_state_.emplace();
  launch(mode, own_state_->path(), internet_access);
}

GuestSandbox::GuestSandbox(const GuestMode& mode, const std::filesystem::path& state_dir,
                           bool internet_access) {
  launch(mode, state_dir, internet_access);
}

void GuestSandbox::launch(const GuestMode& mode, const std::filesystem::path& state_dir,
                          bool internet_access) {
  guest::LaunchOptions options;
  options.sandbox_id = "sb-test";
  options.root = state_dir / "sandboxes" / "sb-test";
  options.hidden = {state_dir};
  options.guest_executable = guest_executable();
  options.isolation = mode.probe;
  options.internet_access = internet_access;
  auto launched = guest::launch(options);
  if (const auto* error = std::get_if<guest::LaunchError>(&launched)) FAIL(error->message);
  process_.emplace(std::move(std::get<guest::GuestProcess>(launched)));

  guest::LinkCallbacks callbacks;
  callbacks.on_ready = [this](const guest::Ready& ready) { ready_ = ready; };
  callbacks.on_exit = [this](const guest::Exited& exited) {
    exits_.insert_or_assign(exited.pid, exited);
  };
  callbacks.on_gone = [this](const std::string&) { gone_ = true; };
  link_ = std::make_unique<guest::GuestLink>(process_->take_control(), std::move(callbacks));
  pump([this] { return ready() || gone_; });
  INFO(process_->diagnostics());
  REQUIRE(ready());
  CHECK(ready_->isolated == mode.probe.isolated);
}

GuestSandbox::~GuestSandbox() = default;

const guest::SandboxLayout& GuestSandbox::layout() const {
  return process_->layout();
}

bool GuestSandbox::pump_for(const std::function<bool()>& done, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    if (!link_ || link_->gone()) {
      std::this_thread::sleep_for(1ms);
      continue;
    }
    pollfd polled{link_->fd(), static_cast<short>(POLLIN | (link_->wants_write() ? POLLOUT : 0)),
                  0};
    ::poll(&polled, 1, 2);
    if ((polled.revents & POLLOUT) != 0) link_->on_writable();
    if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0) link_->on_readable();
  }
  return true;
}

void GuestSandbox::pump(const std::function<bool()>& done) {
  REQUIRE(pump_for(done, kPatience));
}

guest::SpawnRequest GuestSandbox::request(std::vector<std::string> argv,
                                          const RunOptions& options) const {
  guest::SpawnRequest request;
  request.argv = std::move(argv);
  request.env = layout().base_environment();
  request.env.insert(request.env.end(), options.env.begin(), options.env.end());
  request.cwd = layout().to_process(options.cwd);
  return request;
}

RunResult GuestSandbox::run(std::vector<std::string> argv, RunOptions options) {
  auto pipes = guest::make_stdio_pipes();
  REQUIRE(pipes);
  RunResult result;
  bool answered = false;
  link_->spawn_pipes(request(std::move(argv), options), std::move(pipes->child),
                     [&](guest::SpawnOutcome&& outcome) {
                       answered = true;
                       if (auto* failed = std::get_if<guest::SpawnFailed>(&outcome)) {
                         result.failure = std::move(*failed);
                       } else {
                         result.pid = std::get<guest::Started>(outcome).pid;
                       }
                     });
  pump([&] { return answered; });
  if (result.failure) return result;
  std::string_view input = options.input;
  pump([&] {
    if (!input.empty()) {
      const ssize_t sent = ::write(pipes->stdin_write.get(), input.data(), input.size());
      if (sent > 0) input.remove_prefix(static_cast<std::size_t>(sent));
    }
    if (input.empty()) pipes->stdin_write.reset();
    const bool more_out = drain(pipes->stdout_read, result.out);
    const bool more_err = drain(pipes->stderr_read, result.err);
    return !more_out && !more_err && exits_.contains(result.pid);
  });
  result.exit_code = wait_exit(result.pid);
  return result;
}

RunResult GuestSandbox::shell(const std::string& script, RunOptions options) {
  return run({"/bin/bash", "-c", script}, std::move(options));
}

pid_t GuestSandbox::start(std::vector<std::string> argv, RunOptions options) {
  guest::ChildStdio stdio;
  stdio.stdin_fd.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  stdio.stdout_fd.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  stdio.stderr_fd.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  pid_t pid = 0;
  link_->spawn_pipes(request(std::move(argv), options), std::move(stdio),
                     [&pid](guest::SpawnOutcome&& outcome) {
                       REQUIRE(std::holds_alternative<guest::Started>(outcome));
                       pid = std::get<guest::Started>(outcome).pid;
                     });
  pump([&pid] { return pid != 0; });
  return pid;
}

GuestSandbox::Terminal GuestSandbox::start_terminal(std::vector<std::string> argv,
                                                    guest::TerminalSize size) {
  Terminal terminal;
  RunOptions options;
  options.env = {"TERM=dumb", "PS1=$ "};
  link_->spawn_pty(request(std::move(argv), options), size,
                   [&terminal](guest::SpawnOutcome&& outcome) {
                     REQUIRE(std::holds_alternative<guest::Started>(outcome));
                     auto& started = std::get<guest::Started>(outcome);
                     terminal.pid = started.pid;
                     terminal.master = std::move(started.terminal);
                   });
  pump([&terminal] { return terminal.pid != 0; });
  REQUIRE(terminal.master);
  return terminal;
}

std::string GuestSandbox::read_to_end(Terminal& terminal) {
  std::string text;
  pump([&] { return !drain(terminal.master, text); });
  return text;
}

int GuestSandbox::wait_exit(pid_t pid) {
  pump([&] { return exits_.contains(pid); });
  return guest::exit_code_of(exits_.at(pid));
}

std::vector<guest::ProcessEntry> GuestSandbox::processes() {
  std::optional<std::vector<guest::ProcessEntry>> result;
  link_->list_processes([&result](const guest::Processes* list) {
    result.emplace();
    if (list != nullptr) *result = list->processes;
  });
  pump([&result] { return result.has_value(); });
  return *result;
}

guest::Sampled GuestSandbox::sample() {
  std::optional<guest::Sampled> result;
  link_->sample([&result](const guest::Sampled* sampled) {
    REQUIRE(sampled != nullptr);
    result = *sampled;
  });
  pump([&result] { return result.has_value(); });
  return *result;
}

std::vector<pid_t> host_processes_with(const std::string& mark) {
  std::vector<pid_t> found;
  for (const auto& process : guest::scan_processes()) {
    if (process.state == 'Z') continue;
    if (guest::read_command(process).find(mark) != std::string::npos) found.push_back(process.pid);
  }
  return found;
}

bool host_processes_become(const std::string& mark, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (host_processes_with(mark).size() != count) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

std::string unique_mark() {
  static std::atomic<int> counter{0};
  return "guest-test-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

}  // namespace test

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include "local/guest/agent.hpp"
#include "local/guest/child.hpp"
#include "local/guest/identity.hpp"
#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {
namespace {

// The descriptors 0 to 3 are the agent's own: input and output (the null device), errors (the
// server's diagnostics) and the control socket.
constexpr int kControlFd = 3;

struct Options {
  bool isolated = false;
  bool probe = false;
  std::optional<Identity> identity;
};

void complain(const std::string& text) {
  std::fprintf(stderr, "nullspace-local-guest: %s\n", text.c_str());
}

// "<host uid>:<host gid>:<inner uid>:<inner gid>"
std::optional<Identity> parse_identity(std::string_view text) {
  std::array<unsigned int, 4> numbers{};
  for (unsigned int& number : numbers) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
    const bool last = &number == &numbers.back();
    if (last != text.empty()) return std::nullopt;
    if (!last) {
      if (text.front() != ':') return std::nullopt;
      text.remove_prefix(1);
    }
  }
  return Identity{numbers[0], numbers[1], numbers[2], numbers[3]};
}

std::optional<Options> parse_options(const std::vector<std::string_view>& arguments) {
  constexpr std::string_view kIdentity = "--identity=";
  Options options;
  for (const std::string_view argument : arguments) {
    if (argument == "--isolated") {
      options.isolated = true;
    } else if (argument == "--probe") {
      options.probe = true;
    } else if (argument.starts_with(kIdentity)) {
      options.identity = parse_identity(argument.substr(kIdentity.size()));
      if (!options.identity) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

// The server may be a part of a program that leaks its descriptors into children.
void close_strangers() {
  if (::syscall(SYS_close_range, kControlFd + 1, ~0U, 0) == 0) return;
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (int fd = kControlFd + 1; fd < static_cast<int>(limit); ++fd)
    ::close(fd);
}

bool control_is_socket() {
  struct stat info {};
  return ::fstat(kControlFd, &info) == 0 && S_ISSOCK(info.st_mode);
}

// Tries what a sandbox needs, for the server that asks whether isolation is to be had.
int probe() {
  for (const char* directory : {"/workspace", "/home/user", "/tmp"}) {
    if (::access(directory, R_OK | W_OK | X_OK) != 0) {
      complain(std::string(directory) + ": " + std::generic_category().message(errno));
      return 1;
    }
  }
  const auto terminal = open_terminal(80, 24);
  if (const int* error = std::get_if<int>(&terminal)) {
    complain("pseudo-terminal: " + std::generic_category().message(*error));
    return 1;
  }
  return 0;
}

int guest_main(const std::vector<std::string_view>& arguments) {
  const auto options = parse_options(arguments);
  if (!options || !control_is_socket()) {
    complain("is started by nullspace-local and of no use otherwise");
    return 2;
  }
  close_strangers();
  ::fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  ::prctl(PR_SET_NAME, "nullspace-guest");
  if (options->identity) {
    if (const std::string error = assume_identity(*options->identity); !error.empty()) {
      complain(error);
      return 1;
    }
  }
  // A change of identity drops what bubblewrap has set up: to end with it.
  if (options->isolated) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // No program of the sandbox gains rights by a set-uid file: it could not be killed any more.
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  // Programs of the same user must not trace us or take our control socket out of /proc.
  ::prctl(PR_SET_DUMPABLE, 0);
  ::umask(022);
  if (::chdir("/") != 0) return 1;
  if (options->probe) return probe();

  Agent agent(UniqueFd(kControlFd), options->isolated);
  const bool regular = agent.run();
  if (!regular) complain("the kernel refuses signalfd, poll or prctl");
  agent.kill_sandbox();
  return regular ? 0 : 1;
}

}  // namespace
}  // namespace nullspace::local::guest

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  // As process 1 of a namespace we are not to wait for anything at the end.
  ::_exit(nullspace::local::guest::guest_main(arguments));
}

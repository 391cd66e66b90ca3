#include "local/guest/host_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace nullspace::local::guest {
namespace {

constexpr int kControlFd = 3;
// Above every descriptor that the child's file actions set, so that none overwrites another.
constexpr int kLowestOwnFd = 10;

UniqueFd moved_up(UniqueFd fd) {
  return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowestOwnFd));
}

// The attributes and actions of posix_spawn, freed on every path.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  int prepare(int control, int diagnostics) {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    const std::array<int, 7> results{
        ::posix_spawnattr_setsigmask(&attributes_, &none),
        ::posix_spawnattr_setsigdefault(&attributes_, &all),
        // Ctrl-C at the server's terminal is the server's business, not the sandboxes'.
        ::posix_spawnattr_setflags(
            &attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETSID)),
        ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
        ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
        ::posix_spawn_file_actions_adddup2(&actions_, diagnostics, STDERR_FILENO),
        ::posix_spawn_file_actions_adddup2(&actions_, control, kControlFd),
    };
    for (const int result : results) {
      if (result != 0) return result;
    }
    return 0;
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

std::variant<HostProcess, StartError> start_host_process(const std::vector<std::string>& command) {
  HostProcess process;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return StartError{errno, "socketpair"};
  }
  process.control = UniqueFd(ends[0]);
  const UniqueFd theirs = moved_up(UniqueFd(ends[1]));
  process.diagnostics = moved_up(UniqueFd(::memfd_create("nullspace-guest", MFD_CLOEXEC)));
  if (!theirs || !process.diagnostics) return StartError{errno, "memfd_create"};

  SpawnSettings settings;
  if (const int error = settings.prepare(theirs.get(), process.diagnostics.get()); error != 0) {
    return StartError{error, "posix_spawn"};
  }
  std::vector<std::string> strings = command;
  std::vector<char*> argv;
  argv.reserve(strings.size() + 1);
  for (std::string& value : strings)
    argv.push_back(value.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
  std::array<char*, 2> environment{path.data(), nullptr};
  const int error = ::posix_spawn(&process.pid, argv.front(), settings.actions(),
                                  settings.attributes(), argv.data(), environment.data());
  if (error != 0) return StartError{error, command.front()};
  process.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  return process;
}

std::string read_diagnostics(const UniqueFd& diagnostics) {
  std::array<char, 4096> buffer{};
  const ssize_t got = ::pread(diagnostics.get(), buffer.data(), buffer.size(), 0);
  if (got <= 0) return {};
  std::string text(buffer.data(), static_cast<std::size_t>(got));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  return text;
}

}  // namespace nullspace::local::guest

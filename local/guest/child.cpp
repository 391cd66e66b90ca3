#include "local/guest/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

namespace nullspace::local::guest {
namespace {

constexpr int kStatusFd = 3;
constexpr std::string_view kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

struct StatusRecord {
  std::int32_t stage = 0;
  std::int32_t error = 0;
};

void close_from(unsigned int first) {
  if (::syscall(SYS_close_range, first, ~0U, 0) == 0) return;
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (int fd = static_cast<int>(first); fd < static_cast<int>(limit); ++fd)
    ::close(fd);
}

[[noreturn]] void give_up(SpawnStage stage, int error) {
  const StatusRecord record{static_cast<std::int32_t>(stage), error};
  ssize_t written = -1;
  do {
    written = ::write(kStatusFd, &record, sizeof(record));
  } while (written < 0 && errno == EINTR);
  ::_exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& value : strings)
    result.push_back(value.data());
  result.push_back(nullptr);
  return result;
}

std::string_view search_path(const std::vector<std::string>& env) {
  constexpr std::string_view kName = "PATH=";
  for (const std::string& entry : env) {
    if (entry.starts_with(kName)) return std::string_view(entry).substr(kName.size());
  }
  return kDefaultPath;
}

// execve, and /bin/sh for a text without a `#!` line, as execvp does it. Returns errno.
int execute_file(std::string file, std::vector<char*>& argv, std::vector<char*>& env) {
  ::execve(file.c_str(), argv.data(), env.data());
  if (errno != ENOEXEC) return errno;
  std::string shell = "/bin/sh";
  std::vector<char*> shell_argv{shell.data(), file.data()};
  shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
  ::execve(shell.c_str(), shell_argv.data(), env.data());
  return ENOEXEC;
}

// Only returns when the program cannot be run: with the errno that says most.
int execute(std::vector<std::string>& arguments, std::vector<std::string>& environment) {
  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> env = pointers(environment);
  const std::string& program = arguments.front();
  if (program.empty()) return ENOENT;
  if (program.find('/') != std::string::npos) return execute_file(program, argv, env);

  int result = ENOENT;
  std::string_view rest = search_path(environment);
  while (true) {
    const std::size_t end = rest.find(':');
    const std::string_view directory = rest.substr(0, end);
    std::string file(directory.empty() ? std::string_view(".") : directory);
    file += '/';
    file += program;
    const int error = execute_file(std::move(file), argv, env);
    switch (error) {
      case EACCES:
        result = EACCES;  // something is there; but a later directory may hold one that runs
        break;
      case ENOENT:
      case ENOTDIR:
      case ESTALE:
      case ENODEV:
      case ETIMEDOUT:
        break;
      default:
        return error;
    }
    if (end == std::string_view::npos) return result;
    rest.remove_prefix(end + 1);
  }
}

void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signo = 1; signo <= SIGRTMAX; ++signo) {
    if (::sigaction(signo, &action, nullptr) == 0) continue;
    // Those that the C library keeps for itself can come in as ignored all the same. The kernel's
    // own structure is all zeros for a default action.
    const std::array<char, 64> kernel_action{};
    ::syscall(SYS_rt_sigaction, signo, kernel_action.data(), nullptr, 8);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void run_child(ChildPlan& plan, const UniqueFd& status, pid_t parent) {
  // First, so that every failure from here on can be told. Descriptors 0 to 3 of the agent are
  // taken, so none of the plan's is among them.
  if (::dup3(status.get(), kStatusFd, O_CLOEXEC) < 0) ::_exit(127);
  ::setsid();
  if (::dup2(plan.stdin_fd.get(), STDIN_FILENO) < 0 ||
      ::dup2(plan.stdout_fd.get(), STDOUT_FILENO) < 0 ||
      ::dup2(plan.stderr_fd.get(), STDERR_FILENO) < 0) {
    give_up(SpawnStage::fork, errno);
  }
  close_from(kStatusFd + 1);
  if (plan.controlling_terminal && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
    give_up(SpawnStage::pty, errno);
  }
  if (plan.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
  }
  if (::chdir(plan.cwd.c_str()) != 0) give_up(SpawnStage::cwd, errno);
  reset_signals();
  give_up(SpawnStage::exec, execute(plan.argv, plan.env));
}

}  // namespace

std::variant<NewChild, ChildError> start_child(ChildPlan plan) {
  std::array<int, 2> status{};
  if (::pipe2(status.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return ChildError{SpawnStage::fork, errno};
  }
  NewChild child;
  child.status = UniqueFd(status[0]);
  const UniqueFd write_end(status[1]);
  const pid_t parent = ::getpid();
  child.pid = ::fork();
  if (child.pid < 0) return ChildError{SpawnStage::fork, errno};
  if (child.pid == 0) run_child(plan, write_end, parent);
  return child;
}

ChildProgress read_child_status(const UniqueFd& status, ChildError& error) {
  StatusRecord record;
  ssize_t got = -1;
  do {
    got = ::read(status.get(), &record, sizeof(record));
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return ChildProgress::pending;
  // The pipe closed by execve itself: the program runs.
  if (got != static_cast<ssize_t>(sizeof(record))) return ChildProgress::running;
  error.stage = static_cast<SpawnStage>(record.stage);
  error.error = record.error;
  return ChildProgress::failed;
}

std::variant<Terminal, int> open_terminal(std::uint16_t cols, std::uint16_t rows) {
  Terminal terminal;
  terminal.master.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!terminal.master) return errno;
  if (::grantpt(terminal.master.get()) != 0 || ::unlockpt(terminal.master.get()) != 0) {
    return errno;
  }
  std::array<char, 64> name{};
  if (const int error = ::ptsname_r(terminal.master.get(), name.data(), name.size()); error != 0) {
    return error;
  }
  terminal.slave.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.slave) return errno;
  winsize size{};
  size.ws_col = cols;
  size.ws_row = rows;
  if (::ioctl(terminal.slave.get(), TIOCSWINSZ, &size) != 0) return errno;
  termios settings{};
  if (::tcgetattr(terminal.slave.get(), &settings) == 0) {
    settings.c_iflag |= IUTF8;  // the line editor must know that a character is several bytes
    ::tcsetattr(terminal.slave.get(), TCSANOW, &settings);
  }
  return terminal;
}

}  // namespace nullspace::local::guest

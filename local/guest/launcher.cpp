#include "local/guest/launcher.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "local/guest/bubblewrap.hpp"
#include "local/guest/host_process.hpp"
#include "local/guest/process_killer.hpp"
#include "local/guest/sandbox_tree.hpp"

namespace nullspace::local::guest {
namespace {

constexpr std::chrono::seconds kEndLimit{1};
constexpr std::chrono::seconds kSweepLimit{10};
constexpr std::chrono::milliseconds kPollPause{2};
constexpr int kEmptyLooks = 3;

}  // namespace

GuestProcess::GuestProcess(GuestProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      running_(std::exchange(other.running_, false)),
      pidfd_(std::move(other.pidfd_)),
      control_(std::move(other.control_)),
      diagnostics_(std::move(other.diagnostics_)),
      layout_(std::move(other.layout_)) {}

GuestProcess& GuestProcess::operator=(GuestProcess&& other) noexcept {
  if (this == &other) return *this;
  reset();
  pid_ = std::exchange(other.pid_, -1);
  running_ = std::exchange(other.running_, false);
  pidfd_ = std::move(other.pidfd_);
  control_ = std::move(other.control_);
  diagnostics_ = std::move(other.diagnostics_);
  layout_ = std::move(other.layout_);
  return *this;
}

GuestProcess::~GuestProcess() {
  reset();
}

void GuestProcess::reset() noexcept {
  control_.reset();
  if (!running_ || wait_for(kEndLimit)) return;
  kill();
  wait_for(kSweepLimit);
}

bool GuestProcess::try_reap() {
  if (!running_) return true;
  int status = 0;
  pid_t result = -1;
  do {
    result = ::waitpid(pid_, &status, WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result == 0) return false;
  // A program that ignores SIGCHLD has its children reaped by the kernel: their status is unknown
  // then.
  ended(result == pid_ && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return true;
}

void GuestProcess::ended(bool regular) {
  running_ = false;
  if (regular || layout_.isolated) return;
  const std::string marker = sandbox_marker(layout_);
  const auto find = [&marker] { return find_by_environment(marker); };
  // Nobody tells us of processes that are not our children: look more than once.
  int empty_looks = 0;
  const auto settled = [&] {
    empty_looks = find().empty() ? empty_looks + 1 : 0;
    return empty_looks >= kEmptyLooks;
  };
  kill_all(find, settled, kSweepLimit);
}

bool GuestProcess::wait_for(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!try_reap()) {
    const auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (rest.count() <= 0) return false;
    if (pidfd_) {
      pollfd polled{pidfd_.get(), POLLIN, 0};
      ::poll(&polled, 1, static_cast<int>(rest.count()));
    } else {
      std::this_thread::sleep_for(std::min(rest, kPollPause));
    }
  }
  return true;
}

void GuestProcess::kill() {
  if (!running_) return;
  if (layout_.isolated) {
    // Process 1 of the sandbox is bubblewrap's child. With it the kernel ends the others, and
    // bubblewrap ends when they have: its own end is the proof, so it must not be killed as long as
    // there is one.
    bool found = false;
    for (const ProcessStat& process : scan_processes()) {
      if (process.ppid != pid_) continue;
      found = true;
      signal_seen(process, SIGKILL);
    }
    if (found) return;
  }
  ::kill(pid_, SIGKILL);
}

std::string GuestProcess::diagnostics() const {
  return read_diagnostics(diagnostics_);
}

std::variant<GuestProcess, LaunchError> launch(const LaunchOptions& options) {
  const IsolationMethod method =
      options.isolation.isolated ? options.isolation.method : IsolationMethod::none;
  auto made = make_sandbox_tree(options.root, host_name_of(options.sandbox_id), method);
  if (auto* error = std::get_if<TreeError>(&made)) {
    return LaunchError{error->code.value(), error->path.string() + ": " + error->code.message()};
  }
  GuestProcess guest;
  guest.layout_ = std::get<SandboxLayout>(std::move(made));

  std::vector<std::string> command{options.guest_executable.string()};
  if (method != IsolationMethod::none) {
    BubblewrapSpec spec;
    spec.bubblewrap = options.isolation.bubblewrap;
    spec.method = method;
    spec.layout = guest.layout_;
    spec.host_name = host_name_of(options.sandbox_id);
    spec.hidden = options.hidden;
    spec.guest_executable = options.guest_executable;
    spec.internet_access = options.internet_access;
    command = bubblewrap_command(spec);
  }
  auto started = start_host_process(command);
  if (const auto* error = std::get_if<StartError>(&started)) {
    return LaunchError{error->error,
                       error->what + ": " + std::generic_category().message(error->error)};
  }
  auto& process = std::get<HostProcess>(started);
  guest.pid_ = process.pid;
  guest.running_ = true;
  guest.pidfd_ = std::move(process.pidfd);
  guest.control_ = std::move(process.control);
  guest.diagnostics_ = std::move(process.diagnostics);
  return guest;
}

}  // namespace nullspace::local::guest

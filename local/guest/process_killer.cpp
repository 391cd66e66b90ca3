#include "local/guest/process_killer.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {
namespace {

constexpr std::chrono::milliseconds kPause{1};
// A fork bomb that keeps spawning while we stop it is caught in a few rounds; after so many we kill
// anyway.
constexpr int kMaxStopRounds = 50;

bool alive(const ProcessStat& process) {
  return process.state != 'Z' && process.state != 'X';
}

using Seen = std::pair<pid_t, std::uint64_t>;

bool environment_holds(pid_t pid, const std::string& entry) {
  const std::string path = "/proc/" + std::to_string(pid) + "/environ";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  std::string environment(1, '\0');
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    environment.append(buffer.data(), static_cast<std::size_t>(got));
  }
  std::string wanted(1, '\0');
  wanted += entry;
  wanted += '\0';
  return environment.find(wanted) != std::string::npos;
}

}  // namespace

void signal_seen(const ProcessStat& process, int signo) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  const auto now = read_stat(process.pid);
  if (!now || now->start_ticks != process.start_ticks) return;
  if (pidfd) {
    ::syscall(SYS_pidfd_send_signal, pidfd.get(), signo, nullptr, 0);
  } else if (errno == ENOSYS || errno == EPERM) {
    ::kill(process.pid, signo);
  }
}

bool kill_all(const std::function<std::vector<ProcessStat>()>& find,
              const std::function<bool()>& settled, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    std::set<Seen> stopped;
    for (int round = 0; round < kMaxStopRounds; ++round) {
      bool found_new = false;
      for (const ProcessStat& process : find()) {
        if (!alive(process)) continue;
        if (!stopped.emplace(process.pid, process.start_ticks).second) continue;
        found_new = true;
        signal_seen(process, SIGSTOP);
      }
      if (!found_new) break;
    }
    for (const ProcessStat& process : find()) {
      if (alive(process)) signal_seen(process, SIGKILL);
    }
    if (settled()) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    // Only the dying are left, or somebody we have not seen yet, who must not get away meanwhile.
    if (stopped.empty()) std::this_thread::sleep_for(kPause);
  }
}

std::vector<ProcessStat> find_by_environment(const std::string& entry) {
  std::vector<ProcessStat> found;
  for (ProcessStat& process : scan_processes()) {
    if (process.pid != ::getpid() && environment_holds(process.pid, entry)) {
      found.push_back(std::move(process));
    }
  }
  return found;
}

}  // namespace nullspace::local::guest

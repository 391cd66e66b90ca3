#include "local/guest/agent.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "local/guest/process_killer.hpp"
#include "local/guest/process_table.hpp"

namespace nullspace::local::guest {
namespace {

constexpr std::chrono::seconds kKillLimit{10};
constexpr int kMaxSignalRounds = 20;
// Leaves room in a frame for the fixed parts of the entries.
constexpr std::size_t kMaxListBytes = kMaxPayloadBytes / 2;

std::string_view stage_text(SpawnStage stage) {
  switch (stage) {
    case SpawnStage::cwd:
      return "cannot enter the working directory";
    case SpawnStage::exec:
      return "cannot run";
    case SpawnStage::pty:
      return "cannot open a terminal for";
    default:
      return "cannot start a process for";
  }
}

std::string joined(const std::vector<std::string>& argv) {
  std::string cmdline;
  for (const std::string& argument : argv) {
    cmdline += argument;
    cmdline += '\0';
  }
  return command_text(cmdline, argv.front());
}

bool matches(const ProcessStat& process, const Signal& signal) {
  switch (signal.scope) {
    case SignalScope::process:
      return process.pid == signal.pid;
    case SignalScope::group:
      return process.group == signal.pid;
    case SignalScope::session:
      return process.session == signal.pid;
  }
  return false;
}

}  // namespace

Agent::Agent(UniqueFd control, bool isolated)
    : channel_(std::move(control)), isolated_(isolated), pid_(::getpid()), parent_(::getppid()) {}

bool Agent::watch_signals() {
  sigset_t all;
  ::sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, nullptr) != 0) return false;
  sigset_t watched;
  ::sigemptyset(&watched);
  ::sigaddset(&watched, SIGCHLD);
  // As process 1 nobody outside sends us anything but SIGKILL, and what comes from inside comes
  // from the programs that we are to survive.
  if (!isolated_) {
    ::sigaddset(&watched, SIGTERM);
    ::sigaddset(&watched, SIGINT);
    ::sigaddset(&watched, SIGHUP);
  }
  signals_.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  return static_cast<bool>(signals_);
}

bool Agent::run() {
  if (!watch_signals()) return false;
  if (!isolated_) {
    // Orphans come to us, so that none escapes by forking twice.
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return false;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  }
  Ready ready;
  ready.pid = pid_;
  ready.isolated = isolated_;
  send(ready);

  while (true) {
    std::vector<pollfd> polled;
    std::vector<pid_t> waiting;
    const short control_events =
        static_cast<short>(POLLIN | (channel_.wants_write() ? POLLOUT : 0));
    polled.push_back({channel_.fd(), control_events, 0});
    polled.push_back({signals_.get(), POLLIN, 0});
    for (const auto& [pid, pending] : pending_) {
      polled.push_back({pending.status.get(), POLLIN, 0});
      waiting.push_back(pid);
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (polled[i + 2].revents != 0) settle(waiting[i]);
    }
    if (polled[1].revents != 0 && !serve_signals()) return true;
    if (polled[0].revents != 0 && !serve_control(polled[0].revents)) return true;
  }
}

bool Agent::serve_control(short events) {
  if ((events & POLLOUT) != 0 && channel_.flush() != ChannelStatus::ok) return false;
  if ((events & (POLLIN | POLLHUP | POLLERR)) == 0) return true;
  const ChannelStatus status = channel_.fill();
  while (auto frame = channel_.next()) {
    auto message = decode_server_message(frame->header, frame->payload);
    if (!message || !handle(std::move(*message), std::move(frame->descriptors))) return false;
  }
  return status == ChannelStatus::ok && !channel_.broken();
}

bool Agent::serve_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    if (info.ssi_signo == SIGCHLD) continue;
    // This one comes when the thread that started us ends, which need not be the server's end.
    const bool from_parent = static_cast<pid_t>(info.ssi_pid) == parent_;
    if (info.ssi_signo == SIGTERM && from_parent && ::getppid() == parent_) continue;
    return false;
  }
  // Signals of one kind merge: there may be several children for one of them.
  reap();
  return true;
}

bool Agent::handle(ServerMessage&& message, std::vector<UniqueFd>&& descriptors) {
  if (const auto* pipes = std::get_if<SpawnPipes>(&message)) {
    start(*pipes, std::move(descriptors));
  } else if (const auto* pty = std::get_if<SpawnPty>(&message)) {
    start(*pty);
  } else if (const auto* signal = std::get_if<Signal>(&message)) {
    deliver(*signal);
  } else if (const auto* request = std::get_if<ListProcesses>(&message)) {
    list(request->request_id);
  } else if (const auto* question = std::get_if<Sample>(&message)) {
    sample(question->request_id);
  } else {
    return false;
  }
  return true;
}

void Agent::start(const SpawnPipes& request, std::vector<UniqueFd>&& descriptors) {
  ChildPlan plan;
  plan.argv = request.argv;
  plan.env = request.env;
  plan.cwd = request.cwd;
  plan.stdin_fd = std::move(descriptors[0]);
  plan.stdout_fd = std::move(descriptors[1]);
  plan.stderr_fd = std::move(descriptors[2]);
  launch(request.request_id, std::move(plan), UniqueFd());
}

void Agent::start(const SpawnPty& request) {
  auto opened = open_terminal(request.cols, request.rows);
  if (const int* error = std::get_if<int>(&opened)) {
    return fail(request.request_id, {SpawnStage::pty, *error}, request.argv.front());
  }
  auto& terminal = std::get<Terminal>(opened);
  ChildPlan plan;
  plan.argv = request.argv;
  plan.env = request.env;
  plan.cwd = request.cwd;
  plan.stdout_fd.reset(::dup(terminal.slave.get()));
  plan.stderr_fd.reset(::dup(terminal.slave.get()));
  plan.stdin_fd = std::move(terminal.slave);
  plan.controlling_terminal = true;
  launch(request.request_id, std::move(plan), std::move(terminal.master));
}

void Agent::launch(std::uint32_t request_id, ChildPlan plan, UniqueFd terminal) {
  plan.die_with_parent = !isolated_;
  const std::string program = plan.argv.front();
  std::string command = joined(plan.argv);
  auto result = start_child(std::move(plan));
  if (const auto* error = std::get_if<ChildError>(&result)) {
    return fail(request_id, *error, program);
  }
  auto& child = std::get<NewChild>(result);
  Pending pending;
  pending.request_id = request_id;
  pending.status = std::move(child.status);
  pending.terminal = std::move(terminal);
  pending.command = std::move(command);
  pending_.insert_or_assign(child.pid, std::move(pending));
}

void Agent::settle(pid_t pid) {
  const auto found = pending_.find(pid);
  if (found == pending_.end()) return;
  ChildError error;
  const ChildProgress progress = read_child_status(found->second.status, error);
  if (progress == ChildProgress::pending) return;
  Pending pending = std::move(found->second);
  pending_.erase(found);
  if (progress == ChildProgress::failed) return fail(pending.request_id, error, {});
  running_.emplace(pid, std::move(pending.command));
  Spawned spawned;
  spawned.request_id = pending.request_id;
  spawned.pid = pid;
  spawned.has_terminal = static_cast<bool>(pending.terminal);
  std::vector<UniqueFd> descriptors;
  if (pending.terminal) descriptors.push_back(std::move(pending.terminal));
  send(spawned, std::move(descriptors));
}

void Agent::fail(std::uint32_t request_id, const ChildError& error, const std::string& subject) {
  SpawnFailed failed;
  failed.request_id = request_id;
  failed.error = error.error;
  failed.stage = error.stage;
  failed.message = stage_text(error.stage);
  if (!subject.empty()) failed.message += " " + subject;
  failed.message += ": " + std::generic_category().message(error.error);
  send(failed);
}

void Agent::reap() {
  int status = 0;
  while (true) {
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    // Its own news first: a program is reported as started before it is reported as ended.
    settle(pid);
    if (running_.erase(pid) == 0) continue;
    Exited exited;
    exited.pid = pid;
    if (WIFSIGNALED(status)) {
      exited.signal = WTERMSIG(status);
    } else {
      exited.exit_code = WEXITSTATUS(status);
    }
    send(exited);
  }
}

std::vector<ProcessStat> Agent::sandbox_processes() const {
  std::vector<ProcessStat> all = scan_processes();
  if (!isolated_) return descendants_of(all, pid_);
  std::erase_if(all, [this](const ProcessStat& process) { return process.pid == pid_; });
  return all;
}

void Agent::deliver(const Signal& signal) {
  if (isolated_ && signal.scope != SignalScope::session) {
    ::kill(signal.scope == SignalScope::group ? -signal.pid : signal.pid, signal.signo);
    return;
  }
  // One by one, and only what is ours: unisolated, a process group could be a stranger's by now.
  // Again until nobody new shows up, because a fork may slip through one look.
  std::set<std::pair<pid_t, std::uint64_t>> signalled;
  for (int round = 0; round < kMaxSignalRounds; ++round) {
    bool found_new = false;
    for (const ProcessStat& process : sandbox_processes()) {
      if (!matches(process, signal)) continue;
      if (!signalled.emplace(process.pid, process.start_ticks).second) continue;
      found_new = true;
      signal_seen(process, signal.signo);
    }
    if (!found_new) return;
  }
}

std::string Agent::command_of(const ProcessStat& process) const {
  const std::optional<std::string> shown = read_command_line(process.pid);
  if (shown) return *shown;
  // The kernel has none for a moment, early in a program's life. We know what we have started.
  const auto started = running_.find(process.pid);
  if (process.state != 'Z' && started != running_.end()) return started->second;
  return command_text({}, process.name);
}

void Agent::list(std::uint32_t request_id) {
  Processes message;
  message.request_id = request_id;
  std::size_t bytes = 0;
  for (const ProcessStat& process : sandbox_processes()) {
    ProcessEntry entry;
    entry.pid = process.pid;
    entry.ppid = process.ppid;
    entry.state = process.state;
    entry.start_ticks = process.start_ticks;
    entry.command = command_of(process);
    bytes += entry.command.size() + sizeof(ProcessEntry);
    if (bytes > kMaxListBytes) break;
    message.processes.push_back(std::move(entry));
  }
  send(message);
}

void Agent::sample(std::uint32_t request_id) {
  const std::vector<ProcessStat> processes = sandbox_processes();
  const Usage usage = usage_.measure(processes);
  Sampled message;
  message.request_id = request_id;
  message.cpu_usec_total = usage.cpu_usec_total;
  message.cpu_count = usage.cpu_count;
  message.mem_used_bytes = usage.mem_used_bytes;
  message.mem_total_bytes = usage.mem_total_bytes;
  message.process_count = static_cast<std::uint32_t>(processes.size());
  send(message);
}

void Agent::send(const GuestMessage& message, std::vector<UniqueFd> descriptors) {
  auto frame = encode(message);
  if (!frame) return;
  channel_.queue(std::move(*frame), std::move(descriptors));
  // A server that is gone shows itself as the end of the control socket.
  channel_.flush();
}

void Agent::kill_sandbox() {
  if (isolated_) return;  // the kernel ends a pid namespace with its first process
  const auto find = [this] {
    std::vector<ProcessStat> found = walk_descendants(pid_);
    return found.empty() ? sandbox_processes() : found;
  };
  // Every descendant is ours or has an ancestor that is, dead or alive: orphans come to us.
  const auto no_children = [] {
    pid_t pid = 0;
    do {
      pid = ::waitpid(-1, nullptr, WNOHANG);
    } while (pid > 0 || (pid < 0 && errno == EINTR));
    return pid < 0;
  };
  kill_all(find, no_children, kKillLimit);
}

}  // namespace nullspace::local::guest

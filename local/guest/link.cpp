#include "local/guest/link.hpp"

#include <algorithm>
#include <cerrno>
#include <type_traits>
#include <utility>

namespace nullspace::local::guest {
namespace {

bool holds_nul(const std::vector<std::string>& strings) {
  return std::any_of(strings.begin(), strings.end(), [](const std::string& value) {
    return value.find('\0') != std::string::npos;
  });
}

// Why a request could not even be put into a frame, as execve would say it.
int refusal(const SpawnRequest& request) {
  const bool unusable = request.argv.empty() || holds_nul(request.argv) || holds_nul(request.env) ||
                        request.cwd.find('\0') != std::string::npos;
  return unusable ? EINVAL : E2BIG;
}

SpawnOutcome gone_outcome(std::uint32_t request_id, std::string message) {
  SpawnFailed failure;
  failure.request_id = request_id;
  failure.error = ESRCH;
  failure.stage = SpawnStage::gone;
  failure.message = std::move(message);
  return failure;
}

}  // namespace

GuestLink::GuestLink(UniqueFd control, LinkCallbacks callbacks)
    : channel_(std::move(control)), callbacks_(std::move(callbacks)) {}

GuestLink::~GuestLink() = default;

void GuestLink::on_readable() {
  if (gone_) return;
  const std::weak_ptr<const bool> alive = alive_;
  const ChannelStatus status = channel_.fill();
  while (auto frame = channel_.next()) {
    auto message = decode_guest_message(frame->header, frame->payload);
    if (!message) return lose("the guest agent sent a message that makes no sense");
    dispatch(std::move(*message), std::move(frame->descriptors));
    if (alive.expired() || gone_) return;
  }
  if (channel_.broken()) return lose("the guest agent sent bytes that are no message");
  if (status == ChannelStatus::closed) return lose("the guest agent has ended");
  if (status == ChannelStatus::broken) return lose("the connection to the guest agent failed");
}

void GuestLink::on_writable() {
  // A peer that is gone shows itself to on_readable, after what it sent before its end.
  if (!gone_) channel_.flush();
}

std::uint32_t GuestLink::remember(Pending pending) {
  const std::uint32_t request_id = next_request_++;
  pending_.insert_or_assign(request_id, std::move(pending));
  return request_id;
}

bool GuestLink::send(const ServerMessage& message, std::vector<UniqueFd> descriptors) {
  auto frame = encode(message);
  if (!frame) return false;
  channel_.queue(std::move(*frame), std::move(descriptors));
  channel_.flush();
  return true;
}

void GuestLink::fail_spawn(std::uint32_t request_id, int error, SpawnStage stage,
                           std::string message) {
  const auto found = pending_.find(request_id);
  if (found == pending_.end()) return;
  auto done = std::get<SpawnCallback>(std::move(found->second));
  pending_.erase(found);
  SpawnFailed failure;
  failure.request_id = request_id;
  failure.error = error;
  failure.stage = stage;
  failure.message = std::move(message);
  if (done) done(SpawnOutcome(std::move(failure)));
}

void GuestLink::spawn_pipes(SpawnRequest request, ChildStdio stdio, SpawnCallback done) {
  if (gone_) {
    if (done) done(gone_outcome(0, "the sandbox has ended"));
    return;
  }
  const int refused = refusal(request);
  const std::uint32_t request_id = remember(std::move(done));
  SpawnPipes message;
  message.request_id = request_id;
  message.argv = std::move(request.argv);
  message.env = std::move(request.env);
  message.cwd = std::move(request.cwd);
  std::vector<UniqueFd> descriptors;
  descriptors.push_back(std::move(stdio.stdin_fd));
  descriptors.push_back(std::move(stdio.stdout_fd));
  descriptors.push_back(std::move(stdio.stderr_fd));
  if (!send(message, std::move(descriptors))) {
    fail_spawn(request_id, refused, SpawnStage::exec, "the command cannot be passed on");
  }
}

void GuestLink::spawn_pty(SpawnRequest request, TerminalSize size, SpawnCallback done) {
  if (gone_) {
    if (done) done(gone_outcome(0, "the sandbox has ended"));
    return;
  }
  const int refused = refusal(request);
  const std::uint32_t request_id = remember(std::move(done));
  SpawnPty message;
  message.request_id = request_id;
  message.argv = std::move(request.argv);
  message.env = std::move(request.env);
  message.cwd = std::move(request.cwd);
  message.cols = size.cols;
  message.rows = size.rows;
  if (!send(message)) {
    fail_spawn(request_id, refused, SpawnStage::exec, "the command cannot be passed on");
  }
}

void GuestLink::signal(pid_t pid, int signo, SignalScope scope) {
  if (gone_) return;
  Signal message;
  message.pid = pid;
  message.signo = signo;
  message.scope = scope;
  send(message);
}

void GuestLink::list_processes(ProcessesCallback done) {
  if (gone_) {
    if (done) done(nullptr);
    return;
  }
  send(ListProcesses{remember(std::move(done))});
}

void GuestLink::sample(SampleCallback done) {
  if (gone_) {
    if (done) done(nullptr);
    return;
  }
  send(Sample{remember(std::move(done))});
}

void GuestLink::shutdown() {
  if (!gone_) send(Shutdown{});
}

void GuestLink::dispatch(GuestMessage&& message, std::vector<UniqueFd>&& descriptors) {
  const auto take = [this]<typename Callback>(std::uint32_t request_id,
                                              std::type_identity<Callback>) {
    std::optional<Callback> callback;
    const auto found = pending_.find(request_id);
    if (found == pending_.end()) return callback;
    if (auto* held = std::get_if<Callback>(&found->second)) {
      callback = std::move(*held);
      pending_.erase(found);
    }
    return callback;
  };
  constexpr const char* kUnasked = "the guest agent answered what nobody asked";

  if (const auto* ready = std::get_if<Ready>(&message)) {
    if (callbacks_.on_ready) callbacks_.on_ready(*ready);
  } else if (const auto* exited = std::get_if<Exited>(&message)) {
    if (callbacks_.on_exit) callbacks_.on_exit(*exited);
  } else if (const auto* spawned = std::get_if<Spawned>(&message)) {
    auto done = take(spawned->request_id, std::type_identity<SpawnCallback>());
    if (!done) return lose(kUnasked);
    Started started;
    started.pid = spawned->pid;
    if (spawned->has_terminal) started.terminal = std::move(descriptors.front());
    if (*done) (*done)(SpawnOutcome(std::move(started)));
  } else if (auto* failed = std::get_if<SpawnFailed>(&message)) {
    auto done = take(failed->request_id, std::type_identity<SpawnCallback>());
    if (!done) return lose(kUnasked);
    if (*done) (*done)(SpawnOutcome(std::move(*failed)));
  } else if (const auto* processes = std::get_if<Processes>(&message)) {
    auto done = take(processes->request_id, std::type_identity<ProcessesCallback>());
    if (!done) return lose(kUnasked);
    if (*done) (*done)(processes);
  } else if (const auto* sampled = std::get_if<Sampled>(&message)) {
    auto done = take(sampled->request_id, std::type_identity<SampleCallback>());
    if (!done) return lose(kUnasked);
    if (*done) (*done)(sampled);
  }
}

void GuestLink::lose(std::string reason) {
  gone_ = true;
  const std::weak_ptr<const bool> alive = alive_;
  const auto on_gone = std::move(callbacks_.on_gone);
  const auto pending = std::exchange(pending_, {});
  for (const auto& [request_id, callback] : pending) {
    std::visit(
        [&, id = request_id](const auto& done) {
          if (!done) return;
          if constexpr (std::is_same_v<std::decay_t<decltype(done)>, SpawnCallback>) {
            done(gone_outcome(id, reason));
          } else {
            done(nullptr);
          }
        },
        callback);
    if (alive.expired()) return;
  }
  if (on_gone) on_gone(reason);
}

}  // namespace nullspace::local::guest

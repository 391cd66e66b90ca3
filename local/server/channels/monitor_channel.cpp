#include "local/server/channels/monitor_channel.hpp"

#include <utility>
#include <variant>
#include <vector>

namespace nullspace::local {

namespace {

constexpr std::size_t kMaxSubscriptions = 64;
// How long a manual clock waits for a list of processes.
constexpr auto kListPatience = std::chrono::seconds(2);

bool is_shown(const Sandbox& sandbox, AccountId account) {
  return sandbox.spec().account == account && sandbox.status() != SandboxStatus::creating &&
         sandbox.status() != SandboxStatus::destroyed;
}

}  // namespace

MonitorChannel::MonitorChannel(ServiceClock& clock, SandboxService& service, AccountId account)
    : clock_(clock), service_(service), account_(account) {}

void MonitorChannel::on_open(std::shared_ptr<WebSocketSession> session) {
  session_ = std::move(session);
  service_.add_observer(shared_from_this());
}

void MonitorChannel::on_message(std::string text, bool /*binary*/) {
  handle(text);
  // Who asks and does not take the answers is not asked for more.
  if (session_) session_->pause_reading(session_->congested());
}

void MonitorChannel::on_drain() {
  if (session_) session_->pause_reading(session_->congested());
}

void MonitorChannel::handle(std::string_view text) {
  const auto decoded = wire::decode_monitor_client_message(text);
  if (const auto* problem = std::get_if<wire::MonitorProblem>(&decoded)) {
    return send(wire::encode(*problem));
  }
  const auto& message = std::get<wire::MonitorClientMessage>(decoded);
  if (const auto* wanted = std::get_if<wire::MonitorSubscribe>(&message)) {
    subscribe(*wanted);
  } else {
    subscriptions_.erase(std::get<wire::MonitorUnsubscribe>(message).id);
  }
}

void MonitorChannel::on_closed() {
  const auto self = shared_from_this();
  service_.remove_observer(this);
  subscriptions_.clear();
  session_.reset();
}

void MonitorChannel::send(std::string message) {
  if (session_) session_->send(std::move(message));
}

void MonitorChannel::subscribe(const wire::MonitorSubscribe& message) {
  if (subscriptions_.size() >= kMaxSubscriptions && !subscriptions_.contains(message.id)) {
    return send(wire::encode(wire::MonitorProblem{
        message.id,
        "at most " + std::to_string(kMaxSubscriptions) + " subscriptions on a socket"}));
  }
  subscriptions_.insert_or_assign(
      message.id,
      std::make_shared<Subscription>(clock_, wire::clamp_monitor_interval(message.interval),
                                     message.include_processes));
  send_snapshot(message.id);
  tick(message.id);
}

// The route has no noun of its own: the sandboxes' is taken.
void MonitorChannel::send_snapshot(const std::string& id) {
  Dialect dialect = Dialect::sandbox;
  std::vector<SandboxInfo> infos;
  for (const auto& sandbox : service_.store().all()) {
    if (!is_shown(*sandbox, account_)) continue;
    if (infos.empty()) dialect = sandbox->spec().dialect;
    infos.push_back(sandbox->info());
  }
  send(wire::encode_monitor_snapshot(dialect, id, infos));
}

void MonitorChannel::tick(const std::string& id) {
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end()) return;
  const auto subscription = found->second;
  subscription->timer.start(subscription->interval, [this, id] {
    const auto self = shared_from_this();
    tick(id);
  });
  if (session_ && !session_->congested()) report(id, *subscription);
}

void MonitorChannel::report(const std::string& id, Subscription& subscription) {
  const std::weak_ptr<MonitorChannel> weak = weak_from_this();
  for (const auto& sandbox : service_.store().all()) {
    if (!is_shown(*sandbox, account_) || sandbox->status() != SandboxStatus::running) continue;
    const Dialect dialect = sandbox->spec().dialect;
    sandbox->metrics().sample(
        subscription.interval / 2,
        [weak, id, dialect, sandbox_id = sandbox->id()](const SandboxMetrics* sample) {
          const auto self = weak.lock();
          if (!self || sample == nullptr || !self->subscriptions_.contains(id)) return;
          self->send(wire::encode_monitor_metrics(dialect, id, {sandbox_id, *sample}));
        });
    if (!subscription.include_processes) continue;
    sandbox->processes().list([weak, id, dialect, hold = clock_.hold(kListPatience),
                               sandbox_id = sandbox->id()](std::vector<ProcessInfo> processes) {
      const auto self = weak.lock();
      if (!self || !self->subscriptions_.contains(id)) return;
      self->send(wire::encode_monitor_processes(dialect, id, {sandbox_id, std::move(processes)}));
    });
  }
}

void MonitorChannel::on_sandbox_changed(const Sandbox& sandbox) {
  if (is_shown(sandbox, account_)) send_update(sandbox, false);
}

void MonitorChannel::on_sandbox_removed(const Sandbox& sandbox) {
  if (sandbox.spec().account == account_) send_update(sandbox, true);
}

void MonitorChannel::send_update(const Sandbox& sandbox, bool removed) {
  MonitorUpdateEvent event;
  event.sandbox_id = sandbox.id();
  event.removed = removed;
  if (!removed) event.sandbox = sandbox.info();
  for (const auto& [id, subscription] : subscriptions_) {
    send(wire::encode_monitor_update(sandbox.spec().dialect, id, event));
  }
}

}  // namespace nullspace::local

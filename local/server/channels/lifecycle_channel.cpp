#include "local/server/channels/lifecycle_channel.hpp"

#include <cstddef>
#include <utility>
#include <variant>

namespace nullspace::local {

LifecycleChannel::LifecycleChannel(LifecycleJournal& journal, AccountId account,
                                   std::optional<LifecycleChannelScope> scope)
    : journal_(journal), account_(account), log_(journal.log(account)), scope_(std::move(scope)) {}

void LifecycleChannel::on_open(std::shared_ptr<WebSocketSession> session) {
  session_ = std::move(session);
  journal_.add_observer(shared_from_this());
}

void LifecycleChannel::on_message(std::string text, bool /*binary*/) {
  handle(text);
  // Who asks and does not take the answers is not asked for more.
  if (session_) session_->pause_reading(session_->congested());
}

void LifecycleChannel::handle(std::string_view text) {
  auto decoded = wire::decode_lifecycle_client_message(text);
  if (auto* problem = std::get_if<wire::LifecycleProblem>(&decoded)) {
    return refuse(std::move(problem->message));
  }
  subscribe(std::get<wire::LifecycleSubscribe>(decoded));
}

void LifecycleChannel::on_drain() {
  if (session_) session_->pause_reading(session_->congested());
  deliver();
}

void LifecycleChannel::on_closed() {
  const auto self = shared_from_this();
  journal_.remove_observer(this);
  session_.reset();
}

void LifecycleChannel::on_lifecycle_event(AccountId account, const LoggedEvent& /*entry*/) {
  if (account == account_) deliver();
}

void LifecycleChannel::on_lifecycle_forgotten(AccountId account) {
  if (account == account_) next_ = 0;
}

void LifecycleChannel::refuse(std::string message) {
  if (session_) session_->send(wire::encode(wire::LifecycleProblem{std::move(message)}));
}

void LifecycleChannel::subscribe(const wire::LifecycleSubscribe& message) {
  if (!session_) return;
  const bool of_another =
      scope_ && !message.sandbox_id.empty() && message.sandbox_id != scope_->sandbox_id;
  if (of_another) {
    return refuse("invalid message: this socket has the events of " + scope_->sandbox_id + " only");
  }
  LifecycleFilter filter;
  filter.operation = message.operation;
  filter.status = message.status;
  filter.sandbox_id = scope_ ? scope_->sandbox_id : message.sandbox_id;
  filter.snapshot_id = message.snapshot_id;
  filter.metadata = message.metadata;

  // Who says nothing about replay gets none; a wish to see only what is new wins over a cursor.
  LifecycleLog::Position begin = log_.end();
  auto mode = wire::ReconnectMode::live_only;
  const bool asks = message.live_only || !message.after_event_id.empty() || message.replay_limit;
  if (asks && !message.live_only.value_or(false)) {
    mode = wire::ReconnectMode::cursor_replay;
    if (!message.after_event_id.empty()) {
      const auto cursor = log_.find(message.after_event_id);
      if (!cursor) {
        refuse("unknown after_event_id");
        subscribed_ = false;
        return session_->close(kCloseNormal, "unknown after_event_id");
      }
      // Whole, whatever the limit: who follows a cursor must not get a gap that nobody tells of.
      begin = *cursor + 1;
    } else {
      const int limit = message.replay_limit.value_or(wire::kMaxReplay);
      begin = log_.last_matching(filter, static_cast<std::size_t>(limit));
    }
  }
  const Dialect latest = log_.end() > 0 ? log_.at(log_.end() - 1).dialect : Dialect::sandbox;
  session_->send(
      wire::encode_lifecycle_subscribed(scope_ ? scope_->dialect : latest, message, mode));
  filter_ = std::move(filter);
  next_ = begin;
  subscribed_ = true;
  deliver();
}

void LifecycleChannel::deliver() {
  if (!session_ || !subscribed_) return;
  while (next_ < log_.end() && session_->open() && !session_->congested()) {
    const LoggedEvent& entry = log_.at(next_++);
    if (!filter_.matches(entry.event)) continue;
    session_->send(wire::encode_lifecycle_event_message(scope_ ? scope_->dialect : entry.dialect,
                                                        entry.event));
  }
}

}  // namespace nullspace::local

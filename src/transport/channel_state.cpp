#include "transport/channel_state.hpp"

#include <algorithm>

#include "transport/backoff.hpp"

namespace nullspace::inline v0::transport {

ChannelState::Step ChannelState::opened(Time now) noexcept {
  if (phase_ != Phase::connecting) return {};
  if (policy_.answer_within <= Duration{0}) {
    phase_ = Phase::connected;
    connected_at_ = now;
    return {};
  }
  phase_ = Phase::greeting;
  due_ = now + policy_.answer_within;
  return {Action::wait, due_};
}

void ChannelState::answered(Time now) noexcept {
  if (phase_ != Phase::greeting) return;
  phase_ = Phase::connected;
  connected_at_ = now;
  heard_ = true;
}

ChannelState::Step ChannelState::lost(Time now, const Loss& loss, double unit) noexcept {
  if (phase_ == Phase::closed) return {};
  if (phase_ == Phase::connected) {
    if (heard_) {
      attempts_ = 0;
      outage_since_.reset();
    }
    if (now - connected_at_ >= policy_.healthy_after) doublings_ = 0;
  }
  heard_ = false;
  if (!outage_since_) outage_since_ = now;

  if (loss.final || !policy_.reconnect) return give_up();
  if (policy_.max_attempts > 0 && attempts_ >= policy_.max_attempts) return give_up();
  const Duration delay = std::max(
      full_jitter({.initial = policy_.initial_delay, .max = policy_.max_delay}, doublings_, unit),
      loss.retry_after.value_or(Duration{0}));
  const Time next = now + delay;
  if (policy_.max_outage > Duration{0} && next - *outage_since_ > policy_.max_outage) {
    return give_up();
  }
  ++attempts_;
  ++doublings_;
  phase_ = Phase::waiting;
  due_ = next;
  return {Action::wait, due_};
}

ChannelState::Step ChannelState::tick(Time now) noexcept {
  if (phase_ != Phase::waiting && phase_ != Phase::greeting) return {};
  // Timers may ring early.
  if (now < due_) return {Action::wait, due_};
  if (phase_ == Phase::greeting) return {Action::drop, now};
  phase_ = Phase::connecting;
  return {Action::connect, now};
}

std::optional<ChannelState::Time> ChannelState::due() const noexcept {
  if (phase_ != Phase::waiting && phase_ != Phase::greeting) return std::nullopt;
  return due_;
}

ChannelState::Step ChannelState::give_up() noexcept {
  phase_ = Phase::closed;
  return {Action::close, {}};
}

}  // namespace nullspace::inline v0::transport

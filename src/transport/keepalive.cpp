#include "transport/keepalive.hpp"

#include <algorithm>

namespace nullspace::inline v0::transport {

KeepAliveState::KeepAliveState(const KeepAlive& settings, Time now)
    // "For ever" must not overflow the clock.
    : interval_(std::clamp(settings.interval, std::chrono::milliseconds{0},
                           std::chrono::milliseconds(std::chrono::hours{24 * 365}))),
      max_missed_(std::max(settings.max_missed, 1)),
      last_life_(now),
      next_(now + interval_) {}

void KeepAliveState::on_received(Time now) noexcept {
  last_life_ = now;
  unanswered_ = 0;
}

void KeepAliveState::on_resumed(Time now) noexcept {
  paused_ = false;
  // What the peer said during the pause is still on its way to us: start afresh.
  on_received(now);
  next_ = now + interval_;
}

KeepAliveState::Step KeepAliveState::on_timer(Time now) noexcept {
  Action action = Action::none;
  if (paused_) {
    action = Action::send_pong;
    next_ = now + interval_;
  } else if (unanswered_ == 0 && now < last_life_ + interval_) {
    next_ = last_life_ + interval_;
  } else if (unanswered_ >= max_missed_) {
    action = Action::give_up;
  } else {
    ++unanswered_;
    action = Action::send_ping;
    next_ = now + interval_ / max_missed_;
  }
  return {action, next_};
}

}  // namespace nullspace::inline v0::transport

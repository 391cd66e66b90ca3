// When to ping and when to give a peer up. Pure: events and time come in, actions go out.
#pragma once

#include <chrono>

#include <nullspace/transport.hpp>

namespace nullspace::inline v0::transport {

// A ping is sent after `interval` of silence; then `max_missed` pings in all get one further
// interval, evenly spaced, before the peer counts as gone. A peer that vanishes is so found within
// two intervals.
//
// While reading is paused no answer can be seen, so none is asked for: unsolicited pongs keep the
// peer from giving us up.
class KeepAliveState {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class Action { none, send_ping, send_pong, give_up };
  struct Step {
    Action action;
    // When to call on_timer() again.
    Time next;
  };

  KeepAliveState(const KeepAlive& settings, Time now);

  // false: no timer is wanted at all.
  [[nodiscard]] bool enabled() const noexcept { return interval_.count() > 0; }
  // When to call on_timer() first, and after on_resumed().
  [[nodiscard]] Time next() const noexcept { return next_; }

  // Data or a pong came in.
  void on_received(Time now) noexcept;
  void on_paused() noexcept { paused_ = true; }
  void on_resumed(Time now) noexcept;
  [[nodiscard]] Step on_timer(Time now) noexcept;

 private:
  std::chrono::milliseconds interval_;
  int max_missed_;
  Time last_life_;
  Time next_;
  int unanswered_{0};
  bool paused_{false};
};

}  // namespace nullspace::inline v0::transport

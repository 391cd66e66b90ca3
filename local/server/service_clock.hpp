#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <nullspace/sandbox_info.hpp>

#include "local/server/event_loop.hpp"

namespace nullspace::local {

class ServiceTimer;

// Keeps an advance of a manual clock from going on, as long as a copy of it lives: what a timer has
// set off is still under way, and the next timer should find it done. Empty with a real clock. The
// only part of a clock that another thread may touch.
using ClockHold = std::shared_ptr<const void>;

// The time that the service lives in: deadlines of sandboxes, pings, samples, timestamps. It is the
// machine's own, or a manual one, which stands still and moves only by advance(). What serves the
// sockets themselves and what happens inside a sandbox stays on real time. Loop's thread only.
class ServiceClock {
 public:
  enum class Mode { real, manual };

  ServiceClock(EventLoop& loop, Mode mode);
  ServiceClock(const ServiceClock&) = delete;
  ServiceClock& operator=(const ServiceClock&) = delete;
  ~ServiceClock();

  [[nodiscard]] bool manual() const { return timers_ != nullptr; }
  // For measuring: never goes back.
  [[nodiscard]] Clock::time_point now() const { return manual() ? now_ : Clock::now(); }
  // For showing.
  [[nodiscard]] Timestamp wall() const;
  // Where the advance that is under way will end; now() otherwise. What happens in regular
  // intervals and only counts at the end may be left out before that.
  [[nodiscard]] Clock::time_point goal() const;

  // Manual clocks only. Moves on and runs the timers that become due, in their order, each at its
  // own time; between two of them the loop serves its sockets. `done` gets how many there were.
  // Advances follow one another.
  void advance(Clock::duration by, std::function<void(std::uint64_t fired)> done);
  // Given up after `limit` of real time.
  [[nodiscard]] ClockHold hold(Clock::duration limit);

 private:
  friend class ServiceTimer;

  using Due = std::pair<Clock::time_point, std::uint64_t>;
  // Timers may outlive the clock when a server goes down.
  struct Timers {
    std::map<Due, ServiceTimer*> waiting;
    std::uint64_t last_number = 0;
  };
  // A hold may be given up by any thread.
  struct Holds {
    std::mutex mutex;
    std::map<std::uint64_t, Clock::time_point> until;
    std::uint64_t last_number = 0;
    std::function<void()> released;
  };
  struct Advance {
    Clock::duration by{};
    std::optional<Clock::time_point> goal;  // once it has begun
    std::uint64_t fired = 0;
    std::function<void(std::uint64_t)> done;
  };

  void step();
  void step_soon() {
    step_timer_.start(Clock::duration::zero(), [this] { step(); });
  }
  // How long, if at all.
  [[nodiscard]] std::optional<Clock::time_point> held_until() const;

  EventLoop& loop_;
  Clock::time_point now_;
  Clock::time_point begin_;
  Timestamp begin_wall_;
  std::shared_ptr<Timers> timers_;  // null: real
  std::shared_ptr<Holds> holds_;
  std::deque<Advance> advances_;
  Timer step_timer_;
};

// A Timer on the service's time.
class ServiceTimer {
 public:
  explicit ServiceTimer(ServiceClock& clock);
  ~ServiceTimer() { cancel(); }
  ServiceTimer(const ServiceTimer&) = delete;
  ServiceTimer& operator=(const ServiceTimer&) = delete;

  void start(Clock::duration delay, Task task);
  void start_at(Clock::time_point when, Task task);
  void cancel();
  [[nodiscard]] bool active() const { return due_.has_value() || real_.active(); }

 private:
  friend class ServiceClock;

  ServiceClock& clock_;
  std::shared_ptr<ServiceClock::Timers> timers_;  // null: real
  Timer real_;
  std::optional<ServiceClock::Due> due_;
  Task task_;
};

}  // namespace nullspace::local

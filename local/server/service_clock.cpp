#include "local/server/service_clock.hpp"

#include <algorithm>

namespace nullspace::local {

ServiceClock::ServiceClock(EventLoop& loop, Mode mode)
    : loop_(loop),
      now_(Clock::now()),
      begin_(now_),
      begin_wall_(
          std::chrono::time_point_cast<Timestamp::duration>(std::chrono::system_clock::now())),
      step_timer_(loop) {
  if (mode == Mode::real) return;
  timers_ = std::make_shared<Timers>();
  holds_ = std::make_shared<Holds>();
  holds_->released = [this] {
    loop_.post([this] {
      if (!advances_.empty()) step_soon();
    });
  };
}

ServiceClock::~ServiceClock() {
  if (!holds_) return;
  const std::lock_guard lock(holds_->mutex);
  holds_->released = nullptr;
}

Timestamp ServiceClock::wall() const {
  if (!manual()) {
    return std::chrono::time_point_cast<Timestamp::duration>(std::chrono::system_clock::now());
  }
  return begin_wall_ + std::chrono::duration_cast<Timestamp::duration>(now_ - begin_);
}

Clock::time_point ServiceClock::goal() const {
  if (advances_.empty()) return now();
  return advances_.front().goal.value_or(now_);
}

void ServiceClock::advance(Clock::duration by, std::function<void(std::uint64_t)> done) {
  Advance advance;
  advance.by = by;
  advance.done = std::move(done);
  advances_.push_back(std::move(advance));
  if (advances_.size() == 1) step_soon();
}

ClockHold ServiceClock::hold(Clock::duration limit) {
  if (!manual()) return nullptr;
  class Hold {
   public:
    Hold(const std::shared_ptr<Holds>& holds, Clock::time_point until) : holds_(holds) {
      const std::lock_guard lock(holds->mutex);
      number_ = ++holds->last_number;
      holds->until.emplace(number_, until);
    }
    ~Hold() {
      const auto holds = holds_.lock();
      if (!holds) return;
      const std::lock_guard lock(holds->mutex);
      holds->until.erase(number_);
      if (holds->released) holds->released();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    std::weak_ptr<Holds> holds_;
    std::uint64_t number_ = 0;
  };
  return std::make_shared<const Hold>(holds_, Clock::now() + limit);
}

std::optional<Clock::time_point> ServiceClock::held_until() const {
  const auto now = Clock::now();
  std::optional<Clock::time_point> latest;
  const std::lock_guard lock(holds_->mutex);
  for (const auto& [number, until] : holds_->until) {
    if (until > now) latest = std::max(latest.value_or(until), until);
  }
  return latest;
}

void ServiceClock::step() {
  if (advances_.empty()) return;
  Advance& advance = advances_.front();
  if (!advance.goal) advance.goal = now_ + advance.by;
  if (const auto until = held_until()) {
    return step_timer_.start_at(*until, [this] { step(); });
  }
  const auto next = timers_->waiting.begin();
  if (next != timers_->waiting.end() && next->first.first <= *advance.goal) {
    ServiceTimer* const timer = next->second;
    now_ = std::max(now_, next->first.first);
    timers_->waiting.erase(next);
    timer->due_.reset();
    ++advance.fired;
    step_soon();
    // The task may destroy the timer.
    const Task task = std::move(timer->task_);
    task();
    return;
  }
  now_ = *advance.goal;
  const Advance finished = std::move(advance);
  advances_.pop_front();
  if (!advances_.empty()) step_soon();
  finished.done(finished.fired);
}

ServiceTimer::ServiceTimer(ServiceClock& clock)
    : clock_(clock), timers_(clock.timers_), real_(clock.loop_) {}

void ServiceTimer::start(Clock::duration delay, Task task) {
  start_at(clock_.now() + delay, std::move(task));
}

void ServiceTimer::start_at(Clock::time_point when, Task task) {
  if (!timers_) return real_.start_at(when, std::move(task));
  cancel();
  due_.emplace(when, ++timers_->last_number);
  task_ = std::move(task);
  timers_->waiting.emplace(*due_, this);
}

void ServiceTimer::cancel() {
  real_.cancel();
  if (!due_) return;
  timers_->waiting.erase(*due_);
  due_.reset();
  task_ = nullptr;
}

}  // namespace nullspace::local

#include "transport/dispatcher.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "transport/threads.hpp"

namespace nullspace::inline v0::transport {

namespace {

using Clock = std::chrono::steady_clock;

// Keeps "for ever" from overflowing the clock.
constexpr std::chrono::milliseconds kLongestDelay = std::chrono::hours{24 * 365};

}  // namespace

struct Dispatcher::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> tasks;
  std::map<std::pair<Clock::time_point, TimerId>, Task> timers;
  TimerId next_timer{1};
  bool stopping{false};
  std::thread thread;

  static void ensure_started(const std::shared_ptr<State>& state) {
    if (!state->thread.joinable()) {
      state->thread = start_thread("ns-callbacks", [state] { state->run(); });
    }
  }

  void run() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      if (!timers.empty() && timers.begin()->first.first <= Clock::now()) {
        tasks.push_back(std::move(timers.begin()->second));
        timers.erase(timers.begin());
        continue;
      }
      if (!tasks.empty()) {
        const Errand errand;
        Task task = std::move(tasks.front());
        tasks.pop_front();
        lock.unlock();
        task();
        // What the task held dies here, without the lock; it may be the Dispatcher itself.
        task = nullptr;
        lock.lock();
      } else if (timers.empty()) {
        changed.wait(lock);
      } else {
        const Clock::time_point next = timers.begin()->first.first;
        changed.wait_until(lock, next);
      }
    }
  }
};

Dispatcher::Dispatcher() : state_(std::make_shared<State>()) {}

Dispatcher::~Dispatcher() {
  std::deque<Task> tasks;
  std::map<std::pair<Clock::time_point, TimerId>, Task> timers;
  std::thread thread;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    // They die without the lock: a task may hold the last reference to something that posts.
    tasks.swap(state_->tasks);
    timers.swap(state_->timers);
    thread.swap(state_->thread);
  }
  state_->changed.notify_all();
  tasks.clear();
  timers.clear();
  join_or_hand_over(std::move(thread));
}

void Dispatcher::post(Task task) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    State::ensure_started(state_);
    state_->tasks.push_back(std::move(task));
  }
  state_->changed.notify_one();
}

Dispatcher::TimerId Dispatcher::post_after(std::chrono::milliseconds delay, Task task) {
  TimerId id = 0;
  {
    const std::lock_guard lock(state_->mutex);
    id = state_->next_timer++;
    if (state_->stopping) return id;
    State::ensure_started(state_);
    state_->timers.emplace(std::pair{Clock::now() + std::min(delay, kLongestDelay), id},
                           std::move(task));
  }
  state_->changed.notify_one();
  return id;
}

void Dispatcher::cancel(TimerId timer) {
  Task task;
  const std::lock_guard lock(state_->mutex);
  const auto found =
      std::find_if(state_->timers.begin(), state_->timers.end(),
                   [timer](const auto& entry) { return entry.first.second == timer; });
  if (found == state_->timers.end()) return;
  task = std::move(found->second);
  state_->timers.erase(found);
}

}  // namespace nullspace::inline v0::transport

// The thread on which callbacks of background streams run unless the application brings an
// executor, and the clock that wakes streams up again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace nullspace::inline v0::transport {

// Thread-safe. The thread starts with the first task and is joined by the destructor. The
// destructor may run on that very thread (the last handle died inside a callback); see
// join_or_hand_over().
class Dispatcher {
 public:
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;

  Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  // Tasks and timers that have not run are dropped.
  ~Dispatcher();

  // Tasks run in order, one at a time. A task must not throw: streams catch what their callbacks
  // throw.
  void post(Task task);
  TimerId post_after(std::chrono::milliseconds delay, Task task);
  // A timer that has already been queued to run may still run.
  void cancel(TimerId timer);

 private:
  // Shared with the thread, which may outlive this object by one task.
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace nullspace::inline v0::transport

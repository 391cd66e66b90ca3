// Lets one thread at a time run the callbacks of a stream, and lets stop() wait until nobody does.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "support/condition.hpp"
#include "support/expiry.hpp"
#include "support/fork_generation.hpp"

namespace nullspace::inline v0::transport {

// The thread that is inside may come in again: a callback may wait for its own stream, which then
// delivers further messages on the same thread, in order.
//
// In a child that was forked off an inherited gate is closed and empty: who may have been inside
// does not exist there.
class TurnGate {
 public:
  // Leaves the gate when it goes.
  class Turn {
   public:
    Turn() = default;
    explicit Turn(TurnGate* gate) : gate_(gate) {}
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->leave();
    }
    explicit operator bool() const noexcept { return gate_ != nullptr; }

   private:
    TurnGate* gate_{nullptr};
  };

  // Empty when another thread is inside or the gate is closed.
  [[nodiscard]] Turn try_enter() {
    if (!ours_.still()) return {};
    const std::lock_guard lock(mutex_);
    if (closed_ || (depth_ > 0 && inside_ != std::this_thread::get_id())) return {};
    inside_ = std::this_thread::get_id();
    ++depth_;
    return Turn(this);
  }

  // Waits until it can come in. Empty when the gate is closed or the wait was given up.
  [[nodiscard]] Turn enter(support::Expiry expiry, const std::stop_token& stop) {
    if (!ours_.still()) return {};
    std::unique_lock lock(mutex_);
    const bool ready = support::wait_until(changed_, lock, stop, expiry, [this] {
      return closed_ || depth_ == 0 || inside_ == std::this_thread::get_id();
    });
    if (!ready || closed_) return {};
    inside_ = std::this_thread::get_id();
    ++depth_;
    return Turn(this);
  }

  // Nobody comes in any more; who is inside stays.
  void close() {
    if (!ours_.still()) return;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  // After close(): waits until nobody is inside, unless that is the calling thread. Not part of
  // close(), because who is inside may be waiting for something that only ends with the stream.
  void wait_empty() {
    if (!ours_.still()) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return depth_ == 0 || inside_ == std::this_thread::get_id(); });
  }

  [[nodiscard]] bool closed() const {
    if (!ours_.still()) return true;
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  void leave() {
    // Notified under the lock: once it is released, wait_empty() may return and the gate may be
    // gone.
    if (!ours_.still()) return;
    const std::lock_guard lock(mutex_);
    if (--depth_ == 0) changed_.notify_all();
  }

  const support::OfThisProcess ours_{};
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::thread::id inside_;
  int depth_{0};
  bool closed_{false};
};

}  // namespace nullspace::inline v0::transport

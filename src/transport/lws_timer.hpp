// A timer of the I/O thread.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "transport/lws_compat.hpp"
#include "transport/threads.hpp"

namespace nullspace::inline v0::transport {

// I/O thread only, except for construction. Destroying it cancels it.
class LwsTimer {
 public:
  explicit LwsTimer(std::function<void()> on_fire) : on_fire_(std::move(on_fire)) {}
  LwsTimer(const LwsTimer&) = delete;
  LwsTimer& operator=(const LwsTimer&) = delete;
  ~LwsTimer() { cancel(); }

  // Starts it again when it is running.
  void start(lws_context* context, std::chrono::steady_clock::duration delay) noexcept {
    cancel();
    schedule(context, anchor_.entry, &LwsTimer::fire, delay);
    running_ = true;
  }

  void cancel() noexcept {
    // An entry that was never scheduled must not be touched: it may be in another thread that it is
    // destroyed.
    if (std::exchange(running_, false)) lws_sul_cancel(&anchor_.entry);
  }

 private:
  // The entry is the first member, so that its address is the anchor's.
  struct Anchor {
    lws_sorted_usec_list_t entry;
    LwsTimer* owner;
  };

  static void fire(lws_sorted_usec_list_t* entry) {
    const Errand errand;
    LwsTimer* const timer = reinterpret_cast<Anchor*>(entry)->owner;
    timer->running_ = false;
    // A copy: the call may destroy the timer.
    const std::function<void()> call = timer->on_fire_;
    call();
  }

  Anchor anchor_{{}, this};
  std::function<void()> on_fire_;
  bool running_{false};
};

}  // namespace nullspace::inline v0::transport

// Waiting for a condition with a deadline and a stop_token at once.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "support/expiry.hpp"

namespace nullspace::inline v0::support {

// True when the predicate holds. The lock is held again on return.
template <typename Predicate>
[[nodiscard]] bool wait_until(std::condition_variable_any& changed,
                              std::unique_lock<std::mutex>& lock, const std::stop_token& stop,
                              Expiry expiry, Predicate predicate) {
  if (const auto at = expiry.time_point()) return changed.wait_until(lock, stop, *at, predicate);
  return changed.wait(lock, stop, predicate);
}

// Sleeps; false when the stop_token cut it short.
[[nodiscard]] bool sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop);

}  // namespace nullspace::inline v0::support

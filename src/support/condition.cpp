#include "support/condition.hpp"

namespace nullspace::inline v0::support {

bool sleep_for(std::chrono::milliseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never_notified;
  std::unique_lock lock(mutex);
  const bool stopped = wait_until(never_notified, lock, stop, Expiry::after(duration),
                                  [&stop] { return stop.stop_requested(); });
  return !stopped;
}

}  // namespace nullspace::inline v0::support

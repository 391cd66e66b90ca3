#include <nullspace/monitor.hpp>

#include <memory>
#include <utility>

#include "api/monitor_core.hpp"
#include "api/throw.hpp"
#include "support/error_info.hpp"

namespace nullspace::inline v0 {

Monitor::Monitor() = default;
Monitor::Monitor(Client client) noexcept : client_(std::move(client)) {}

Subscription Monitor::subscribe(MonitorOptions options) const {
  if (options.interval <= std::chrono::milliseconds{0}) {
    throw_error(support::invalid_request("interval must be positive"));
  }
  return Subscription(
      value_or_throw(detail::MonitorCore::open(client_.core(), std::move(options))));
}

}  // namespace nullspace::inline v0

// What a Subscription handle holds on to.
#pragma once

#include <optional>

#include <nullspace/stream_state.hpp>

namespace nullspace::inline v0::detail {

class SubscriptionCore {
 public:
  SubscriptionCore() = default;
  SubscriptionCore(const SubscriptionCore&) = delete;
  SubscriptionCore& operator=(const SubscriptionCore&) = delete;
  virtual ~SubscriptionCore() = default;

  // See Subscription::stop().
  virtual void stop() noexcept = 0;
  [[nodiscard]] virtual StreamState state() const noexcept = 0;
  [[nodiscard]] virtual std::optional<Error> last_error() const = 0;
};

}  // namespace nullspace::inline v0::detail

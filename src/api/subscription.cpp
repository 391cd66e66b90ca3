#include <nullspace/subscription.hpp>

#include <utility>

#include "api/subscription_core.hpp"

namespace nullspace::inline v0 {

Subscription::Subscription() noexcept = default;
Subscription::Subscription(std::shared_ptr<detail::SubscriptionCore> core) noexcept
    : core_(std::move(core)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    stop();
    core_ = std::move(other.core_);
  }
  return *this;
}
Subscription::~Subscription() {
  stop();
}

void Subscription::stop() noexcept {
  // A copy: a callback may destroy the handle while this runs.
  if (const auto core = core_) core->stop();
}

bool Subscription::active() const noexcept {
  return state() != StreamState::closed;
}
StreamState Subscription::state() const noexcept {
  return core_ ? core_->state() : StreamState::closed;
}
std::optional<Error> Subscription::last_error() const {
  return core_ ? core_->last_error() : std::nullopt;
}

}  // namespace nullspace::inline v0

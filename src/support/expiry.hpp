// A point on the steady clock by which something must be done, or none. Wall clocks jump; this one
// does not.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace nullspace::inline v0::support {

class Expiry {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static Expiry never() noexcept { return Expiry(std::nullopt); }

  // Durations too large for the clock count as never, so that "no deadline" values need no special
  // case. Negative ones have passed already.
  [[nodiscard]] static Expiry after(std::chrono::milliseconds duration) noexcept {
    if (duration > std::chrono::hours{24 * 365 * 10}) return never();
    return Expiry(Clock::now() + std::max(duration, std::chrono::milliseconds{0}));
  }

  [[nodiscard]] static Expiry at(Clock::time_point instant) noexcept { return Expiry(instant); }

  [[nodiscard]] static Expiry earlier(Expiry left, Expiry right) noexcept {
    if (!left.at_) return right;
    if (!right.at_) return left;
    return Expiry(std::min(*left.at_, *right.at_));
  }

  [[nodiscard]] bool is_never() const noexcept { return !at_; }
  [[nodiscard]] bool passed() const noexcept { return at_ && Clock::now() >= *at_; }
  [[nodiscard]] std::optional<Clock::time_point> time_point() const noexcept { return at_; }

  // At least 0; rounded up, so that a wait of this length does not end just before the instant.
  [[nodiscard]] std::chrono::milliseconds remaining(
      std::chrono::milliseconds if_never) const noexcept {
    if (!at_) return if_never;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*at_ - Clock::now());
    return std::max(left, std::chrono::milliseconds{0});
  }

 private:
  explicit Expiry(std::optional<Clock::time_point> at) noexcept : at_(at) {}
  std::optional<Clock::time_point> at_;
};

}  // namespace nullspace::inline v0::support

#include "transport/backoff.hpp"

#include <algorithm>

namespace nullspace::inline v0::transport {

std::chrono::milliseconds full_jitter(const BackoffLimits& limits, int attempt,
                                      double unit) noexcept {
  using std::chrono::milliseconds;
  const milliseconds max = std::max(limits.max, milliseconds{0});
  milliseconds ceiling = std::clamp(limits.initial, milliseconds{0}, max);
  // Doubling step by step cannot overflow, whatever the attempt.
  for (int i = 0; i < attempt && ceiling < max; ++i) {
    ceiling = ceiling > max / 2 ? max : ceiling * 2;
    if (ceiling.count() == 0) break;
  }
  const milliseconds floor = std::clamp(limits.min, milliseconds{0}, ceiling);
  const double span = static_cast<double>((ceiling - floor).count());
  return floor + milliseconds{static_cast<milliseconds::rep>(span * std::clamp(unit, 0.0, 1.0))};
}

}  // namespace nullspace::inline v0::transport

// How long to wait before the next attempt. Pure: the attempt and the random number come in.
#pragma once

#include <chrono>

namespace nullspace::inline v0::transport {

struct BackoffLimits {
  // Ceiling of the first delay; it doubles with every attempt.
  std::chrono::milliseconds initial{250};
  std::chrono::milliseconds max{5'000};
  // No delay is shorter.
  std::chrono::milliseconds min{0};
};

// Full jitter: uniform in [min, min(max, initial * 2^attempt)]. `attempt` counts from 0, `unit` is
// uniform in [0, 1).
[[nodiscard]] std::chrono::milliseconds full_jitter(const BackoffLimits& limits, int attempt,
                                                    double unit) noexcept;

}  // namespace nullspace::inline v0::transport

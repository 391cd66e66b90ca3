#include "transport/backoff.hpp"

#include <limits>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::transport::BackoffLimits;
using nullspace::transport::full_jitter;

TEST_CASE("the ceiling doubles with each attempt up to the limit") {
  const BackoffLimits limits{.initial = 250ms, .max = 5'000ms};
  constexpr double kAlmostOne = 0.999999;
  CHECK(full_jitter(limits, 0, kAlmostOne) == 249ms);
  CHECK(full_jitter(limits, 1, kAlmostOne) == 499ms);
  CHECK(full_jitter(limits, 4, kAlmostOne) == 3'999ms);
  CHECK(full_jitter(limits, 5, kAlmostOne) == 4'999ms);
  CHECK(full_jitter(limits, 1'000, kAlmostOne) == 4'999ms);
}

TEST_CASE("jitter is full: from the minimum to the ceiling") {
  CHECK(full_jitter({.initial = 1'000ms, .max = 8'000ms}, 2, 0.0) == 0ms);
  CHECK(full_jitter({.initial = 1'000ms, .max = 8'000ms}, 2, 0.5) == 2'000ms);
  CHECK(full_jitter({.initial = 1'000ms, .max = 8'000ms, .min = 100ms}, 0, 0.0) == 100ms);
  CHECK(full_jitter({.initial = 1'000ms, .max = 8'000ms, .min = 100ms}, 0, 0.5) == 550ms);
}

TEST_CASE("odd limits give no odd delays") {
  CHECK(full_jitter({.initial = 0ms, .max = 100ms}, 50, 0.9) == 0ms);
  CHECK(full_jitter({.initial = 500ms, .max = 100ms}, 0, 1.0) == 100ms);
  CHECK(full_jitter({.initial = -5ms, .max = -1ms}, 3, 0.5) == 0ms);
  CHECK(full_jitter({.initial = 10ms, .max = 20ms, .min = 50ms}, 0, 0.5) == 10ms);
  const auto huge = full_jitter({.initial = 1ms, .max = std::chrono::milliseconds::max()},
                                std::numeric_limits<int>::max(), 0.5);
  CHECK(huge > 0ms);
}

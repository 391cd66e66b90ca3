#include "support/expiry.hpp"

#include <stop_token>

#include "support/condition.hpp"
#include "tests/support/catch.hpp"

using nullspace::support::Expiry;
using std::chrono::milliseconds;

TEST_CASE("never is never") {
  const Expiry never = Expiry::never();
  CHECK(never.is_never());
  CHECK_FALSE(never.passed());
  CHECK_FALSE(never.time_point());
  CHECK(never.remaining(milliseconds{7}) == milliseconds{7});
}

TEST_CASE("a duration that the clock cannot hold is never") {
  CHECK(Expiry::after(milliseconds::max()).is_never());
  CHECK(Expiry::after(milliseconds::max() - milliseconds{1}).is_never());
  CHECK_FALSE(Expiry::after(std::chrono::hours{24}).is_never());
}

TEST_CASE("a duration of zero or less has passed") {
  for (const milliseconds duration : {milliseconds{0}, milliseconds{-1}, milliseconds::min()}) {
    const Expiry expiry = Expiry::after(duration);
    CHECK(expiry.passed());
    CHECK(expiry.remaining(milliseconds{7}) == milliseconds{0});
  }
}

TEST_CASE("what remains is rounded up, so that nobody wakes before the instant") {
  const Expiry expiry = Expiry::after(std::chrono::hours{1});
  const milliseconds left = expiry.remaining(milliseconds{0});
  CHECK(left <= std::chrono::hours{1});
  CHECK(left > std::chrono::minutes{59});
  CHECK(*expiry.time_point() <= Expiry::Clock::now() + left);
}

TEST_CASE("the earlier of two") {
  const Expiry soon = Expiry::after(std::chrono::minutes{1});
  const Expiry late = Expiry::after(std::chrono::hours{1});
  CHECK(Expiry::earlier(soon, late).time_point() == soon.time_point());
  CHECK(Expiry::earlier(late, soon).time_point() == soon.time_point());
  CHECK(Expiry::earlier(Expiry::never(), soon).time_point() == soon.time_point());
  CHECK(Expiry::earlier(soon, Expiry::never()).time_point() == soon.time_point());
  CHECK(Expiry::earlier(Expiry::never(), Expiry::never()).is_never());
}

TEST_CASE("sleeping ends with the stop_token") {
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(nullspace::support::sleep_for(std::chrono::hours{1}, stop.get_token()));
  CHECK(nullspace::support::sleep_for(milliseconds{0}, {}));
}

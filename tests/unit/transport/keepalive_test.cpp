#include "transport/keepalive.hpp"

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::KeepAlive;
using nullspace::transport::KeepAliveState;
using Action = KeepAliveState::Action;

namespace {

constexpr KeepAliveState::Time kStart{};

}  // namespace

TEST_CASE("silence for an interval is answered with a ping") {
  KeepAliveState state({.interval = 15s, .max_missed = 2}, kStart);
  REQUIRE(state.enabled());
  REQUIRE(state.next() == kStart + 15s);
  CHECK(state.on_timer(kStart + 15s).action == Action::send_ping);
}

TEST_CASE("a peer that talks is not pinged, and the silence counts from its last word") {
  KeepAliveState state({.interval = 15s, .max_missed = 2}, kStart);
  state.on_received(kStart + 10s);
  const auto step = state.on_timer(kStart + 15s);
  CHECK(step.action == Action::none);
  CHECK(step.next == kStart + 25s);
  CHECK(state.on_timer(kStart + 25s).action == Action::send_ping);
}

TEST_CASE("a peer that vanished is found within two intervals") {
  for (const int max_missed : {1, 2, 3, 5}) {
    KeepAliveState state({.interval = 15s, .max_missed = max_missed}, kStart);
    int pings = 0;
    KeepAliveState::Time now = state.next();
    while (true) {
      const auto step = state.on_timer(now);
      if (step.action == Action::give_up) break;
      REQUIRE(step.action == Action::send_ping);
      REQUIRE(step.next > now);
      ++pings;
      now = step.next;
    }
    CHECK(pings == max_missed);
    CHECK(now <= kStart + 30s);
    CHECK(now > kStart + 29s);
  }
}

TEST_CASE("any sign of life forgives all missed pings") {
  KeepAliveState state({.interval = 10s, .max_missed = 2}, kStart);
  CHECK(state.on_timer(kStart + 10s).action == Action::send_ping);
  CHECK(state.on_timer(kStart + 15s).action == Action::send_ping);
  state.on_received(kStart + 19'999ms);
  const auto step = state.on_timer(kStart + 20s);
  CHECK(step.action == Action::none);
  CHECK(step.next == kStart + 29'999ms);
  CHECK(state.on_timer(kStart + 30s).action == Action::send_ping);
  CHECK(state.on_timer(kStart + 35s).action == Action::send_ping);
  CHECK(state.on_timer(kStart + 40s).action == Action::give_up);
}

TEST_CASE("an answer in the very millisecond of the ping counts") {
  KeepAliveState state({.interval = 10s, .max_missed = 1}, kStart);
  CHECK(state.on_timer(kStart + 10s).action == Action::send_ping);
  state.on_received(kStart + 10s);
  CHECK(state.on_timer(kStart + 20s).action == Action::send_ping);
}

TEST_CASE("while reading is paused the peer hears pongs and is never given up") {
  KeepAliveState state({.interval = 10s, .max_missed = 1}, kStart);
  CHECK(state.on_timer(kStart + 10s).action == Action::send_ping);
  state.on_paused();
  for (int i = 2; i < 100; ++i) {
    const auto step = state.on_timer(kStart + i * 10s);
    REQUIRE(step.action == Action::send_pong);
    REQUIRE(step.next == kStart + (i + 1) * 10s);
  }
  state.on_resumed(kStart + 1'000s);
  CHECK(state.next() == kStart + 1'010s);
  CHECK(state.on_timer(kStart + 1'005s).action == Action::none);
  CHECK(state.on_timer(kStart + 1'010s).action == Action::send_ping);
  CHECK(state.on_timer(kStart + 1'020s).action == Action::give_up);
}

TEST_CASE("zero switches own pings off") {
  CHECK_FALSE(KeepAliveState({.interval = 0s, .max_missed = 2}, kStart).enabled());
  CHECK_FALSE(KeepAliveState({.interval = -1s, .max_missed = 2}, kStart).enabled());
}

TEST_CASE("at least one ping is sent before giving up") {
  KeepAliveState state({.interval = 10s, .max_missed = 0}, kStart);
  CHECK(state.on_timer(kStart + 10s).action == Action::send_ping);
  CHECK(state.on_timer(kStart + 20s).action == Action::give_up);
}

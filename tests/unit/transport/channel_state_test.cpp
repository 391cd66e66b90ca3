#include "transport/channel_state.hpp"

#include <chrono>

#include "tests/support/catch.hpp"

using nullspace::transport::ChannelState;
using std::chrono::milliseconds;
using Action = ChannelState::Action;
using Phase = ChannelState::Phase;

namespace {

// The clock of these tests stands still unless they move it.
constexpr ChannelState::Time kStart{};
constexpr double kNoLuck = 1.0;

ChannelState::Time at(int ms) {
  return kStart + milliseconds{ms};
}

}  // namespace

TEST_CASE("a lost connection is waited for, made and counted") {
  ChannelState state({}, kStart);
  CHECK(state.phase() == Phase::connected);
  const auto pause = state.lost(at(1'000), {}, kNoLuck);
  CHECK(pause.action == Action::wait);
  CHECK(pause.at == at(1'250));
  CHECK(state.phase() == Phase::waiting);
  CHECK(state.due() == at(1'250));
  CHECK(state.tick(at(1'249)).action == Action::wait);
  CHECK(state.tick(at(1'249)).at == at(1'250));
  CHECK(state.tick(at(1'250)).action == Action::connect);
  CHECK(state.phase() == Phase::connecting);
  CHECK(state.tick(at(9'999)).action == Action::none);
  CHECK(state.opened(at(1'300)).action == Action::none);
  CHECK(state.phase() == Phase::connected);
}

TEST_CASE("delays double up to their limit, with a random part of each") {
  ChannelState state({.initial_delay = milliseconds{100}, .max_delay = milliseconds{350}}, kStart);
  int now = 0;
  for (const int expected : {100, 200, 350, 350}) {
    const auto pause = state.lost(at(now), {}, kNoLuck);
    CHECK(pause.at == at(now + expected));
    now += expected;
    CHECK(state.tick(at(now)).action == Action::connect);
  }
  CHECK(state.lost(at(now), {}, 0.5).at == at(now + 175));
}

TEST_CASE("only a connection that lived starts the delays anew") {
  ChannelState state({.initial_delay = milliseconds{100}, .healthy_after = milliseconds{1'000}},
                     kStart);
  // One that works and is thrown out at once is not asked at the pace of the first delay for ever.
  CHECK(state.lost(at(0), {}, kNoLuck).at == at(100));
  (void)state.tick(at(100));
  (void)state.opened(at(100));
  state.heard();
  CHECK(state.lost(at(1'099), {}, kNoLuck).at == at(1'299));
  (void)state.tick(at(1'299));
  (void)state.opened(at(1'300));
  state.heard();
  CHECK(state.lost(at(2'300), {}, kNoLuck).at == at(2'400));
}

TEST_CASE("attempts of one outage can be limited") {
  ChannelState state({.max_attempts = 2}, kStart);
  CHECK(state.lost(at(0), {}, 0).action == Action::wait);
  (void)state.tick(at(0));
  CHECK(state.lost(at(0), {}, 0).action == Action::wait);
  CHECK(state.attempts() == 2);
  (void)state.tick(at(0));

  SECTION("the next failure is the last") {
    CHECK(state.lost(at(0), {}, 0).action == Action::close);
    CHECK(state.phase() == Phase::closed);
    CHECK(state.lost(at(0), {}, 0).action == Action::none);
  }
  SECTION("a connection that says nothing does not count as one that works") {
    (void)state.opened(at(0));
    CHECK(state.lost(at(0), {}, 0).action == Action::close);
  }
  SECTION("one that works starts the count anew") {
    (void)state.opened(at(0));
    state.heard();
    CHECK(state.lost(at(0), {}, 0).action == Action::wait);
    CHECK(state.attempts() == 1);
  }
}

TEST_CASE("an outage can be limited in length") {
  ChannelState state({.initial_delay = milliseconds{100}, .max_outage = milliseconds{1'000}},
                     kStart);
  CHECK(state.lost(at(5'000), {}, kNoLuck).at == at(5'100));
  (void)state.tick(at(5'100));
  CHECK(state.lost(at(5'700), {}, kNoLuck).at == at(5'900));
  (void)state.tick(at(5'900));
  // The attempt after the next would be too late.
  CHECK(state.lost(at(5'950), {}, kNoLuck).action == Action::close);
}

TEST_CASE("nothing is tried again where it would be refused again, or is not wanted") {
  SECTION("final") {
    ChannelState state({}, kStart);
    CHECK(state.lost(at(0), {.final = true}, 0).action == Action::close);
  }
  SECTION("switched off") {
    ChannelState state({.reconnect = false}, kStart);
    CHECK(state.lost(at(0), {}, 0).action == Action::close);
  }
  SECTION("closed by hand") {
    ChannelState state({}, kStart);
    (void)state.lost(at(0), {}, 0);
    state.close();
    CHECK(state.tick(at(9'999)).action == Action::none);
    CHECK(state.opened(at(9'999)).action == Action::none);
  }
}

TEST_CASE("a server that names a time is not asked before") {
  ChannelState state({.initial_delay = milliseconds{100}}, kStart);
  CHECK(state.lost(at(0), {.retry_after = milliseconds{2'000}}, kNoLuck).at == at(2'000));
  (void)state.tick(at(2'000));
  // A shorter one than our own changes nothing.
  CHECK(state.lost(at(2'000), {.retry_after = milliseconds{1}}, kNoLuck).at == at(2'200));
}

TEST_CASE("a connection that wants an answer counts once it has come") {
  ChannelState state({.max_attempts = 1, .answer_within = milliseconds{500}}, kStart);
  state.heard();
  (void)state.lost(at(0), {}, 0);
  (void)state.tick(at(0));
  const auto wait = state.opened(at(10));
  CHECK(wait.action == Action::wait);
  CHECK(wait.at == at(510));
  CHECK(state.phase() == Phase::greeting);

  SECTION("it comes") {
    state.answered(at(20));
    CHECK(state.phase() == Phase::connected);
    CHECK(state.tick(at(600)).action == Action::none);
    CHECK(state.lost(at(700), {}, 0).action == Action::wait);
  }
  SECTION("it does not come") {
    CHECK(state.tick(at(509)).action == Action::wait);
    CHECK(state.tick(at(510)).action == Action::drop);
    CHECK(state.lost(at(510), {}, 0).action == Action::close);
  }
  SECTION("an answer that nobody waits for is none") {
    state.answered(at(20));
    (void)state.lost(at(30), {}, 0);
    state.answered(at(40));
    CHECK(state.phase() == Phase::waiting);
  }
}

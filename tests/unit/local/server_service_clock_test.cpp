// The service's time: a machine's, or one that stands still until it is moved.
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "local/server/event_loop.hpp"
#include "local/server/service_clock.hpp"
#include "tests/support/catch.hpp"

using namespace nullspace::local;
using namespace std::chrono_literals;

namespace {

struct ManualClock {
  std::unique_ptr<EventLoop> loop = EventLoop::create();
  ServiceClock clock{*loop, ServiceClock::Mode::manual};

  // Moves it and runs the loop until that is done.
  std::uint64_t advance(Clock::duration by) {
    std::optional<std::uint64_t> fired;
    clock.advance(by, [&](std::uint64_t count) {
      fired = count;
      loop->stop();
    });
    loop->run();
    REQUIRE(fired);
    return *fired;
  }
};

}  // namespace

TEST_CASE("a manual clock stands still") {
  ManualClock manual;
  const auto now = manual.clock.now();
  const auto wall = manual.clock.wall();
  CHECK(manual.clock.manual());
  CHECK(manual.clock.now() == now);
  CHECK(manual.clock.wall() == wall);
  CHECK(manual.clock.goal() == now);
  CHECK(manual.advance(24h) == 0);
  CHECK(manual.clock.now() == now + 24h);
  CHECK(manual.clock.wall() == wall + 24h);
}

TEST_CASE("timers fire in their order, each at its own time") {
  ManualClock manual;
  const auto begin = manual.clock.now();
  std::string order;
  std::optional<Clock::time_point> seen;
  ServiceTimer late(manual.clock);
  ServiceTimer early(manual.clock);
  ServiceTimer second(manual.clock);
  ServiceTimer beyond(manual.clock);
  ServiceTimer cancelled(manual.clock);
  late.start(3s, [&] { order += 'l'; });
  early.start(1s, [&] {
    order += 'e';
    seen = manual.clock.now();
  });
  second.start(1s, [&] { order += 's'; });
  beyond.start(10s + 1ns, [&] { order += 'b'; });
  cancelled.start(2s, [&] { order += 'c'; });
  cancelled.cancel();
  CHECK_FALSE(cancelled.active());
  CHECK(manual.advance(10s) == 3);
  CHECK(order == "esl");
  CHECK(seen == begin + 1s);
  CHECK(beyond.active());
  CHECK_FALSE(late.active());
}

TEST_CASE("a timer that starts itself again ticks all along") {
  ManualClock manual;
  ServiceTimer timer(manual.clock);
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    timer.start(15s, tick);
  };
  timer.start(15s, tick);
  CHECK(manual.advance(1h) == 240);
  CHECK(ticks == 240);
}

TEST_CASE("a task may end its own timer and others") {
  ManualClock manual;
  auto first = std::make_unique<ServiceTimer>(manual.clock);
  auto second = std::make_unique<ServiceTimer>(manual.clock);
  first->start(1s, [&] {
    first.reset();
    second.reset();
  });
  second->start(1s, [] { FAIL("it was ended"); });
  CHECK(manual.advance(2s) == 1);
}

TEST_CASE("what is still under way is waited for") {
  ManualClock manual;
  ServiceTimer starts(manual.clock);
  ServiceTimer after(manual.clock);
  Timer work(*manual.loop);
  ClockHold hold;
  bool done = false;
  bool was_done = false;
  starts.start(1s, [&] {
    hold = manual.clock.hold(1min);
    work.start(5ms, [&] {
      done = true;
      hold.reset();
    });
  });
  after.start(2s, [&] { was_done = done; });
  manual.advance(2s);
  CHECK(was_done);
}

TEST_CASE("a hold that is never given up ends all the same") {
  ManualClock manual;
  const ClockHold forever = manual.clock.hold(5ms);
  ServiceTimer timer(manual.clock);
  bool fired = false;
  timer.start(1s, [&] { fired = true; });
  manual.advance(2s);
  CHECK(fired);
}

TEST_CASE("advances follow one another") {
  ManualClock manual;
  const auto begin = manual.clock.now();
  std::string order;
  manual.clock.advance(1s, [&](std::uint64_t) { order += '1'; });
  manual.clock.advance(2s, [&](std::uint64_t) {
    order += '2';
    manual.loop->stop();
  });
  manual.loop->run();
  CHECK(order == "12");
  CHECK(manual.clock.now() == begin + 3s);
}

TEST_CASE("a real clock needs nobody to move it") {
  const auto loop = EventLoop::create();
  ServiceClock clock(*loop, ServiceClock::Mode::real);
  CHECK_FALSE(clock.manual());
  CHECK(clock.hold(1h) == nullptr);
  const auto before = std::chrono::system_clock::now() - 1s;
  CHECK(clock.wall() > before);
  ServiceTimer timer(clock);
  timer.start(1ms, [&] { loop->stop(); });
  CHECK(timer.active());
  loop->run();
  CHECK_FALSE(timer.active());
}

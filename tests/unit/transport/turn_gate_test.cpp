#include "transport/turn_gate.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using nullspace::support::Expiry;
using nullspace::tests::Door;
using nullspace::transport::TurnGate;
using std::chrono::milliseconds;

TEST_CASE("one thread is inside, and may come in again") {
  TurnGate gate;
  const auto turn = gate.try_enter();
  REQUIRE(turn);
  const auto again = gate.try_enter();
  CHECK(again);
  CHECK(gate.enter(Expiry::never(), {}));
  bool other_came_in = false;
  std::jthread([&] {
    other_came_in = gate.try_enter() || gate.enter(Expiry::after(milliseconds{0}), {});
  }).join();
  CHECK_FALSE(other_came_in);
}

TEST_CASE("who waits comes in when the other has left for good") {
  TurnGate gate;
  Door entered;
  std::atomic<bool> inside{true};
  std::atomic<bool> too_early{false};
  auto outer = std::make_unique<TurnGate::Turn>(gate.try_enter());
  auto inner = std::make_unique<TurnGate::Turn>(gate.try_enter());
  std::jthread other([&] {
    const auto turn = gate.enter(Expiry::never(), {});
    too_early = !turn || inside;
    entered.open();
  });
  inner.reset();
  CHECK_FALSE(entered.is_open());
  inside = false;
  outer.reset();
  CHECK(entered.wait());
  CHECK_FALSE(too_early);
}

TEST_CASE("a turn that was handed on leaves once") {
  TurnGate gate;
  {
    auto turn = gate.try_enter();
    const TurnGate::Turn moved = std::move(turn);
    CHECK(moved);
  }
  bool other_came_in = false;
  std::jthread([&] { other_came_in = static_cast<bool>(gate.try_enter()); }).join();
  CHECK(other_came_in);
}

TEST_CASE("waiting to come in ends with the stop_token") {
  TurnGate gate;
  const auto turn = gate.try_enter();
  std::stop_source stop;
  bool came_in = true;
  std::jthread other(
      [&] { came_in = static_cast<bool>(gate.enter(Expiry::never(), stop.get_token())); });
  stop.request_stop();
  other.join();
  CHECK_FALSE(came_in);
}

TEST_CASE("a closed gate lets nobody in, and wakes who waits") {
  TurnGate gate;
  Door waiting;
  bool came_in = true;
  {
    const auto turn = gate.try_enter();
    std::jthread other([&] {
      waiting.open();
      came_in = static_cast<bool>(gate.enter(Expiry::never(), {}));
    });
    REQUIRE(waiting.wait());
    CHECK_FALSE(gate.closed());
    gate.close();
    CHECK(gate.closed());
    // Not even who is inside comes in again; and waiting for oneself would take for ever.
    CHECK_FALSE(gate.try_enter());
    gate.wait_empty();
  }
  CHECK_FALSE(came_in);
  CHECK_FALSE(gate.try_enter());
  gate.close();
  gate.wait_empty();
}

TEST_CASE("closing can wait for who is inside") {
  TurnGate gate;
  Door inside;
  Door leave;
  std::atomic<bool> left{false};
  std::jthread other([&] {
    const auto turn = gate.try_enter();
    inside.open();
    (void)leave.wait();
    left = true;
  });
  REQUIRE(inside.wait());
  gate.close();
  CHECK_FALSE(left);
  leave.open();
  gate.wait_empty();
  CHECK(left);
}

TEST_CASE("a gate may go as soon as it is empty") {
  for (int i = 0; i < 300; ++i) {
    auto gate = std::make_unique<TurnGate>();
    Door inside;
    std::jthread other([&] {
      const auto turn = gate->try_enter();
      inside.open();
    });
    REQUIRE(inside.wait());
    gate->close();
    gate->wait_empty();
    gate.reset();
  }
}

TEST_CASE("many threads take turns") {
  TurnGate gate;
  int counter = 0;  // Not synchronised: the gate is what orders it.
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 500; ++k) {
          const auto turn = gate.enter(Expiry::never(), {});
          const auto again = gate.try_enter();
          ++counter;
        }
      });
    }
  }
  CHECK(counter == 2000);
}

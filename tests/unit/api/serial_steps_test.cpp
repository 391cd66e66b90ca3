#include "api/serial_steps.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/thread_pool.hpp"

using namespace nullspace::tests;
using nullspace::Executor;
using nullspace::SerialSteps;

namespace {

// Counts down what was added.
class Counter final : public SerialSteps {
 public:
  explicit Counter(Executor executor) : executor_(std::move(executor)) {}

  void add() {
    ++waiting_;
    schedule(executor_);
  }
  [[nodiscard]] nullspace::transport::TurnGate& door() { return gate(); }
  void look() { schedule(executor_); }

  std::atomic<int> done{0};
  std::atomic<bool> overlapped{false};
  std::function<void()> during{};

 private:
  bool step() override {
    if (waiting_ == 0) return false;
    if (++inside_ > 1 && !during) overlapped = true;
    --waiting_;
    if (during) during();
    ++done;
    --inside_;
    return true;
  }

  const Executor executor_;
  std::atomic<int> waiting_{0};
  std::atomic<int> inside_{0};
};

bool wait_for(const std::atomic<int>& value, int expected) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (value < expected) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("steps are taken one at a time, whatever the executor is like") {
  ThreadPool pool(4);
  const bool at_once = GENERATE(false, true);
  const auto counter = std::make_shared<Counter>(
      at_once ? [](const std::function<void()>& task) { task(); } : pool.executor());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&counter] {
        for (int k = 0; k < 500; ++k)
          counter->add();
      });
    }
  }
  CHECK(wait_for(counter->done, 1500));
  CHECK_FALSE(counter->overlapped);
}

TEST_CASE("what comes while somebody else is inside is not forgotten") {
  // The thread that found another one inside goes away; the one inside looks again.
  ThreadPool pool(2);
  const auto counter = std::make_shared<Counter>(pool.executor());
  for (int round = 0; round < 200; ++round) {
    const int before = counter->done;
    std::jthread outsider([&counter] {
      const auto turn = counter->door().enter(nullspace::support::Expiry::never(), {});
      counter->add();
    });
    counter->add();
    outsider.join();
    // Whoever was in the gate by hand looks again, as a wait does at its end.
    counter->look();
    REQUIRE(wait_for(counter->done, before + 2));
  }
}

TEST_CASE("many steps in a row leave room for others on the executor") {
  HeldTasks held;
  const auto executor = held.executor();
  const auto counter = std::make_shared<Counter>(executor);
  for (int i = 0; i < 1000; ++i)
    counter->add();
  int done_before_other = -1;
  executor([&] { done_before_other = counter->done; });
  held.run_all();
  CHECK(counter->done == 1000);
  CHECK(done_before_other > 0);
  CHECK(done_before_other < 1000);
}

TEST_CASE("a closed gate ends the steps") {
  HeldTasks held;
  const auto counter = std::make_shared<Counter>(held.executor());
  counter->during = [&counter] { counter->door().close(); };
  counter->add();
  counter->add();
  held.run_all();
  CHECK(counter->done == 1);
  counter->add();
  held.run_all();
  CHECK(counter->done == 1);
}

TEST_CASE("steps of an object that is gone are not taken") {
  HeldTasks held;
  auto counter = std::make_shared<Counter>(held.executor());
  counter->add();
  counter.reset();
  held.run_all();
  SUCCEED();
}

TEST_CASE("an object may go in its own step") {
  HeldTasks held;
  auto counter = std::make_shared<Counter>(held.executor());
  const std::weak_ptr<Counter> weak = counter;
  counter->during = [&counter] { counter.reset(); };
  counter->add();
  held.run_all();
  CHECK(weak.expired());
}

TEST_CASE("an executor that throws is asked again") {
  HeldTasks held;
  bool full = true;
  const auto counter =
      std::make_shared<Counter>([&full, run = held.executor()](std::function<void()> task) {
        if (full) throw std::runtime_error("full");
        run(std::move(task));
      });
  counter->add();
  CHECK(counter->done == 0);
  full = false;
  counter->add();
  held.run_all();
  CHECK(counter->done == 2);
}

#include "transport/dispatcher.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using nullspace::tests::Door;
using nullspace::tests::Reported;
using nullspace::transport::Dispatcher;
using std::chrono::milliseconds;

TEST_CASE("tasks run in order, one at a time, on another thread") {
  Dispatcher dispatcher;
  Reported<int> order;
  Reported<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    dispatcher.post([&, i] {
      order.add(i);
      threads.add(std::this_thread::get_id());
    });
  }
  REQUIRE(threads.wait_for(100));
  for (int i = 0; i < 100; ++i)
    CHECK(order.all()[static_cast<std::size_t>(i)] == i);
  for (const std::thread::id id : threads.all()) {
    CHECK(id == threads.all()[0]);
    CHECK(id != std::this_thread::get_id());
  }
}

TEST_CASE("tasks may post tasks") {
  Dispatcher dispatcher;
  Door done;
  std::atomic<int> depth{0};
  std::function<void()> task = [&] {
    if (++depth == 50) {
      done.open();
    } else {
      dispatcher.post(task);
    }
  };
  dispatcher.post(task);
  CHECK(done.wait());
}

TEST_CASE("timers run when it is time, the earlier one first") {
  Dispatcher dispatcher;
  Reported<int> order;
  const auto before = std::chrono::steady_clock::now();
  dispatcher.post_after(milliseconds{40}, [&] { order.add(40); });
  dispatcher.post_after(milliseconds{10}, [&] { order.add(10); });
  dispatcher.post_after(milliseconds{0}, [&] { order.add(0); });
  dispatcher.post_after(milliseconds{-5}, [&] { order.add(0); });
  REQUIRE(order.wait_for(4));
  CHECK(std::chrono::steady_clock::now() - before >= milliseconds{40});
  CHECK(order.all() == std::vector<int>{0, 0, 10, 40});
}

TEST_CASE("a timer can be cancelled") {
  Dispatcher dispatcher;
  Reported<int> ran;
  const auto timer = dispatcher.post_after(milliseconds{20}, [&] { ran.add(1); });
  dispatcher.post_after(milliseconds{30}, [&] { ran.add(2); });
  dispatcher.cancel(timer);
  dispatcher.cancel(timer);
  dispatcher.cancel(12345);
  REQUIRE(ran.wait_for(1));
  CHECK(ran.all() == std::vector<int>{2});
}

TEST_CASE("what waits for ever does not keep a dispatcher from ending") {
  const auto kept = std::make_shared<int>(1);
  {
    Dispatcher dispatcher;
    dispatcher.post_after(std::chrono::hours{1}, [kept] {});
    dispatcher.post_after(milliseconds::max(), [kept] {});
    CHECK(kept.use_count() == 3);
  }
  CHECK(kept.use_count() == 1);
}

TEST_CASE("the end of a dispatcher waits for the task that runs, and drops the others") {
  const auto kept = std::make_shared<int>(1);
  std::atomic<bool> left{false};
  std::atomic<bool> second_ran{false};
  auto dispatcher = std::make_unique<Dispatcher>();
  Door inside;
  Door leave;
  dispatcher->post([&] {
    inside.open();
    (void)leave.wait();
    left = true;
  });
  dispatcher->post([&second_ran, kept] { second_ran = true; });
  REQUIRE(inside.wait());
  std::jthread opener([&] {
    // Dropped: the end has begun, and the second task can no longer run.
    while (kept.use_count() > 1 && !second_ran)
      std::this_thread::yield();
    leave.open();
  });
  struct LetGo {
    std::unique_ptr<Dispatcher>& dispatcher;
    ~LetGo() { dispatcher.reset(); }
  };
  { const LetGo let_go{dispatcher}; }
  CHECK(left);
  CHECK_FALSE(second_ran);
}

TEST_CASE("a dispatcher that was never used has no thread to end") {
  const Dispatcher dispatcher;
  SUCCEED();
}

TEST_CASE("what dies with a dispatcher may still post to it") {
  struct Poster {
    explicit Poster(Dispatcher& at) : dispatcher(at) {}
    Poster(const Poster&) = delete;
    Poster& operator=(const Poster&) = delete;
    ~Poster() {
      dispatcher.post([] {});
      dispatcher.cancel(dispatcher.post_after(milliseconds{0}, [] {}));
    }
    Dispatcher& dispatcher;
  };
  Dispatcher dispatcher;
  dispatcher.post_after(std::chrono::hours{1}, [poster = std::make_shared<Poster>(dispatcher)] {});
  dispatcher.cancel(dispatcher.post_after(std::chrono::hours{1},
                                          [poster = std::make_shared<Poster>(dispatcher)] {}));
  SUCCEED();
}

TEST_CASE("a dispatcher may end inside one of its own tasks") {
  for (int i = 0; i < 50; ++i) {
    auto dispatcher = std::make_shared<std::optional<Dispatcher>>();
    dispatcher->emplace();
    Reported<int> ran;
    Door go;
    (*dispatcher)->post([&ran, &go, dispatcher] {
      (void)go.wait();
      dispatcher->reset();
      ran.add(1);
    });
    (*dispatcher)->post([&ran] { ran.add(2); });
    go.open();
    REQUIRE(ran.wait_for(1));
    CHECK(ran.all() == std::vector<int>{1});
  }
}

TEST_CASE("many threads post at once") {
  std::atomic<int> ran{0};
  Door all;
  Dispatcher dispatcher;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 250; ++k) {
          const auto task = [&] {
            if (++ran == 1000) all.open();
          };
          if (k % 2 == 0) {
            dispatcher.post(task);
          } else {
            dispatcher.post_after(milliseconds{k % 3}, task);
          }
          dispatcher.cancel(dispatcher.post_after(std::chrono::hours{1}, task));
        }
      });
    }
  }
  CHECK(all.wait());
}

// 500 subscriptions of one client, all ended at the same moment in every way there is.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/integration/local_service.hpp"
#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using test::BadNetwork;
namespace ns = nullspace;

namespace {

constexpr int kSubscriptions = 500;
constexpr int kThreads = 8;

// Client, proxy (twice) and server of each connection are all in this process.
void allow_many_descriptors() {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 8192));
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(limit.rlim_cur >= 4 * kSubscriptions + 100);
}

// How a subscription is ended.
enum class Way { stop, own_callback, destruction };

class Subscriber {
 public:
  Subscriber(const ns::Monitor& monitor, Way way, const std::atomic<bool>& go)
      : way_(way), go_(go) {
    const std::lock_guard lock(subscribing_);
    live_ =
        monitor.subscribe({.interval = 500ms,
                           .on_snapshot = [this](const ns::MonitorSnapshotEvent&) { on_call(); },
                           .on_update = [this](const ns::MonitorUpdateEvent&) { on_call(); },
                           .on_metrics = [this](const ns::MonitorMetricsEvent&) { on_call(); },
                           .on_error = [this](const ns::Error&) { on_call(); },
                           .on_state_change = [this](const ns::StateChange&) { on_call(); }});
  }

  // From one of the eight threads.
  void end() {
    if (way_ == Way::own_callback) return;
    if (way_ == Way::stop) {
      live_.stop();
    } else {
      const ns::Subscription dies = std::move(live_);
    }
    ended_ = true;
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] int late_calls() const { return late_calls_; }

 private:
  void on_call() {
    ++calls_;
    if (ended_) ++late_calls_;
    if (way_ != Way::own_callback || !go_) return;
    const std::lock_guard lock(subscribing_);
    live_.stop();
    ended_ = true;
  }

  const Way way_;
  const std::atomic<bool>& go_;
  std::mutex subscribing_;
  std::atomic<bool> ended_{false};
  std::atomic<int> calls_{0};
  std::atomic<int> late_calls_{0};
  ns::Subscription live_;
};

using Subscribers = std::vector<std::unique_ptr<Subscriber>>;

Subscribers subscribe_all(const ns::Client& client, const std::atomic<bool>& go) {
  const ns::Monitor monitor(client);
  Subscribers all;
  for (int i = 0; i < kSubscriptions; ++i)
    all.push_back(std::make_unique<Subscriber>(monitor, static_cast<Way>(i % 3), go));
  return all;
}

void end_all_at_once(const Subscribers& subscribers, std::atomic<bool>& go) {
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t first = 0; first < kThreads; ++first) {
    threads.emplace_back([&, first] {
      start.arrive_and_wait();
      go = true;
      for (std::size_t i = first; i < subscribers.size(); i += kThreads)
        subscribers[i]->end();
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

int total_calls(const Subscribers& subscribers) {
  int sum = 0;
  for (const auto& subscriber : subscribers)
    sum += subscriber->calls();
  return sum;
}

bool all_ended(const Subscribers& subscribers) {
  return std::all_of(subscribers.begin(), subscribers.end(),
                     [](const auto& subscriber) { return subscriber->ended(); });
}

int late_calls(const Subscribers& subscribers) {
  int sum = 0;
  for (const auto& subscriber : subscribers)
    sum += subscriber->late_calls();
  return sum;
}

}  // namespace

TEST_CASE(
    "500 subscriptions stop at once: from eight threads, from their callbacks, by destruction") {
  allow_many_descriptors();
  BadNetwork network;
  const int threads_before = test::thread_count();
  {
    const ns::Client direct = network.direct();
    const ns::ScopedSandbox sandbox = ns::Sandbox::create(direct);
    std::atomic<bool> go{false};
    const ns::Client client(network.options());
    const Subscribers subscribers = subscribe_all(client, go);
    // The SDK's own two, however many there are.
    CHECK(test::thread_count() <= threads_before + 2);
    end_all_at_once(subscribers, go);
    // The sandbox's metrics call those that stop themselves.
    REQUIRE(test::eventually([&] { return all_ended(subscribers); }));

    // Who listens still hears what is new; those that have ended do not.
    const int before = total_calls(subscribers);
    std::atomic<int> heard{0};
    const ns::Subscription witness = ns::Monitor(client).subscribe(
        {.on_update = [&](const ns::MonitorUpdateEvent&) { ++heard; }});
    REQUIRE(test::eventually([&] { return witness.state() == ns::StreamState::connected; }));
    REQUIRE(test::eventually([&] {
      const ns::ScopedSandbox another = ns::Sandbox::create(direct);
      return heard > 0;
    }));
    CHECK(total_calls(subscribers) == before);
    CHECK(late_calls(subscribers) == 0);
  }
  CHECK(test::eventually([&] { return network.proxy().counters().open == 0; }));
  CHECK(test::eventually([&] { return test::thread_count() <= threads_before; }));
}

TEST_CASE("500 subscriptions stop at once, with a black hole for a peer") {
  allow_many_descriptors();
  BadNetwork network;
  const int threads_before = test::thread_count();
  {
    std::atomic<bool> go{false};
    ns::ClientOptions options = network.options();
    // Who stops in a callback waits for the one that says that the peer is gone.
    options.keepalive.interval = 500ms;
    const ns::Client client(options);
    const Subscribers subscribers = subscribe_all(client, go);
    network.proxy().black_hole(true);
    end_all_at_once(subscribers, go);
    REQUIRE(test::eventually([&] { return all_ended(subscribers); }));
    CHECK(late_calls(subscribers) == 0);
  }
  CHECK(test::eventually([&] { return test::thread_count() <= threads_before; }));
}

TEST_CASE("a client with live subscriptions goes, with a black hole for a peer") {
  BadNetwork network;
  const int threads_before = test::thread_count();
  for (int round = 0; round < 5; ++round) {
    {
      const ns::Client client(network.options());
      std::vector<ns::Subscription> live;
      for (int i = 0; i < 20; ++i)
        live.push_back(ns::Monitor(client).subscribe());
      network.proxy().black_hole(true);
    }
    CHECK(test::eventually([&] { return test::thread_count() <= threads_before; }));
    network.proxy().black_hole(false);
  }
}

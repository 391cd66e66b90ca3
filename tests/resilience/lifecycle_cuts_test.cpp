// Lifecycle events over a network that cuts its connections, counted against the server's own log.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using nullspace::tests::Cut;
using nullspace::tests::RandomCuts;
using test::BadNetwork;
namespace ns = nullspace;

namespace {

using Ids = std::vector<std::string>;

// Comes back quickly, so that a thousand outages do not last an afternoon.
ns::ClientOptions impatient(ns::ClientOptions options) {
  options.reconnect.initial_delay = 2ms;
  options.reconnect.max_delay = 20ms;
  return options;
}

Ids server_log(const ns::Client& client) {
  Ids ids;
  for (const ns::LifecycleEvent& event :
       ns::Lifecycle(client).list_events({.oldest_first = true, .page_size = 200})) {
    ids.push_back(event.id);
  }
  return ids;
}

// Ids as they come, from whatever thread.
class Received {
 public:
  void add(std::string id) {
    const std::lock_guard lock(mutex_);
    ids_.push_back(std::move(id));
  }
  [[nodiscard]] Ids ids() const {
    const std::lock_guard lock(mutex_);
    return ids_;
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return ids_.size();
  }

 private:
  mutable std::mutex mutex_;
  Ids ids_;
};

// Makes events, two at a time, until it is told to stop.
class EventSource {
 public:
  explicit EventSource(const ns::Client& client)
      : thread_([client](const std::stop_token& stop) {
          const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
          while (!stop.stop_requested()) {
            sandbox->set_timeout(30min);
            // In bursts and in lulls.
            std::this_thread::sleep_for(1ms);
          }
        }) {}
  void finish() {
    thread_.request_stop();
    thread_.join();
  }

 private:
  std::jthread thread_;
};

}  // namespace

TEST_CASE("every lifecycle event comes once and in order, over 1,000 random cuts") {
  const std::uint64_t seed = 20260104;
  CAPTURE(seed);
  constexpr std::uint64_t kCuts = 1'000;
  BadNetwork network(seed);
  const ns::Client direct = network.direct();
  const ns::Client client(impatient(network.options()));
  Received received;
  std::atomic<int> gaps{0};
  std::atomic<int> errors{0};
  std::atomic<int> reconnects{0};
  ns::Subscription live = ns::Lifecycle(client).subscribe(
      {.live_only = true,
       .on_event = [&](const ns::LifecycleEvent& event) { received.add(event.id); },
       .on_gap = [&](const ns::LifecycleGap&) { ++gaps; },
       .on_error = [&](const ns::Error&) { ++errors; },
       .on_state_change =
           [&](const ns::StateChange& change) {
             if (change.state == ns::StreamState::reconnecting) ++reconnects;
           }});
  EventSource source(direct);
  REQUIRE(test::eventually([&] { return received.count() > 0; }));
  network.proxy().cut_randomly(RandomCuts{.min_bytes = 0, .max_bytes = 8'000, .how = Cut::either});
  CHECK(test::eventually([&] { return !live.active() || network.proxy().counters().cuts >= kCuts; },
                         600s));
  source.finish();
  network.proxy().cut_randomly(std::nullopt);

  const Ids log = server_log(direct);
  CHECK(test::eventually([&] { return received.count() >= log.size(); }, 60s));
  CHECK(live.active());
  CHECK(log.size() > 100);
  CHECK(received.ids() == log);
  CHECK(gaps == 0);
  CHECK(errors == 0);
  CHECK(reconnects > 100);
}

TEST_CASE("a loop over events does not notice that its connection is cut") {
  const std::uint64_t seed = 20260105;
  CAPTURE(seed);
  constexpr std::uint64_t kCuts = 200;
  BadNetwork network(seed);
  const ns::Client direct = network.direct();
  const ns::Client client(impatient(network.options()));
  ns::LifecycleStream events = ns::Lifecycle(client).stream({.live_only = true});
  Received received;
  std::thread reader([&] {
    for (const ns::LifecycleEvent& event : events)
      received.add(event.id);
  });
  EventSource source(direct);
  CHECK(test::eventually([&] { return received.count() > 0; }));
  network.proxy().cut_randomly(RandomCuts{.min_bytes = 0, .max_bytes = 8'000, .how = Cut::either});
  CHECK(test::eventually([&] { return network.proxy().counters().cuts >= kCuts; }, 600s));
  source.finish();
  network.proxy().cut_randomly(std::nullopt);
  const Ids log = server_log(direct);
  CHECK(test::eventually([&] { return received.count() >= log.size(); }, 60s));
  events.close();
  reader.join();
  CHECK(received.ids() == log);
}

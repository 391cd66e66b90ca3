#include <atomic>
#include <chrono>
#include <mutex>
#include <set>

#include "tests/integration/local_service.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using test::each_dialect;
using test::error_of;
using test::LocalService;
namespace ns = nullspace;

TEST_CASE("monitor: snapshot, updates, metrics and processes of all sandboxes") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::ScopedSandbox before = ns::Sandbox::create(client, {.metadata = {{"when", "before"}}});
  const ns::Command sleeper = before->commands().run_background("sleep 60", {.shell = true});

  std::mutex mutex;
  std::set<std::string> snapshot;
  std::set<std::string> appeared;
  std::set<std::string> removed;
  std::set<std::string> measured;
  bool saw_sleep = false;
  const auto locked = [&mutex](auto read) {
    const std::lock_guard lock(mutex);
    return read();
  };
  std::vector<ns::StreamState> states;
  const ns::Monitor monitor(client);
  ns::Subscription live = monitor.subscribe({
      .interval = 500ms,
      .include_processes = true,
      .on_snapshot =
          [&](const ns::MonitorSnapshotEvent& e) {
            const std::lock_guard lock(mutex);
            for (const ns::SandboxInfo& info : e.sandboxes)
              snapshot.insert(info.id);
          },
      .on_update =
          [&](const ns::MonitorUpdateEvent& e) {
            const std::lock_guard lock(mutex);
            (e.removed ? removed : appeared).insert(e.sandbox_id);
          },
      .on_metrics =
          [&](const ns::MonitorMetricsEvent& e) {
            const std::lock_guard lock(mutex);
            if (e.metrics.mem_used_bytes > 0) measured.insert(e.sandbox_id);
          },
      .on_processes =
          [&](const ns::MonitorProcessesEvent& e) {
            const std::lock_guard lock(mutex);
            for (const ns::ProcessInfo& process : e.processes) {
              saw_sleep = saw_sleep || process.command.find("sleep 60") != std::string::npos;
            }
          },
      .on_state_change =
          [&](const ns::StateChange& change) {
            const std::lock_guard lock(mutex);
            states.push_back(change.state);
          },
  });
  CHECK(test::eventually([&] { return locked([&] { return snapshot.contains(before->id()); }); }));
  std::string later;
  {
    const ns::ScopedSandbox during = ns::Sandbox::create(client);
    later = during->id();
    CHECK(test::eventually([&] { return locked([&] { return appeared.contains(later); }); }));
    CHECK(test::eventually([&] { return locked([&] { return measured.contains(later); }); }));
  }
  CHECK(test::eventually([&] { return locked([&] { return removed.contains(later); }); }));
  CHECK(test::eventually(
      [&] { return locked([&] { return measured.contains(before->id()) && saw_sleep; }); }));
  CHECK(live.active());
  CHECK(live.state() == ns::StreamState::connected);
  live.stop();
  CHECK_FALSE(live.active());
  CHECK_FALSE(live.last_error());
  CHECK(states == std::vector{ns::StreamState::connected});
}

TEST_CASE("monitor: a wrong key and a wrong interval are errors of subscribe") {
  const LocalService service;
  ns::ClientOptions wrong = service.options();
  wrong.api_key = "wrong";
  CHECK(error_of([&] { (void)ns::Monitor(ns::Client(wrong)).subscribe(); }).kind() ==
        ns::ErrorKind::authentication);
  CHECK(error_of([&] {
          (void)ns::Monitor(service.client()).subscribe({.interval = 0ms});
        }).kind() == ns::ErrorKind::invalid_request);
}

TEST_CASE("monitor: it comes back when the server does") {
  auto service = std::make_unique<LocalService>();
  const int port = service->server().port();
  ns::ClientOptions options = service->options();
  options.reconnect.initial_delay = 10ms;
  options.reconnect.max_delay = 100ms;
  std::atomic<int> snapshots{0};
  std::atomic<bool> reconnecting{false};
  ns::Subscription live =
      ns::Monitor(ns::Client(options))
          .subscribe({.on_snapshot = [&](const ns::MonitorSnapshotEvent&) { ++snapshots; },
                      .on_state_change =
                          [&](const ns::StateChange& change) {
                            if (change.state == ns::StreamState::reconnecting)
                              reconnecting = change.cause.has_value();
                          }});
  REQUIRE(test::eventually([&] { return snapshots == 1; }));
  service->server().stop();
  REQUIRE(test::eventually([&] { return reconnecting.load(); }));
  CHECK(live.active());

  nullspace::local::Server again(
      {.port = static_cast<std::uint16_t>(port), .api_keys = {options.api_key->reveal()}});
  again.start();
  CHECK(test::eventually([&] { return snapshots == 2; }));
  CHECK(live.state() == ns::StreamState::connected);
}

TEST_CASE("monitor: stop inside a callback, and a callback that throws ends only its own") {
  const LocalService service;
  const ns::Client client = service.client();
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  const ns::Monitor monitor(client);

  ns::Subscription self;
  std::atomic<int> calls{0};
  std::mutex ready;
  {
    const std::lock_guard lock(ready);
    self = monitor.subscribe({.on_snapshot = [&](const ns::MonitorSnapshotEvent&) {
      const std::lock_guard wait(ready);
      ++calls;
      self.stop();
    }});
  }
  CHECK(test::eventually([&] { return !self.active(); }));
  CHECK(calls == 1);

  std::atomic<bool> reported{false};
  const ns::Subscription thrower = monitor.subscribe(
      {.on_snapshot = [](const ns::MonitorSnapshotEvent&) { throw std::runtime_error("my fault"); },
       .on_error =
           [&](const ns::Error& error) { reported = error.kind() == ns::ErrorKind::callback; }});
  std::atomic<int> metrics{0};
  const ns::Subscription other = monitor.subscribe(
      {.interval = 500ms, .on_metrics = [&](const ns::MonitorMetricsEvent&) { ++metrics; }});
  CHECK(test::eventually([&] { return reported && !thrower.active(); }));
  CHECK(test::eventually([&] { return metrics >= 2; }));
  CHECK(other.active());
}

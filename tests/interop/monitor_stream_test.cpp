// The monitor on a server that breaks off, talks nonsense in between, or sends the client away.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/interop/watcher.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::Stage;
using test::Watcher;
namespace ns = nullspace;

namespace {

std::vector<ns::StreamState> states_of(const Watcher& watcher) {
  std::vector<ns::StreamState> states;
  states.reserve(watcher.states.size());
  for (const ns::StateChange& change : watcher.states)
    states.push_back(change.state);
  return states;
}

void come_back_quickly(ns::ClientOptions& options) {
  options.reconnect.initial_delay = 10ms;
  options.reconnect.max_delay = 50ms;
}

}  // namespace

TEST_CASE("a monitor tells when it loses its connection and comes back") {
  for (const char* ending : {"close-1011", "close-clean", "hang-up"}) {
    CAPTURE(ending);
    Stage stage(come_back_quickly);
    stage.peer.play_monitor({ending, ending, "good"});
    Watcher watcher;
    ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
    // Figures come only from the third connection; each had a snapshot of its own.
    REQUIRE(watcher.wait_until([](const Watcher& seen) { return !seen.metrics.empty(); }));
    CHECK(subscription.active());
    CHECK(subscription.state() == ns::StreamState::connected);
    subscription.stop();

    CHECK(watcher.snapshots.size() == 3);
    REQUIRE(states_of(watcher) ==
            std::vector{ns::StreamState::connected, ns::StreamState::reconnecting,
                        ns::StreamState::connected, ns::StreamState::reconnecting,
                        ns::StreamState::connected});
    for (const std::size_t lost : {std::size_t{1}, std::size_t{3}}) {
      REQUIRE(watcher.states[lost].cause);
      CHECK(watcher.states[lost].cause->kind() == ns::ErrorKind::transport);
    }
    CHECK(watcher.errors.empty());
    const auto hellos = stage.peer.await_events("message", 3, {{"channel", "monitor"}});
    CHECK(std::count_if(hellos.begin(), hellos.end(), [](const ns::Json& hello) {
            return hello["message"]["type"].as_string() == "monitor_subscribe";
          }) == 3);
  }
}

TEST_CASE("a monitor comes back after attempts that fail") {
  Stage stage(come_back_quickly);
  stage.peer.play_monitor({"hang-up", "good"});
  stage.peer.play_upgrade({"good", "503", "reset", "hang-up", "html"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) { return seen.snapshots.size() >= 2; }));
  subscription.stop();
  CHECK(watcher.errors.empty());
  CHECK(stage.peer.count("request", {{"upgrade", true}}) == 6);
}

TEST_CASE("a monitor that is no longer let in says so and ends") {
  Stage stage(come_back_quickly);
  stage.peer.play_monitor({"hang-up"});
  stage.peer.play_upgrade({"good", "401"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) {
    return !seen.states.empty() && seen.states.back().state == ns::StreamState::closed;
  }));
  CHECK_FALSE(subscription.active());
  REQUIRE(subscription.last_error());
  CHECK(subscription.last_error()->code() == "unauthorized");
  subscription.stop();
  REQUIRE(watcher.errors.size() == 1);
  CHECK(watcher.errors.front().kind() == ns::ErrorKind::authentication);
  REQUIRE(watcher.states.back().cause);
  CHECK(watcher.states.back().cause->code() == "unauthorized");
}

TEST_CASE("a monitor without reconnecting ends at the first loss") {
  Stage stage([](ns::ClientOptions& options) { options.reconnect.enabled = false; });
  stage.peer.play_monitor({"close-1011"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) {
    return !seen.states.empty() && seen.states.back().state == ns::StreamState::closed;
  }));
  subscription.stop();
  CHECK(watcher.errors.size() == 1);
  CHECK(watcher.snapshots.size() == 1);
}

TEST_CASE("a monitor reports malformed messages and delivers the good ones between them") {
  Stage stage;
  stage.peer.play_monitor({"malformed"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) {
    return !seen.updates.empty() && seen.updates.back().sandbox_id == "sb_last";
  }));
  CHECK(subscription.active());
  subscription.stop();
  constexpr std::size_t kBadOnes = 9;
  REQUIRE(watcher.updates.size() == kBadOnes + 1);
  for (std::size_t i = 0; i < kBadOnes; ++i) {
    CHECK(watcher.updates[i].sandbox_id == "sb_good_" + std::to_string(i));
    CHECK(watcher.updates[i].removed);
  }
  CHECK(watcher.errors.size() == kBadOnes);
  for (const ns::Error& error : watcher.errors)
    CHECK(error.code() == "invalid_response");
  CHECK(states_of(watcher) == std::vector{ns::StreamState::connected});
}

TEST_CASE("a monitor passes over what it does not know") {
  Stage stage;
  stage.peer.play_monitor({"unknown-types"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) { return !seen.metrics.empty(); }));
  subscription.stop();
  REQUIRE(watcher.updates.size() == 1);
  REQUIRE(watcher.updates.front().sandbox);
  CHECK(watcher.updates.front().sandbox->status == ns::SandboxStatus::unknown);
  CHECK(watcher.updates.front().sandbox->status_text == "levitating");
  CHECK(watcher.metrics.front().metrics.cpu_percent == 4.0);
  CHECK(watcher.metrics.front().metrics.cpu_count == 1);
  CHECK_FALSE(watcher.metrics.front().metrics.network_rx_bytes);
}

TEST_CASE("monitor_error is reported and does not end the stream") {
  Stage stage;
  stage.peer.play_monitor({"errors"});
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) { return !seen.updates.empty(); }));
  CHECK(subscription.active());
  subscription.stop();
  REQUIRE(watcher.errors.size() == 1);
  CHECK(watcher.errors.front().message() == "metrics backend unavailable");
}

TEST_CASE("stopping a monitor unsubscribes and closes") {
  Stage stage;
  Watcher watcher;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(watcher.options());
  REQUIRE(watcher.wait_until([](const Watcher& seen) { return !seen.snapshots.empty(); }));
  subscription.stop();
  stage.peer.await_events("closed", 1, {{"channel", "monitor"}});
  const auto said = stage.peer.events("message", {{"channel", "monitor"}});
  REQUIRE(said.size() == 2);
  CHECK(said.back()["message"]["type"].as_string() == "monitor_unsubscribe");
  CHECK(said.back()["message"]["id"] == said.front()["message"]["id"]);
}

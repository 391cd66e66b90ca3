// Pings of the server while the application is busy elsewhere, and our own to a peer that is no
// longer there.
#include <chrono>
#include <future>
#include <string>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::Stage;
namespace ns = nullspace;

TEST_CASE("pings are answered while nobody reads the terminal") {
  Stage stage;
  ns::PtySession session = stage.sandbox.pty().create_session({.envs = {{"SCENE", "pings 5"}}});
  const auto pongs = stage.peer.await_events("pong", 5, {{"channel", "pty"}});
  for (std::size_t i = 0; i < pongs.size(); ++i) {
    CHECK(pongs[i]["data"].as_string() == "ping " + std::to_string(i));
  }
  session.send_input("over");
  CHECK(session.wait({.timeout = 30s}).exit_code == 0);
}

TEST_CASE("pings are answered while a callback of the monitor blocks") {
  Stage stage;
  stage.peer.play_monitor({"pings"});
  std::promise<void> enough;
  ns::MonitorOptions options;
  options.on_snapshot = [waiting = enough.get_future().share()](const ns::MonitorSnapshotEvent&) {
    waiting.wait();
  };
  const ns::Subscription subscription = ns::Monitor(stage.client).subscribe(options);
  stage.peer.await_events("pong", 5, {{"channel", "monitor"}});
  enough.set_value();
}

TEST_CASE("an idle connection is kept alive by pings of our own") {
  Stage stage([](ns::ClientOptions& options) { options.keepalive.interval = 50ms; });
  const ns::PtySession session = stage.sandbox.pty().create_session();
  stage.peer.await_events("ping", 3, {{"channel", "pty"}});
  CHECK(session.connected());
}

TEST_CASE("a peer that no longer answers pings is found") {
  Stage stage([](ns::ClientOptions& options) {
    options.keepalive.interval = 100ms;
    options.keepalive.max_missed = 2;
    test::without_reconnect(options);
  });
  ns::PtySession session = stage.sandbox.pty().create_session({.envs = {{"SCENE", "deaf"}}});
  const auto start = std::chrono::steady_clock::now();
  const ns::Error error = error_of([&] { return session.wait({.timeout = 60s}); });
  CHECK(error.kind() == ns::ErrorKind::transport);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
  CHECK_FALSE(session.connected());
}

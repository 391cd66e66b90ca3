// A peer that vanishes without a word: nothing is closed, nothing is reset, nothing comes any more.
// Only pings can tell.
#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>

#include "tests/integration/local_service.hpp"
#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using nullspace::tests::Direction;
using test::BadNetwork;
using test::error_of;
namespace ns = nullspace;

namespace {

// Both directions, or only the one in which the answers come.
void vanish(BadNetwork& network, bool one_way) {
  if (one_way) {
    network.proxy().set_toxics(Direction::downstream, {.timeout = 0ms});
  } else {
    network.proxy().black_hole(true);
  }
}

ns::ClientOptions with_short_pings(const BadNetwork& network) {
  ns::ClientOptions options = network.options();
  options.keepalive.interval = 250ms;
  return options;
}

// One that reports the loss instead of coming back from it.
ns::ClientOptions without_return(const BadNetwork& network) {
  ns::ClientOptions options = with_short_pings(network);
  options.reconnect.enabled = false;
  return options;
}

bool speaks_of_pings(const ns::Error& error) {
  return std::string(error.what()).find("ping") != std::string::npos;
}

}  // namespace

TEST_CASE("silent peer: the monitor finds it, and comes back when it does") {
  const bool one_way = GENERATE(false, true);
  BadNetwork network;
  ns::ClientOptions options = with_short_pings(network);
  // Attempts into the void, too, must end.
  options.timeouts.websocket_open = 300ms;
  std::mutex mutex;
  std::optional<ns::Error> cause;
  std::atomic<int> connected{0};
  std::atomic<int> snapshots{0};
  const ns::Subscription live =
      ns::Monitor(ns::Client(options))
          .subscribe({.on_snapshot = [&](const ns::MonitorSnapshotEvent&) { ++snapshots; },
                      .on_state_change =
                          [&](const ns::StateChange& change) {
                            if (change.state == ns::StreamState::connected) ++connected;
                            const std::lock_guard lock(mutex);
                            if (change.state == ns::StreamState::reconnecting && !cause)
                              cause = change.cause;
                          }});
  REQUIRE(test::eventually([&] { return connected >= 1 && snapshots >= 1; }));
  vanish(network, one_way);
  REQUIRE(test::eventually([&] {
    const std::lock_guard lock(mutex);
    return cause.has_value();
  }));
  CHECK(cause->kind() == ns::ErrorKind::transport);
  CHECK(speaks_of_pings(*cause));
  CHECK(live.active());
  const int met = connected;
  const int seen = snapshots;
  network.proxy().black_hole(false);
  network.proxy().clear_toxics();
  CHECK(test::eventually([&] { return connected > met && snapshots > seen; }));
  CHECK(live.state() == ns::StreamState::connected);
}

TEST_CASE("silent peer: a subscription that may not come back ends with the reason") {
  BadNetwork network;
  const ns::Subscription live = ns::Monitor(ns::Client(without_return(network))).subscribe();
  REQUIRE(test::eventually([&] { return live.state() == ns::StreamState::connected; }));
  network.proxy().black_hole(true);
  REQUIRE(test::eventually([&] { return !live.active(); }));
  REQUIRE(live.last_error());
  CHECK(speaks_of_pings(*live.last_error()));
}

TEST_CASE("silent peer: a terminal finds it while somebody waits") {
  const bool one_way = GENERATE(false, true);
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  const ns::Client client(without_return(network));
  ns::PtySession session = ns::Sandbox::find(client, sandbox->id())->pty().create_session();
  vanish(network, one_way);
  const ns::Error error = error_of([&] { return session.wait({.timeout = 60s}); });
  CHECK(error.kind() == ns::ErrorKind::transport);
  CHECK(speaks_of_pings(error));
  CHECK_FALSE(session.connected());
}

TEST_CASE("silent peer: a terminal finds it in the background") {
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  const ns::Client client(without_return(network));
  std::promise<ns::Error> reported;
  const ns::PtySession session =
      ns::Sandbox::find(client, sandbox->id())
          ->pty()
          .create_session({.on_data = [](std::string_view) {},
                           .on_error = [&](const ns::Error& error) { reported.set_value(error); }});
  network.proxy().black_hole(true);
  auto error = reported.get_future();
  REQUIRE(error.wait_for(60s) == std::future_status::ready);
  CHECK(speaks_of_pings(error.get()));
}

TEST_CASE("silent peer: a streamed command finds it, and keeps what had come") {
  const bool one_way = GENERATE(false, true);
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  const ns::Client client(without_return(network));
  const ns::Commands commands = ns::Sandbox::find(client, sandbox->id())->commands();
  const ns::Error error = error_of([&] {
    return commands.run("echo early; sleep 300",
                        {.shell = true, .timeout = 300s, .on_stdout = [&](std::string_view) {
                           vanish(network, one_way);
                         }});
  });
  CHECK(error.kind() == ns::ErrorKind::transport);
  CHECK(error.info().partial_stdout == "early\n");
}

TEST_CASE("silent peer: a terminal comes back when it does, and tells of the gap") {
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  ns::ClientOptions options = with_short_pings(network);
  options.timeouts.websocket_open = 300ms;
  const ns::Client client(options);
  std::mutex mutex;
  std::string output;
  std::optional<ns::Error> cause;
  std::atomic<int> gaps{0};
  const auto shows = [&](std::string_view text) {
    const std::lock_guard lock(mutex);
    return output.find(text) != std::string::npos;
  };
  ns::PtySession session =
      ns::Sandbox::find(client, sandbox->id())
          ->pty()
          .create_session({.on_data =
                               [&](std::string_view bytes) {
                                 const std::lock_guard lock(mutex);
                                 output += bytes;
                               },
                           .on_state_change =
                               [&](const ns::StateChange& change) {
                                 const std::lock_guard lock(mutex);
                                 if (change.state == ns::StreamState::reconnecting && !cause)
                                   cause = change.cause;
                               },
                           .on_gap = [&](const ns::PtyGap&) { ++gaps; },
                           .queued_input_bytes = 100});
  session.send_input("echo $((40 + 2))\n");
  REQUIRE(test::eventually([&] { return shows("42"); }));
  network.proxy().black_hole(true);
  REQUIRE(test::eventually([&] {
    const std::lock_guard lock(mutex);
    return cause.has_value();
  }));
  CHECK(speaks_of_pings(*cause));
  CHECK(gaps == 0);
  session.send_input("exit $((3 + 4))\n");
  network.proxy().black_hole(false);
  CHECK(session.wait({.timeout = 60s}).exit_code == 7);
  CHECK(gaps >= 1);
}

TEST_CASE("silent peer: a streamed command is complete when it comes back") {
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  ns::ClientOptions options = with_short_pings(network);
  options.timeouts.websocket_open = 300ms;
  const ns::Client client(options);
  const ns::Commands commands = ns::Sandbox::find(client, sandbox->id())->commands();
  const ns::CommandResult result = commands.run(
      "echo early; until [ -e go ]; do sleep 0.02; done; echo meanwhile; until [ -e back ]; do "
      "sleep 0.02; done; echo late",
      {.shell = true,
       .timeout = 300s,
       .on_stdout =
           [&](std::string_view text) {
             if (text == "early\n") network.proxy().black_hole(true);
           },
       .on_state_change =
           [&](const ns::StateChange& change) {
             if (change.state == ns::StreamState::reconnecting) {
               (void)sandbox->commands().run("touch go", {.shell = true});
               network.proxy().black_hole(false);
             } else if (change.state == ns::StreamState::connected) {
               (void)sandbox->commands().run("touch back", {.shell = true});
             }
           }});
  CHECK(result.exit_code == 0);
  CHECK(result.stdout_text == "early\nmeanwhile\nlate\n");
}

TEST_CASE("silent peer: the server finds a client that is gone") {
  nullspace::local::ServerOptions options = BadNetwork::quiet_server();
  options.ping_interval = 100ms;
  BadNetwork network(options);
  ns::ClientOptions client = network.options();
  client.keepalive.interval = 0ms;
  std::atomic<bool> lost{false};
  const ns::Subscription live =
      ns::Monitor(ns::Client(client))
          .subscribe({.on_state_change = [&](const ns::StateChange& change) {
            lost = lost || change.state == ns::StreamState::reconnecting;
          }});
  REQUIRE(test::eventually([&] { return live.state() == ns::StreamState::connected; }));
  // Its pings arrive, and what answers them does not.
  network.proxy().set_toxics(Direction::upstream, {.timeout = 0ms});
  CHECK(test::eventually([&] { return lost.load(); }));
}

TEST_CASE("silent peer: who pings nobody waits for ever, as asked") {
  BadNetwork network;
  ns::ClientOptions options = network.options();
  options.keepalive.interval = 0ms;
  std::atomic<int> snapshots{0};
  std::atomic<int> losses{0};
  const ns::Monitor quiet{ns::Client(options)};
  const ns::Subscription live =
      quiet.subscribe({.on_snapshot = [&](const ns::MonitorSnapshotEvent&) { ++snapshots; },
                       .on_state_change =
                           [&](const ns::StateChange& change) {
                             losses += change.state == ns::StreamState::reconnecting ? 1 : 0;
                           }});
  REQUIRE(test::eventually([&] { return snapshots == 1; }));
  // For as long as it takes another one to find out.
  std::atomic<bool> found{false};
  const ns::Subscription watchful =
      ns::Monitor(ns::Client(with_short_pings(network)))
          .subscribe({.on_state_change = [&](const ns::StateChange& change) {
            found = found || change.state == ns::StreamState::reconnecting;
          }});
  network.proxy().black_hole(true);
  REQUIRE(test::eventually([&] { return found.load(); }));
  network.proxy().black_hole(false);
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  CHECK(test::eventually([&] { return watchful.state() == ns::StreamState::connected; }));
  CHECK(losses == 0);
  CHECK(snapshots == 1);
}

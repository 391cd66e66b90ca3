#include <nullspace/monitor.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/thread_pool.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Monitor;
using nullspace::MonitorMetricsEvent;
using nullspace::MonitorOptions;
using nullspace::MonitorProcessesEvent;
using nullspace::MonitorSnapshotEvent;
using nullspace::MonitorUpdateEvent;
using nullspace::StateChange;
using nullspace::StreamState;
using nullspace::Subscription;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

namespace {

void serve_monitor(const ScriptedClient& scripted) {
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
}

std::string id_of(const ScriptedPeer& peer) {
  return Json::parse(peer.wait_sent(0))["id"].as_string().value_or("");
}

// To the subscription of that connection.
void push(ScriptedPeer& peer, std::string_view type, Json::Object members) {
  members.insert_or_assign("type", type);
  members.emplace("id", id_of(peer));
  peer.push(Json(std::move(members)).dump());
}

void push_metrics(ScriptedPeer& peer, double cpu) {
  push(peer, "monitor_metrics",
       {{"sandbox_id", "sb_1"}, {"metrics", Json::Object{{"cpu_percent", cpu}}}});
}

Json sandbox_json(std::string_view id) {
  return Json::parse(sandbox_body(id));
}

std::function<void(const StateChange&)> note_states(Reported<std::string>& states) {
  return [&states](const StateChange& change) {
    states.add(std::string(to_string(change.state)) +
               (change.cause ? ":" + change.cause->code() : ""));
  };
}

using States = std::vector<std::string>;

}  // namespace

TEST_CASE("a subscription says what it wants") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  const Monitor monitor(scripted.client());
  const Subscription live =
      monitor.subscribe({.interval = milliseconds{1500}, .include_processes = true});
  CHECK(live.active());
  const auto peer = scripted.network->peer(0);
  CHECK(peer->request().url == "wss://api.example.test/prefix/v1/monitor/ws");
  CHECK(header(peer->request().headers, "Authorization") == "Bearer " + std::string(kTestKey));
  Json::Object hello = Json::parse(peer->wait_sent(0)).object();
  CHECK(hello.at("id").as_string()->starts_with("monitor_"));
  hello.erase("id");
  CHECK(Json(hello) ==
        Json(Json::Object{
            {"type", "monitor_subscribe"}, {"interval_ms", 1500}, {"include_processes", true}}));
}

TEST_CASE("an interval that is none is refused before anything is sent") {
  const ScriptedClient scripted;
  const Monitor monitor(scripted.client());
  for (const int interval : {0, -1}) {
    CHECK(thrown_by([&] {
            (void)monitor.subscribe({.interval = milliseconds{interval}});
          }).kind() == ErrorKind::invalid_request);
  }
  CHECK(scripted.network->count() == 0);
}

TEST_CASE("the five callbacks get what is theirs, in order, in either dialect") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  const Dialect dialect = GENERATE(Dialect::sandbox, Dialect::machine);
  const bool machine = dialect == Dialect::machine;
  const char* owner = machine ? "machine_id" : "sandbox_id";
  const Monitor monitor(scripted.client(dialect));
  Reported<std::string> heard;
  const Subscription live = monitor.subscribe(
      {.on_snapshot =
           [&](const MonitorSnapshotEvent& event) {
             heard.add("snapshot:" + std::to_string(event.sandboxes.size()));
           },
       .on_update =
           [&](const MonitorUpdateEvent& event) {
             heard.add("update:" + event.sandbox_id + (event.removed ? ":removed" : "") +
                       (event.sandbox ? ":" + event.sandbox->status_text : ""));
           },
       .on_metrics =
           [&](const MonitorMetricsEvent& event) {
             heard.add("metrics:" + event.sandbox_id + ":" +
                       std::to_string(event.metrics.cpu_count));
           },
       .on_processes =
           [&](const MonitorProcessesEvent& event) {
             heard.add("processes:" + event.processes.at(0).command);
           },
       .on_error = [&](const Error& error) { heard.add("error:" + error.message()); }});
  ScriptedPeer& peer = *scripted.network->peer(0);
  push(peer, "monitor_snapshot",
       {{machine ? "machines" : "sandboxes",
         Json::Array{sandbox_json("sb_1"), sandbox_json("sb_2")}}});
  push(peer, "monitor_update",
       {{owner, "sb_1"},
        {machine ? "machine" : "sandbox", sandbox_json("sb_1")},
        {"removed", false}});
  push(peer, "monitor_update",
       {{owner, "sb_2"}, {machine ? "machine" : "sandbox", Json()}, {"removed", true}});
  push(peer, "monitor_metrics", {{owner, "sb_1"}, {"metrics", Json::Object{{"cpu_percent", 4.0}}}});
  push(peer, "monitor_processes",
       {{owner, "sb_1"},
        {"processes",
         Json::Array{Json::Object{{"pid", 12}, {"command", "sleep 60"}, {"running", true}}}}});
  push(peer, "monitor_error", {{"message", "metrics backend unavailable"}});
  push(peer, "monitor_brand_new", {});
  push(peer, "monitor_metrics", {{owner, "sb_9"}, {"metrics", Json::Object{{"cpu_percent", 1}}}});
  REQUIRE(heard.wait_for(7));
  CHECK(heard.all() ==
        std::vector<std::string>{"snapshot:2", "update:sb_1:running", "update:sb_2:removed",
                                 "metrics:sb_1:1", "processes:sleep 60",
                                 "error:metrics backend unavailable", "metrics:sb_9:1"});
  // An error of the server does not end the stream.
  CHECK(live.active());
}

TEST_CASE("messages of others and broken ones do not end a subscription") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> heard;
  const Subscription live =
      Monitor(scripted.client())
          .subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { heard.add("metrics"); },
                      .on_error = [&](const Error& error) { heard.add(error.code()); }});
  ScriptedPeer& peer = *scripted.network->peer(0);
  (void)peer.wait_sent(0);
  peer.push(
      R"({"type":"monitor_metrics","id":"another","sandbox_id":"x","metrics":{"cpu_percent":1}})");
  peer.push("garbage");
  peer.push(R"({"type":"monitor_metrics"})");
  push(peer, "monitor_metrics", {{"sandbox_id", "sb_1"}, {"metrics", Json::Object{}}});
  push_metrics(peer, 1);
  REQUIRE(heard.wait_for(4));
  CHECK(heard.all() == std::vector<std::string>{"invalid_response", "invalid_response",
                                                "invalid_response", "metrics"});
}

TEST_CASE("a first connection that cannot be made is an error of the call") {
  const ScriptedClient scripted;
  struct Row {
    std::function<void(ScriptedPeer&)> how;
    ErrorKind kind;
  };
  const Row row = GENERATE(
      as<Row>{}, Row{[](ScriptedPeer& peer) { peer.refuse(401); }, ErrorKind::authentication},
      Row{[](ScriptedPeer& peer) { peer.refuse(501); }, ErrorKind::not_implemented},
      Row{[](ScriptedPeer& peer) { peer.refuse(404); }, ErrorKind::server},
      Row{[](ScriptedPeer& peer) { peer.refuse(503); }, ErrorKind::transport},
      Row{[](ScriptedPeer& peer) { peer.fail(TransportFailureKind::connect); },
          ErrorKind::transport},
      Row{[](ScriptedPeer& peer) { peer.fail(TransportFailureKind::connect_timeout); },
          ErrorKind::timeout});
  scripted.network->on_connect(row.how);
  Reported<std::string> states;
  const Monitor monitor(scripted.client());
  const Error error =
      thrown_by([&] { (void)monitor.subscribe({.on_state_change = note_states(states)}); });
  CHECK(error.kind() == row.kind);
  CHECK(states.count() == 0);
}

TEST_CASE("a lost connection comes back by itself, with its subscription") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> states;
  Reported<std::string> errors;
  Reported<double> heard;
  const Subscription live =
      Monitor(scripted.client())
          .subscribe(
              {.interval = milliseconds{700},
               .on_metrics =
                   [&](const MonitorMetricsEvent& event) { heard.add(event.metrics.cpu_percent); },
               .on_error = [&](const Error& error) { errors.add(error.code()); },
               .on_state_change = note_states(states)});
  const auto first = scripted.network->next_peer();
  push_metrics(*first, 1);
  REQUIRE(heard.wait_for(1));
  SECTION("cut") {
    first->fail(TransportFailureKind::receive);
  }
  SECTION("closed politely") {
    first->close(1001);
  }
  SECTION("silent") {
    first->fail(TransportFailureKind::peer_gone);
  }
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  CHECK(Json::parse(second->wait_sent(0))["type"].as_string() == "monitor_subscribe");
  CHECK(Json::parse(second->wait_sent(0))["interval_ms"].as_int() == 700);
  push_metrics(*second, 2);
  REQUIRE(heard.wait_for(2));
  CHECK(states.all() == States{"connected", "reconnecting:transport_error", "connected"});
  CHECK(errors.count() == 0);
  CHECK(live.state() == StreamState::connected);
  CHECK_FALSE(live.last_error());
}

TEST_CASE("it keeps trying while that may help") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> states;
  const Subscription live =
      Monitor(scripted.client()).subscribe({.on_state_change = note_states(states)});
  REQUIRE(states.wait_for(1));
  std::atomic<int> failures{0};
  scripted.network->on_connect([&failures](ScriptedPeer& peer) {
    switch (failures++) {
      case 0:
        peer.fail(TransportFailureKind::connect);
        break;
      case 1:
        peer.refuse(503);
        break;
      case 2:
        peer.fail(TransportFailureKind::connect_timeout);
        break;
      default:
        peer.accept();
    }
  });
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(6));
  CHECK(states.all() == States{"connected", "reconnecting:transport_error",
                               "reconnecting:transport_error", "reconnecting:transport_error",
                               "reconnecting:timeout", "connected"});
}

TEST_CASE("a rate limit is waited out, as long as the server asks for") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::optional<milliseconds>> pauses;
  Reported<std::string> states;
  const Subscription live =
      Monitor(scripted.client()).subscribe({.on_state_change = [&](const StateChange& change) {
        if (change.cause) pauses.add(change.cause->retry_after());
        states.add(std::string(to_string(change.state)));
      }});
  REQUIRE(states.wait_for(1));
  std::atomic<int> refusals{0};
  scripted.network->on_connect([&](ScriptedPeer& peer) {
    if (refusals++ == 0) {
      peer.refuse(429, "0");
    } else if (refusals == 2) {
      peer.refuse(503, "0");
    } else {
      peer.accept();
    }
  });
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(5));
  CHECK(states.all() ==
        States{"connected", "reconnecting", "reconnecting", "reconnecting", "connected"});
  CHECK(pauses.all()[1] == milliseconds{0});
  CHECK(pauses.all()[2] == milliseconds{0});
  CHECK(live.active());
}

TEST_CASE("sandboxes that went away while nobody listened are reported as removed") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> heard;
  const Subscription live =
      Monitor(scripted.client())
          .subscribe({.on_snapshot =
                          [&](const MonitorSnapshotEvent& event) {
                            heard.add("snapshot:" + std::to_string(event.sandboxes.size()));
                          },
                      .on_update =
                          [&](const MonitorUpdateEvent& event) {
                            heard.add((event.removed ? "removed:" : "changed:") + event.sandbox_id);
                          }});
  const auto first = scripted.network->peer(0);
  push(*first, "monitor_snapshot",
       {{"sandboxes", Json::Array{sandbox_json("sb_a"), sandbox_json("sb_b")}}});
  push(*first, "monitor_update", {{"sandbox_id", "sb_c"}, {"sandbox", sandbox_json("sb_c")}});
  push(*first, "monitor_update", {{"sandbox_id", "sb_a"}, {"sandbox", nullptr}, {"removed", true}});
  REQUIRE(heard.wait_for(3));
  first->fail(TransportFailureKind::receive);
  const auto second =
      (static_cast<void>(scripted.network->next_peer()), scripted.network->next_peer());
  REQUIRE(second);
  push(*second, "monitor_snapshot",
       {{"sandboxes", Json::Array{sandbox_json("sb_c"), sandbox_json("sb_d")}}});
  REQUIRE(heard.wait_for(5));
  CHECK(heard.all() ==
        States{"snapshot:2", "changed:sb_c", "removed:sb_a", "removed:sb_b", "snapshot:2"});
}

TEST_CASE("it gives up where trying again would be refused again") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> states;
  Reported<std::string> errors;
  const Subscription live =
      Monitor(scripted.client())
          .subscribe({.on_error = [&](const Error& error) { errors.add(error.code()); },
                      .on_state_change = note_states(states)});
  REQUIRE(states.wait_for(1));
  struct Row {
    int status;
    const char* code;
  };
  const Row row = GENERATE(Row{401, "unauthorized"}, Row{403, "unauthorized"},
                           Row{501, "not_implemented"}, Row{410, "websocket_upgrade_error"});
  scripted.network->on_connect([&row](ScriptedPeer& peer) { peer.refuse(row.status); });
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(3));
  CHECK(states.all().back() == std::string("closed:") + row.code);
  CHECK(errors.all() == States{row.code});
  CHECK_FALSE(live.active());
  REQUIRE(live.last_error());
  CHECK(live.last_error()->code() == row.code);
  CHECK(scripted.network->count() == 2);
}

TEST_CASE("reconnecting can be limited, or switched off") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  ClientOptions options = scripted.options();
  int expected_connections = 0;
  SECTION("off") {
    options.reconnect.enabled = false;
    expected_connections = 1;
  }
  SECTION("two attempts in a row") {
    options.reconnect.max_attempts = 2;
    expected_connections = 3;
  }
  Reported<std::string> states;
  Reported<std::string> errors;
  const Subscription live =
      Monitor(Client(options))
          .subscribe({.on_error = [&](const Error& error) { errors.add(error.code()); },
                      .on_state_change = note_states(states)});
  REQUIRE(states.wait_for(1));
  scripted.network->on_connect(
      [](ScriptedPeer& peer) { peer.fail(TransportFailureKind::connect); });
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(errors.wait_for(1));
  REQUIRE(states.wait_for(static_cast<std::size_t>(expected_connections) + 1));
  CHECK(states.all().back() == "closed:transport_error");
  CHECK(scripted.network->count() == static_cast<std::size_t>(expected_connections));
  CHECK_FALSE(live.active());
}

TEST_CASE("a connection that brought something starts the count anew") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  ClientOptions options = scripted.options();
  options.reconnect.max_attempts = 1;
  Reported<int> heard;
  const Subscription live =
      Monitor(Client(options)).subscribe({.on_metrics = [&](const MonitorMetricsEvent&) {
        heard.add(1);
      }});
  for (std::size_t i = 0; i < 5; ++i) {
    const auto peer = scripted.network->next_peer();
    REQUIRE(peer);
    push_metrics(*peer, 1);
    REQUIRE(heard.wait_for(i + 1));
    peer->fail(TransportFailureKind::receive);
  }
  CHECK(scripted.network->next_peer());
}

TEST_CASE("a callback that throws is reported and ends only its own subscription") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  const Client client = scripted.client();
  Reported<std::string> states;
  Reported<Error> errors;
  Reported<int> other;
  const Subscription bad = Monitor(client).subscribe(
      {.on_metrics = [](const MonitorMetricsEvent&) { throw std::runtime_error("mine"); },
       .on_error = [&](const Error& error) { errors.add(error); },
       .on_state_change = note_states(states)});
  const Subscription good =
      Monitor(client).subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { other.add(1); }});
  push_metrics(*scripted.network->peer(0), 1);
  push_metrics(*scripted.network->peer(0), 2);
  REQUIRE(states.wait_for(2));
  CHECK(states.all() == States{"connected", "closed:callback_failed"});
  REQUIRE(errors.count() == 1);
  CHECK(errors.all()[0].kind() == ErrorKind::callback);
  CHECK(errors.all()[0].message().find("mine") != std::string::npos);
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK_FALSE(bad.active());
  CHECK(bad.last_error()->kind() == ErrorKind::callback);
  push_metrics(*scripted.network->peer(1), 1);
  CHECK(other.wait_for(1));
  CHECK(good.active());
}

TEST_CASE("callbacks that report errors may throw, too") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> calls;
  Reported<std::string> lines;
  ClientOptions options = scripted.options();
  options.log_level = nullspace::LogLevel::error;
  options.log_sink = [&lines](const nullspace::LogRecord& record) { lines.add(record.message); };
  const Subscription live = Monitor(Client(options))
                                .subscribe({.on_error =
                                                [&](const Error&) {
                                                  calls.add("error");
                                                  throw 7;
                                                },
                                            .on_state_change =
                                                [&](const StateChange& change) {
                                                  calls.add(std::string(to_string(change.state)));
                                                  if (change.state == StreamState::closed) throw 8;
                                                }});
  scripted.network->peer(0)->push("garbage");
  REQUIRE(calls.wait_for(4));
  CHECK(scripted.network->peer(0)->wait_closed());
  // The message is reported, that throws; this is reported, that throws as well; and it is over.
  CHECK(calls.all() == States{"connected", "error", "error", "closed"});
  CHECK_FALSE(live.active());
  CHECK(lines.wait_for(3));
}

TEST_CASE("stop says goodbye, and nothing comes after it") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Reported<std::string> states;
  std::atomic<int> calls{0};
  Subscription live = Monitor(scripted.client())
                          .subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { ++calls; },
                                      .on_state_change = note_states(states)});
  const auto peer = scripted.network->peer(0);
  REQUIRE(states.wait_for(1));
  const std::string id = id_of(*peer);
  live.stop();
  CHECK_FALSE(live.active());
  CHECK(live.state() == StreamState::closed);
  CHECK_FALSE(live.last_error());
  const int before = calls;
  const Json bye = Json::parse(peer->wait_sent(1));
  CHECK(bye["type"].as_string() == "monitor_unsubscribe");
  CHECK(bye["id"].as_string() == id);
  CHECK(peer->wait_closed());
  CHECK(peer->client_close_code() == 1000);
  CHECK(calls == before);
  // Nobody is told of what was asked for.
  CHECK(states.all() == States{"connected"});
  CHECK(scripted.network->count() == 1);
  live.stop();
}

TEST_CASE("stop waits for a callback that runs, and closes the socket before that") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Door inside;
  Door leave;
  std::atomic<bool> left{false};
  std::atomic<int> calls{0};
  Subscription live =
      Monitor(scripted.client()).subscribe({.on_metrics = [&](const MonitorMetricsEvent&) {
        ++calls;
        inside.open();
        (void)leave.wait();
        left = true;
      }});
  const auto peer = scripted.network->peer(0);
  push_metrics(*peer, 1);
  push_metrics(*peer, 2);
  REQUIRE(inside.wait());
  std::jthread opener([&] {
    (void)peer->wait_closed();
    leave.open();
  });
  SECTION("stopped") {
    live.stop();
  }
  SECTION("destroyed") {
    const Subscription gone = std::move(live);
  }
  SECTION("replaced") {
    live = Subscription();
  }
  CHECK(left);
  CHECK(calls == 1);
}

TEST_CASE("a subscription may be stopped or destroyed in its own callbacks") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  const bool destroy = GENERATE(false, true);
  const bool throws = GENERATE(false, true);
  const int where = GENERATE(0, 1, 2);
  Door assigned;
  Reported<std::string> calls;
  std::optional<Subscription> live;
  const auto end = [&](const char* name) {
    if (!assigned.wait()) return;
    calls.add(name);
    if (destroy) {
      live.reset();
    } else {
      live->stop();
    }
    if (throws) throw std::runtime_error("on its way out");
  };
  MonitorOptions options;
  if (where == 0) options.on_metrics = [&](const MonitorMetricsEvent&) { end("metrics"); };
  if (where == 1) options.on_error = [&](const Error&) { end("error"); };
  if (where == 2) {
    options.on_state_change = [&](const StateChange& change) {
      if (change.state == StreamState::reconnecting) end("reconnecting");
    };
  }
  live = Monitor(scripted.client()).subscribe(options);
  assigned.open();
  const auto peer = scripted.network->peer(0);
  push_metrics(*peer, 1);
  peer->push("garbage");
  push_metrics(*peer, 1);
  peer->fail(TransportFailureKind::receive);
  REQUIRE(calls.wait_for(1));
  CHECK(peer->wait_closed());
  scripted.network->settle();
  // The callback thread has nothing left to do for it when another stream gets its turn.
  Reported<int> after;
  const Subscription other =
      Monitor(scripted.client()).subscribe({.on_metrics = [&](const MonitorMetricsEvent&) {
        after.add(1);
      }});
  push_metrics(*scripted.network->peer(1), 1);
  REQUIRE(after.wait_for(1));
  CHECK(calls.count() == 1);
  CHECK(scripted.network->count() == 2);
}

TEST_CASE("a subscription that waits for its next attempt is stopped at once") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  ClientOptions options = scripted.options();
  options.reconnect.initial_delay = std::chrono::hours{1};
  options.reconnect.max_delay = milliseconds::max();
  Reported<std::string> states;
  Subscription live = Monitor(Client(options)).subscribe({.on_state_change = note_states(states)});
  REQUIRE(states.wait_for(1));
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(2));
  CHECK(live.state() == StreamState::reconnecting);
  live.stop();
  CHECK(live.state() == StreamState::closed);
}

TEST_CASE("a subscription that is connecting again is stopped at once") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  Subscription live = Monitor(scripted.client()).subscribe();
  const auto first = scripted.network->next_peer();
  scripted.network->on_connect([](ScriptedPeer&) {});
  first->fail(TransportFailureKind::receive);
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  live.stop();
  CHECK(second->wait_closed());
  second->accept();
  scripted.network->settle();
  CHECK(second->sent().empty());
}

TEST_CASE("an empty subscription is none") {
  Subscription empty;
  CHECK_FALSE(empty.active());
  CHECK(empty.state() == StreamState::closed);
  CHECK_FALSE(empty.last_error());
  empty.stop();
  Subscription moved = std::move(empty);
  CHECK_FALSE(moved.active());
}

TEST_CASE("several subscriptions of one client are independent") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  const Monitor monitor(scripted.client());
  Reported<int> first;
  Reported<int> second;
  Subscription one =
      monitor.subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { first.add(1); }});
  const Subscription two =
      monitor.subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { second.add(1); }});
  one.stop();
  push_metrics(*scripted.network->peer(1), 1);
  CHECK(second.wait_for(1));
  CHECK(first.count() == 0);
}

TEST_CASE("events run on the executor that the application brought, whatever it is like") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  ThreadPool pool(4);
  ClientOptions options = scripted.options();
  const bool at_once = GENERATE(false, true);
  options.executor = at_once ? [](const std::function<void()>& task) { task(); } : pool.executor();
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  std::vector<double> heard;  // Not synchronised: the stream is what orders it.
  Door last;
  {
    const Subscription live =
        Monitor(Client(options)).subscribe({.on_metrics = [&](const MonitorMetricsEvent& event) {
          if (++inside != 1) overlapped = true;
          heard.push_back(event.metrics.cpu_percent);
          --inside;
          if (event.metrics.cpu_percent == 299) last.open();
        }});
    for (int i = 0; i < 300; ++i)
      push_metrics(*scripted.network->peer(0), i);
    REQUIRE(last.wait());
  }
  CHECK_FALSE(overlapped);
  REQUIRE(heard.size() == 300);
  for (int i = 0; i < 300; ++i)
    CHECK(heard[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a slow callback slows its own stream and no other") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  ThreadPool pool(2);
  ClientOptions options = scripted.options();
  options.receive_buffer_bytes = 4096;
  options.executor = pool.executor();
  const Monitor monitor{Client(options)};
  Door leave;
  Reported<int> slow;
  Reported<int> quick;
  Subscription one = monitor.subscribe({.on_metrics = [&](const MonitorMetricsEvent&) {
    (void)leave.wait();
    slow.add(1);
  }});
  const Subscription two =
      monitor.subscribe({.on_metrics = [&](const MonitorMetricsEvent&) { quick.add(1); }});
  const auto blocked = scripted.network->peer(0);
  for (int i = 0; i < 100; ++i)
    push_metrics(*blocked, i);
  CHECK(blocked->wait_paused(true));
  for (int i = 0; i < 100; ++i)
    push_metrics(*scripted.network->peer(1), i);
  CHECK(quick.wait_for(100));
  leave.open();
  CHECK(slow.wait_for(100));
  CHECK(blocked->wait_paused(false));
}

TEST_CASE("a transport that throws is a connection that does not open") {
  const ScriptedClient scripted;
  serve_monitor(scripted);
  struct Moody final : nullspace::WebSocketTransport {
    std::shared_ptr<nullspace::WebSocketConnection> open(
        nullspace::WebSocketRequest request,
        std::shared_ptr<nullspace::WebSocketListener> listener) override {
      if (++calls == 2) throw std::runtime_error("no thread to be had");
      return behind->open(std::move(request), std::move(listener));
    }
    std::shared_ptr<ScriptedWebSocket> behind{};
    std::atomic<int> calls{0};
  };
  const auto moody = std::make_shared<Moody>();
  moody->behind = scripted.network;
  ClientOptions options = scripted.options();
  options.websocket_transport = moody;
  Reported<std::string> states;
  const Subscription live =
      Monitor(Client(options)).subscribe({.on_state_change = note_states(states)});
  REQUIRE(states.wait_for(1));
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(4));
  CHECK(states.all() == States{"connected", "reconnecting:transport_error",
                               "reconnecting:transport_error", "connected"});
}

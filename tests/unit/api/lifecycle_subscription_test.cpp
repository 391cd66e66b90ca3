#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nullspace/lifecycle.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/scripted_events.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Lifecycle;
using nullspace::LifecycleAudience;
using nullspace::LifecycleEvent;
using nullspace::LifecycleGap;
using nullspace::LifecycleOperation;
using nullspace::LifecycleStatus;
using nullspace::LifecycleSubscribeOptions;
using nullspace::StateChange;
using nullspace::StreamState;
using nullspace::Subscription;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

namespace {

using Words = std::vector<std::string>;

// What a subscription hears, in order: `evt_1`, `gap:evt_1:<code>`, `error:<code>`,
// `reconnecting:<code>`.
LifecycleSubscribeOptions listening(Reported<std::string>& heard,
                                    LifecycleSubscribeOptions options = {}) {
  options.on_event = [&heard](const LifecycleEvent& event) { heard.add(event.id); };
  options.on_gap = [&heard](const LifecycleGap& gap) {
    heard.add("gap:" + gap.after_event_id + ":" + gap.cause.code());
  };
  options.on_error = [&heard](const Error& error) { heard.add("error:" + error.code()); };
  options.on_state_change = [&heard](const StateChange& change) {
    heard.add(std::string(to_string(change.state)) +
              (change.cause ? ":" + change.cause->code() : ""));
  };
  return options;
}

Json hello(const ScriptedPeer& peer) {
  return Json::parse(peer.wait_sent(0));
}

// The next connection, once the server has answered its greeting.
std::shared_ptr<ScriptedPeer> next_greeted(const ScriptedClient& scripted) {
  auto peer = scripted.network->next_peer();
  if (peer && !peer->wait_sent(0).empty()) scripted.network->settle();
  return peer;
}

void push_events(ScriptedPeer& peer, int first, int last) {
  for (int n = first; n <= last; ++n)
    peer.push(event_message(n));
}

}  // namespace

TEST_CASE("a subscription to events says what it wants, in either dialect") {
  const ScriptedClient scripted;
  const Dialect dialect = GENERATE(Dialect::sandbox, Dialect::machine);
  serve_lifecycle(scripted);
  const Lifecycle lifecycle(scripted.client(dialect));
  SECTION("nothing in particular") {
    const Subscription live = lifecycle.subscribe({});
    CHECK(live.active());
    const auto peer = scripted.network->peer(0);
    CHECK(peer->request().url == "wss://api.example.test/prefix/v1/lifecycle/ws");
    CHECK(header(peer->request().headers, "Authorization") == "Bearer " + std::string(kTestKey));
    CHECK(peer->wait_sent(0) == R"({"type":"subscribe","live_only":false,"replay_limit":100})");
  }
  SECTION("everything") {
    const Subscription live = lifecycle.subscribe({.sandbox_id = "sb_7k2",
                                                   .snapshot_id = "snap_1",
                                                   .operation = LifecycleOperation::destroy,
                                                   .status = LifecycleStatus::requested,
                                                   .audience = LifecycleAudience::customer,
                                                   .metadata = {{"team", "a"}},
                                                   .after_event_id = "evt_1",
                                                   .replay_limit = 7});
    const std::string noun = dialect == Dialect::sandbox ? "sandbox" : "machine";
    CHECK(hello(*scripted.network->peer(0)) ==
          Json(Json::Object{{"type", "subscribe"},
                            {noun + "_id", "sb_7k2"},
                            {"snapshot_id", "snap_1"},
                            {"operation", "destroy"},
                            {"status", "requested"},
                            {"audience", "customer"},
                            {"metadata", Json::Object{{"team", "a"}}},
                            {"live_only", false},
                            {"after_event_id", "evt_1"},
                            {"replay_limit", 7}}));
    // Who has a cursor needs no look at the log.
    CHECK(scripted.http->count() == 0);
  }
}

TEST_CASE("a subscription to events that makes no sense is refused before anything is sent") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  for (const LifecycleSubscribeOptions& options :
       std::vector<LifecycleSubscribeOptions>{{.operation = LifecycleOperation::unknown},
                                              {.status = LifecycleStatus::unknown},
                                              {.audience = LifecycleAudience::unknown},
                                              {.audience = LifecycleAudience::internal},
                                              {.replay_limit = -1},
                                              {.after_event_id = "evt_1", .live_only = true}}) {
    CHECK(thrown_by([&] { (void)lifecycle.subscribe(options); }).kind() ==
          ErrorKind::invalid_request);
  }
  CHECK(scripted.network->count() == 0);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("a subscription to events that the server refuses is an error of the call") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  struct Row {
    std::function<void(ScriptedPeer&)> answer;
    const char* code;
  };
  const Row row = GENERATE(
      as<Row>{},
      Row{[](ScriptedPeer& peer) { peer.push(problem_message("lifecycle store unavailable")); },
          "websocket_error"},
      Row{[](ScriptedPeer& peer) {
            peer.push(problem_message("unknown after_event_id"));
            peer.close(1000);
          },
          "websocket_error"},
      Row{[](ScriptedPeer& peer) { peer.push(event_message(1)); }, "invalid_response"},
      Row{[](ScriptedPeer& peer) { peer.push(R"({"type":"hello"})"); }, "invalid_response"},
      Row{[](ScriptedPeer& peer) { peer.push("garbage"); }, "invalid_response"},
      Row{[](ScriptedPeer& peer) { peer.push(""); }, "invalid_response"},
      Row{[](ScriptedPeer& peer) { peer.close(1011); }, "transport_error"},
      Row{[](ScriptedPeer& peer) { peer.fail(TransportFailureKind::receive); }, "transport_error"});
  serve(*scripted.network, "subscribe", row.answer);
  Reported<std::string> heard;
  const Lifecycle lifecycle(scripted.client());
  CHECK(thrown_by([&] {
          (void)lifecycle.subscribe(listening(heard, {.after_event_id = "evt_1"}));
        }).code() == row.code);
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(scripted.network->count() == 1);
  CHECK(heard.count() == 0);
}

TEST_CASE("a refused upgrade of a subscription to events is an error of the call") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  struct Row {
    int status;
    ErrorKind kind;
  };
  const Row row =
      GENERATE(Row{401, ErrorKind::authentication}, Row{501, ErrorKind::not_implemented},
               Row{404, ErrorKind::server}, Row{503, ErrorKind::transport});
  scripted.network->on_connect([&row](ScriptedPeer& peer) { peer.refuse(row.status); });
  const Lifecycle lifecycle(scripted.client());
  CHECK(thrown_by([&] { (void)lifecycle.subscribe({}); }).kind() == row.kind);
}

TEST_CASE("a server that never answers a subscription to events is given up") {
  const ScriptedClient scripted;
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  ClientOptions options = scripted.options();
  options.timeouts.websocket_open = milliseconds{30};
  const Lifecycle lifecycle{Client(options)};
  const Error error = thrown_by([&] { (void)lifecycle.subscribe({.after_event_id = "evt_1"}); });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == nullspace::Deadline::connect);
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("events come in order, once, and what is broken does not end the stream") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  ScriptedPeer& peer = *scripted.network->peer(0);
  push_events(peer, 1, 2);
  push_events(peer, 1, 3);
  peer.push("garbage");
  peer.push(R"({"type":"event"})");
  peer.push(R"({"type":"event","event":{"id":"evt_9"}})");
  peer.push(subscribed_message());
  peer.push(R"({"type":"brand_new"})");
  peer.push(problem_message("lifecycle store unavailable"));
  peer.push(event_message(4));
  REQUIRE(heard.wait_for(9));
  CHECK(heard.all() == Words{"connected", "evt_1", "evt_2", "evt_3", "error:invalid_response",
                             "error:invalid_response", "error:invalid_response",
                             "error:websocket_error", "evt_4"});
  CHECK(live.active());
}

TEST_CASE("a lost subscription to events goes on after the last one it delivered") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const bool live_only = GENERATE(false, true);
  const Subscription live =
      Lifecycle(scripted.client())
          .subscribe(listening(heard, {.sandbox_id = "sb_1", .live_only = live_only}));
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 3);
  REQUIRE(heard.wait_for(4));
  SECTION("cut") {
    first->fail(TransportFailureKind::receive);
  }
  SECTION("closed politely") {
    first->close(1000);
  }
  SECTION("silent") {
    first->fail(TransportFailureKind::peer_gone);
  }
  const auto second = next_greeted(scripted);
  REQUIRE(second);
  CHECK(hello(*second) == Json(Json::Object{{"type", "subscribe"},
                                            {"sandbox_id", "sb_1"},
                                            {"live_only", false},
                                            {"after_event_id", "evt_3"},
                                            {"replay_limit", 100}}));
  push_events(*second, 2, 5);
  REQUIRE(heard.wait_for(8));
  CHECK(heard.all() == Words{"connected", "evt_1", "evt_2", "evt_3", "reconnecting:transport_error",
                             "connected", "evt_4", "evt_5"});
  CHECK(live.state() == StreamState::connected);
}

TEST_CASE("a live subscription that is lost before its first event misses none") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  SECTION("there were events before") {
    scripted.http->push(event_page(event_range(7, 7)));
    const Subscription live =
        Lifecycle(scripted.client())
            .subscribe(
                listening(heard, {.operation = LifecycleOperation::create, .live_only = true}));
    CHECK(scripted.http->request(0).url ==
          "https://api.example.test/prefix/v1/lifecycle/events?offset=0&limit=1&order=desc"
          "&operation=create");
    CHECK(hello(*scripted.network->peer(0))["live_only"].as_bool() == true);
    next_greeted(scripted)->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    REQUIRE(second);
    CHECK(hello(*second)["after_event_id"].as_string() == "evt_7");
    CHECK(hello(*second)["live_only"].as_bool() == false);
    push_events(*second, 7, 8);
    REQUIRE(heard.wait_for(4));
    CHECK(heard.all().back() == "evt_8");
  }
  SECTION("there were none") {
    const Subscription live =
        Lifecycle(scripted.client()).subscribe(listening(heard, {.live_only = true}));
    next_greeted(scripted)->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    REQUIRE(second);
    CHECK(second->wait_sent(0) == R"({"type":"subscribe","live_only":false,"replay_limit":100})");
    push_events(*second, 1, 1);
    REQUIRE(heard.wait_for(4));
    CHECK(heard.all().back() == "evt_1");
    CHECK(scripted.http->count() == 2);
  }
  SECTION("there were none, and then more than are repeated") {
    const Subscription live =
        Lifecycle(scripted.client()).subscribe(listening(heard, {.live_only = true}));
    scripted.http->push(event_page(event_range(1, 150)));
    scripted.network->next_peer()->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    push_events(*second, 51, 151);
    REQUIRE(heard.wait_for(154));
    Words expected{"connected", "reconnecting:transport_error", "connected"};
    for (int n = 1; n <= 151; ++n)
      expected.push_back(event_id(n));
    CHECK(heard.all() == expected);
  }
  SECTION("the log cannot be asked: the application is told") {
    scripted.http->push(response(GENERATE(404, 500, 501), error_body("no")));
    const Subscription live =
        Lifecycle(scripted.client()).subscribe(listening(heard, {.live_only = true}));
    next_greeted(scripted)->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    REQUIRE(second);
    CHECK(hello(*second)["live_only"].as_bool() == true);
    push_events(*second, 9, 9);
    REQUIRE(heard.wait_for(5));
    CHECK(heard.all() == Words{"connected", "reconnecting:transport_error", "connected",
                               "gap::transport_error", "evt_9"});
  }
}

TEST_CASE("an event that the server has forgotten is a gap, and live events go on") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const bool listens = GENERATE(true, false);
  LifecycleSubscribeOptions options = listening(heard);
  std::optional<nullspace::Timestamp> after;
  if (listens) {
    const auto note = options.on_gap;
    options.on_gap = [&after, note](const LifecycleGap& gap) {
      after = gap.after_time;
      note(gap);
    };
  } else {
    options.on_gap = nullptr;
  }
  const Subscription live = Lifecycle(scripted.client()).subscribe(options);
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 2);
  REQUIRE(heard.wait_for(3));
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& text) {
    if (Json::parse(text)["after_event_id"].is_null()) return peer.push(subscribed_message());
    peer.push(problem_message("unknown after_event_id"));
    peer.close(1000);
  });
  first->fail(TransportFailureKind::receive);
  REQUIRE(next_greeted(scripted));
  const auto third = next_greeted(scripted);
  REQUIRE(third);
  CHECK(third->wait_sent(0) == R"({"type":"subscribe","live_only":true,"replay_limit":100})");
  push_events(*third, 7, 7);
  REQUIRE(heard.wait_for(8));
  CHECK(heard.all() == Words{"connected", "evt_1", "evt_2", "reconnecting:transport_error",
                             "reconnecting:websocket_error", "connected",
                             listens ? "gap:evt_2:websocket_error" : "error:lifecycle_gap",
                             "evt_7"});
  if (listens) CHECK(after == event_time(2));
}

TEST_CASE("a server that refuses for the moment is asked again") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 1);
  REQUIRE(heard.wait_for(2));
  std::atomic<int> attempts{0};
  scripted.network->on_message([&attempts](ScriptedPeer& peer, const std::string&) {
    switch (attempts++) {
      case 0:
        return peer.push(problem_message("lifecycle store unavailable"));
      case 1:
        return peer.push("garbage");
      case 2:
        return peer.close(1011);
      default:
        return peer.push(subscribed_message());
    }
  });
  first->fail(TransportFailureKind::receive);
  REQUIRE(heard.wait_for(7));
  CHECK(heard.all() == Words{"connected", "evt_1", "reconnecting:transport_error",
                             "reconnecting:websocket_error", "reconnecting:invalid_response",
                             "reconnecting:transport_error", "connected"});
  // The cursor is not lost on the way.
  CHECK(hello(*scripted.network->peer(4))["after_event_id"].as_string() == "evt_1");
}

TEST_CASE("a server that is silent on a new connection is left") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  ClientOptions options = scripted.options();
  options.timeouts.websocket_open = milliseconds{1'000};
  Reported<std::string> heard;
  const Subscription live = Lifecycle(Client(options)).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  std::atomic<int> attempts{0};
  scripted.network->on_message([&attempts](ScriptedPeer& peer, const std::string&) {
    if (attempts++ > 0) peer.push(subscribed_message());
  });
  first->fail(TransportFailureKind::receive);
  REQUIRE(heard.wait_for(4));
  CHECK(heard.all() ==
        Words{"connected", "reconnecting:transport_error", "reconnecting:timeout", "connected"});
  CHECK(scripted.network->peer(1)->aborted());
}

TEST_CASE("a subscription to events ends where trying again would be refused again") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(401); });
  first->fail(TransportFailureKind::receive);
  REQUIRE(heard.wait_for(4));
  CHECK(heard.all() == Words{"connected", "reconnecting:transport_error", "error:unauthorized",
                             "closed:unauthorized"});
  CHECK_FALSE(live.active());
  CHECK(live.last_error()->kind() == ErrorKind::authentication);
}

TEST_CASE("what a server does not repeat is fetched from the log") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 1);
  REQUIRE(heard.wait_for(2));
  scripted.http->forget();
  Words expected{"connected", "evt_1", "reconnecting:transport_error", "connected"};

  SECTION("in one go, in order, before the live events") {
    scripted.http->push(event_page(event_range(1, 200), true));
    scripted.http->push(event_page(event_range(201, 250)));
    first->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    push_events(*second, 2, 101);
    push_events(*second, 251, 252);
    for (int n = 2; n <= 252; ++n)
      expected.push_back(event_id(n));
    REQUIRE(heard.wait_for(expected.size()));
    CHECK(scripted.http->request(0).url ==
          "https://api.example.test/prefix/v1/lifecycle/"
          "events?offset=0&limit=200&order=asc&from=2026-05-02T08%3A00%3A01.000Z");
    CHECK(scripted.http->request(1).url.find("offset=200&") != std::string::npos);
  }
  SECTION("again, when the log could not be read for a moment") {
    scripted.http->push(GENERATE(response(503, error_body("x")), response(500, error_body("x"))));
    scripted.http->push(event_page(event_range(101, 150)));
    first->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    push_events(*second, 2, 101);
    // Live, and not to be delivered before what is missing.
    push_events(*second, 149, 150);
    const auto third = next_greeted(scripted);
    REQUIRE(third);
    CHECK(hello(*third)["after_event_id"].as_string() == "evt_101");
    push_events(*third, 102, 150);
    for (int n = 2; n <= 101; ++n)
      expected.push_back(event_id(n));
    expected.insert(expected.end(), {"reconnecting:transport_error", "connected"});
    for (int n = 102; n <= 150; ++n)
      expected.push_back(event_id(n));
    REQUIRE(heard.wait_for(expected.size()));
  }
  SECTION("from the connection, in portions, when there is no log to be read") {
    scripted.http->answer_with([](const auto&) { return response(501, error_body("x")); });
    first->fail(TransportFailureKind::receive);
    const auto second = next_greeted(scripted);
    push_events(*second, 2, 101);
    const auto third = next_greeted(scripted);
    REQUIRE(third);
    CHECK(hello(*third)["after_event_id"].as_string() == "evt_101");
    push_events(*third, 102, 110);
    for (int n = 2; n <= 101; ++n)
      expected.push_back(event_id(n));
    expected.insert(expected.end(), {"reconnecting:transport_error", "connected"});
    for (int n = 102; n <= 110; ++n)
      expected.push_back(event_id(n));
    REQUIRE(heard.wait_for(expected.size()));
  }
  CHECK(heard.all() == expected);
}

TEST_CASE("a connection that the log has left far behind is made anew") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 1);
  REQUIRE(heard.wait_for(2));
  // A log without end.
  scripted.http->answer_with([](const nullspace::HttpRequest& request) {
    const int offset = std::stoi(request.url.substr(request.url.find("offset=") + 7));
    return event_page(event_range(offset + 1, offset + 200), true);
  });
  first->fail(TransportFailureKind::receive);
  const auto second = next_greeted(scripted);
  // The connection brings the same, more than can be remembered.
  push_events(*second, 2, 5'000);
  const auto third = next_greeted(scripted);
  REQUIRE(third);
  const std::string last = hello(*third)["after_event_id"].as_string().value();
  const int n = std::stoi(last.substr(4));
  CHECK(n > 2'000);
  push_events(*third, n + 1, n + 1);
  Words expected{"connected", "evt_1", "reconnecting:transport_error", "connected"};
  for (int i = 2; i <= n; ++i)
    expected.push_back(event_id(i));
  expected.insert(expected.end(), {"reconnecting:transport_error", "connected", event_id(n + 1)});
  REQUIRE(heard.wait_for(expected.size()));
  CHECK(heard.all() == expected);
}

TEST_CASE("a replay that leads nowhere and a log that cannot be read are a gap") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  const Subscription live = Lifecycle(scripted.client()).subscribe(listening(heard));
  const auto first = next_greeted(scripted);
  push_events(*first, 1, 100);
  REQUIRE(heard.wait_for(101));
  scripted.http->answer_with([](const auto&) { return response(404, error_body("not_found")); });
  first->fail(TransportFailureKind::receive);
  const auto second = next_greeted(scripted);
  push_events(*second, 1, 101);
  REQUIRE(heard.wait_for(105));
  const Words all = heard.all();
  CHECK(Words(all.begin() + 101, all.end()) ==
        Words{"reconnecting:transport_error", "connected", "gap:evt_100:not_found", "evt_101"});
}

TEST_CASE("a callback for events that throws ends its subscription") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  LifecycleSubscribeOptions options = listening(heard);
  options.on_event = [](const LifecycleEvent&) { throw std::runtime_error("broken"); };
  const Subscription live = Lifecycle(scripted.client()).subscribe(options);
  const auto peer = next_greeted(scripted);
  push_events(*peer, 1, 2);
  REQUIRE(heard.wait_for(3));
  CHECK(heard.all().back().starts_with("closed:"));
  CHECK(live.last_error()->kind() == ErrorKind::callback);
  CHECK(peer->wait_closed());
  scripted.network->settle();
  CHECK(heard.count() == 3);
}

TEST_CASE("a subscription to events may be stopped or destroyed in its own callbacks") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  const bool destroy = GENERATE(false, true);
  const int where = GENERATE(0, 1, 2);
  Door assigned;
  Door ended;
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
    ended.open();
  };
  LifecycleSubscribeOptions options;
  if (where == 0) options.on_event = [&](const LifecycleEvent&) { end("event"); };
  if (where == 1) options.on_error = [&](const Error&) { end("error"); };
  if (where == 2) {
    options.on_state_change = [&](const StateChange& change) {
      if (change.state == StreamState::reconnecting) end("reconnecting");
    };
  }
  live = Lifecycle(scripted.client()).subscribe(options);
  assigned.open();
  const auto peer = scripted.network->peer(0);
  peer->push(event_message(1));
  peer->push("garbage");
  peer->push(event_message(2));
  peer->fail(TransportFailureKind::receive);
  REQUIRE(ended.wait());
  CHECK(peer->wait_closed());
  scripted.network->settle();
  CHECK(calls.count() == 1);
}

TEST_CASE("a subscription that reads the log is stopped at once") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Reported<std::string> heard;
  Subscription live =
      Lifecycle(scripted.client())
          .subscribe(listening(heard, {.after_event_id = "evt_0", .replay_limit = 2}));
  scripted.http->push_silence();
  push_events(*next_greeted(scripted), 1, 3);
  REQUIRE(scripted.http->wait_for_requests(1));
  live.stop();
  CHECK(heard.all() == Words{"connected", "evt_1", "evt_2"});
}

TEST_CASE("closing a Lifecycle ends its subscriptions, and there are no new ones") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Lifecycle lifecycle(scripted.client());
  const Lifecycle copy = lifecycle;
  const Lifecycle another(scripted.client());
  const Subscription one = lifecycle.subscribe({});
  const Subscription two = copy.subscribe({});
  const Subscription three = another.subscribe({});
  lifecycle.close();
  CHECK_FALSE(one.active());
  CHECK_FALSE(two.active());
  CHECK(three.active());
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(scripted.network->peer(1)->wait_closed());
  CHECK(thrown_by([&] { (void)copy.subscribe({}); }).kind() == ErrorKind::cancelled);
  CHECK(thrown_by([&] { (void)copy.stream({}); }).kind() == ErrorKind::cancelled);
  lifecycle.close();
  scripted.http->push(event_page({}));
  CHECK(lifecycle.list_events().to_vector().empty());
}

TEST_CASE("closing a Lifecycle in a callback of its own subscription") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Lifecycle lifecycle(scripted.client());
  Reported<std::string> calls;
  const Subscription live = lifecycle.subscribe({.on_event = [&](const LifecycleEvent& event) {
    lifecycle.close();
    calls.add(event.id);
  }});
  push_events(*scripted.network->peer(0), 1, 5);
  REQUIRE(calls.wait_for(1));
  CHECK(scripted.network->peer(0)->wait_closed());
  scripted.network->settle();
  CHECK(calls.all() == Words{"evt_1"});
}

namespace {

// A service with a log, as far as a subscriber can tell: replays at most a few events after a
// cursor, repeats some, is cut at random.
class LogServer {
 public:
  static constexpr int kReplay = 100;

  explicit LogServer(const ScriptedClient& scripted, unsigned seed) : random_(seed) {
    scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
    scripted.network->on_message([this](ScriptedPeer& peer, const std::string& text) {
      subscribe(peer, Json::parse(text));
    });
    scripted.http->answer_with(
        [this](const nullspace::HttpRequest& request) { return list(request.url); });
  }

  // Writes an event and shows it to who listens; may cut the connection before or after.
  void write() {
    const std::lock_guard lock(mutex_);
    ++written_;
    if (!peer_) return;
    switch (std::uniform_int_distribution<int>(0, 9)(random_)) {
      case 0:
        return cut();
      case 1:
        peer_->push(event_message(written_));
        return cut();
      case 2:
        peer_->push(event_message(written_));
        break;
      default:
        break;
    }
    peer_->push(event_message(written_));
  }

 private:
  void cut() {
    peer_->fail(TransportFailureKind::receive);
    peer_.reset();
  }

  void subscribe(ScriptedPeer& peer, const Json& hello) {
    const std::lock_guard lock(mutex_);
    peer.push(subscribed_message());
    if (const auto after = hello["after_event_id"].as_string()) {
      // The cursor itself again, and the first ones after it.
      const int cursor = std::stoi(after->substr(4));
      for (int n = cursor; n <= std::min(written_, cursor + kReplay); ++n)
        peer.push(event_message(n));
    } else if (!hello["live_only"].as_bool().value_or(false)) {
      for (int n = std::max(1, written_ - kReplay + 1); n <= written_; ++n)
        peer.push(event_message(n));
    }
    peer_ = peer.shared_from_this();
  }

  nullspace::HttpResponse list(const std::string& url) {
    const std::lock_guard lock(mutex_);
    if (url.find("order=desc") != std::string::npos)
      return event_page(event_range(std::max(written_, 1), written_));
    const std::size_t at = url.find("offset=") + 7;
    const int offset = std::stoi(url.substr(at));
    // `from` is as old as can be: it is for the client to drop what it knows.
    const int last = std::min(written_, offset + 200);
    return event_page(event_range(offset + 1, last), last < written_);
  }

  std::mutex mutex_;
  std::mt19937 random_;
  int written_{0};
  std::shared_ptr<ScriptedPeer> peer_;
};

}  // namespace

TEST_CASE("however often it is cut, every event comes once and in order") {
  const ScriptedClient scripted;
  const auto seed = GENERATE(1U, 2U, 3U);
  LogServer server(scripted, seed);
  constexpr int kEvents = 3'000;
  Reported<std::string> events;
  Reported<std::string> trouble;
  const Subscription live =
      Lifecycle(scripted.client())
          .subscribe(
              {.live_only = true,
               .on_event = [&](const LifecycleEvent& event) { events.add(event.id); },
               .on_gap = [&](const LifecycleGap& gap) { trouble.add("gap:" + gap.after_event_id); },
               .on_error = [&](const Error& error) { trouble.add(error.what()); }});
  for (int n = 0; n < kEvents; ++n) {
    server.write();
    if (n % 400 == 0) scripted.network->settle();
  }
  REQUIRE(events.wait_for(kEvents));
  const auto all = events.all();
  CHECK(all.size() == kEvents);
  int wrong = 0;
  for (int n = 0; n < kEvents; ++n)
    wrong += all[static_cast<std::size_t>(n)] == event_id(n + 1) ? 0 : 1;
  CHECK(wrong == 0);
  CHECK(trouble.all().empty());
}

#include <chrono>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nullspace/lifecycle.hpp>
#include <nullspace/sandbox.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/scripted_events.hpp"

using namespace nullspace::tests;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Lifecycle;
using nullspace::LifecycleEvent;
using nullspace::LifecycleGap;
using nullspace::LifecycleStream;
using nullspace::LifecycleStreamOptions;
using nullspace::StateChange;
using nullspace::TransportFailureKind;

namespace {

using Ids = std::vector<std::string>;

Json hello(const ScriptedPeer& peer) {
  return Json::parse(peer.wait_sent(0));
}

void push_events(ScriptedPeer& peer, int first, int last) {
  for (int n = first; n <= last; ++n)
    peer.push(event_message(n));
}

std::string next_id(LifecycleStream& stream) {
  const std::optional<LifecycleEvent> event = stream.next();
  return event ? event->id : "(end)";
}

}  // namespace

TEST_CASE("a range of events, on the calling thread, that a stop_token ends") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  std::stop_source source;
  Ids ids;
  LifecycleStream stream = Lifecycle(scripted.client()).stream({.stop = source.get_token()});
  push_events(*scripted.network->peer(0), 1, 3);
  for (const LifecycleEvent& event : stream) {
    ids.push_back(event.id);
    if (event.id == "evt_3") source.request_stop();
  }
  CHECK(ids == Ids{"evt_1", "evt_2", "evt_3"});
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK_FALSE(stream.next());
}

TEST_CASE("a range that waits is ended from another thread") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  std::stop_source source;
  Lifecycle lifecycle(scripted.client());
  LifecycleStream stream = lifecycle.stream({.stop = source.get_token()});
  const int how = GENERATE(0, 1, 2);
  const std::jthread stopper([&] {
    if (how == 0) source.request_stop();
    if (how == 1) stream.close();
    if (how == 2) lifecycle.close();
  });
  CHECK_FALSE(stream.next());
  CHECK_FALSE(stream.next());
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a range that is stopped before it begins has no events") {
  const ScriptedClient scripted;
  std::stop_source source;
  const Lifecycle lifecycle(scripted.client());
  SECTION("before the call") {
    source.request_stop();
    CHECK_FALSE(lifecycle.stream({.stop = source.get_token()}).next());
    CHECK(scripted.network->count() == 0);
  }
  SECTION("while the log is asked") {
    scripted.http->push_silence();
    const std::jthread stopper([&] {
      (void)scripted.http->wait_for_requests(1);
      source.request_stop();
    });
    LifecycleStream stream = lifecycle.stream({.stop = source.get_token()});
    CHECK(stream.begin() == std::default_sentinel);
  }
  SECTION("while it connects") {
    scripted.http->answer_with([](const auto&) { return event_page({}); });
    const std::jthread stopper([&] {
      (void)scripted.network->next_peer();
      source.request_stop();
    });
    CHECK_FALSE(lifecycle.stream({.stop = source.get_token()}).next());
  }
  SECTION("while the server is silent") {
    scripted.http->answer_with([](const auto&) { return event_page({}); });
    scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
    const std::jthread stopper([&] {
      const auto peer = scripted.network->next_peer();
      if (peer) (void)peer->wait_sent(0);
      source.request_stop();
    });
    CHECK_FALSE(lifecycle.stream({.stop = source.get_token()}).next());
    CHECK(scripted.network->peer(0)->wait_closed());
  }
}

TEST_CASE("a range goes on after the last event when its connection is lost") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Ids states;
  LifecycleStream stream =
      Lifecycle(scripted.client()).stream({.on_state_change = [&](const StateChange& change) {
        states.emplace_back(to_string(change.state));
      }});
  const auto first = scripted.network->next_peer();
  push_events(*first, 1, 2);
  first->close(1001);
  CHECK(next_id(stream) == "evt_1");
  CHECK(next_id(stream) == "evt_2");
  std::jthread server([&] {
    const auto second = scripted.network->next_peer();
    if (!second || hello(*second)["after_event_id"].as_string() != "evt_2") return;
    scripted.network->settle();  // It has been answered.
    push_events(*second, 1, 3);
  });
  CHECK(next_id(stream) == "evt_3");
  CHECK(states == Ids{"connected", "reconnecting", "connected"});
}

TEST_CASE("what a server does not repeat is fetched from the log for a range, too") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  LifecycleStream stream =
      Lifecycle(scripted.client()).stream({.after_event_id = "evt_0", .replay_limit = 2});
  scripted.http->push(event_page(event_range(1, 4), true));
  scripted.http->push(event_page(event_range(5, 5)));
  push_events(*scripted.network->peer(0), 1, 2);
  push_events(*scripted.network->peer(0), 4, 6);
  for (int n = 1; n <= 6; ++n)
    CHECK(next_id(stream) == event_id(n));
  CHECK(scripted.http->count() == 2);
}

TEST_CASE("errors in a range are thrown, and it can be read on") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  LifecycleStream stream = Lifecycle(scripted.client()).stream();
  ScriptedPeer& peer = *scripted.network->peer(0);
  peer.push(event_message(1));
  peer.push("garbage");
  peer.push(problem_message("lifecycle store unavailable"));
  peer.push(event_message(2));
  CHECK(next_id(stream) == "evt_1");
  CHECK(thrown_by([&] { (void)stream.next(); }).kind() == ErrorKind::invalid_response);
  const Error error = thrown_by([&] { (void)stream.next(); });
  CHECK(error.code() == "websocket_error");
  CHECK(error.message() == "lifecycle store unavailable");
  CHECK(next_id(stream) == "evt_2");
}

TEST_CASE("what ends a range for good is thrown every time") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  LifecycleStream stream = Lifecycle(scripted.client()).stream();
  const auto first = scripted.network->next_peer();
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(501); });
  first->push(event_message(1));
  first->close(1000);
  CHECK(next_id(stream) == "evt_1");
  for (int i = 0; i < 2; ++i) {
    CHECK(thrown_by([&] { (void)stream.next(); }).kind() == ErrorKind::not_implemented);
  }
}

TEST_CASE("a gap in a range is told, or thrown") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  Ids gaps;
  const bool listens = GENERATE(true, false);
  LifecycleStreamOptions options;
  if (listens) {
    options.on_gap = [&gaps](const LifecycleGap& gap) { gaps.push_back(gap.after_event_id); };
  }
  LifecycleStream stream = Lifecycle(scripted.client()).stream(options);
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& text) {
    if (!Json::parse(text)["after_event_id"].is_null())
      return peer.push(problem_message("unknown after_event_id"));
    peer.push(subscribed_message());
    peer.push(event_message(9));
  });
  const auto first = scripted.network->next_peer();
  first->push(event_message(1));
  first->close(1000);
  CHECK(next_id(stream) == "evt_1");
  if (!listens) CHECK(thrown_by([&] { (void)stream.next(); }).code() == "lifecycle_gap");
  CHECK(next_id(stream) == "evt_9");
  CHECK(gaps == (listens ? Ids{"evt_1"} : Ids{}));
}

TEST_CASE("what a callback of a range throws comes out of it") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  LifecycleStream stream =
      Lifecycle(scripted.client()).stream({.on_state_change = [](const StateChange&) {
        throw std::runtime_error("mine");
      }});
  push_events(*scripted.network->peer(0), 1, 1);
  CHECK_THROWS_AS(stream.next(), std::runtime_error);
  CHECK(next_id(stream) == "evt_1");
}

TEST_CASE("a range that the server refuses is an error of the call") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  serve(*scripted.network, "subscribe",
        [](ScriptedPeer& peer) { peer.push(problem_message("no")); });
  CHECK(thrown_by([&] { (void)Lifecycle(scripted.client()).stream(); }).code() ==
        "websocket_error");
}

TEST_CASE("a range that is replaced or destroyed closes its connection") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  const Lifecycle lifecycle(scripted.client());
  {
    LifecycleStream stream = lifecycle.stream();
    stream = lifecycle.stream();
    CHECK(scripted.network->peer(0)->wait_closed());
    push_events(*scripted.network->peer(1), 1, 1);
    const LifecycleStream moved = std::move(stream);
  }
  CHECK(scripted.network->peer(1)->wait_closed());
}

TEST_CASE("a range that nobody reads does not grow") {
  const ScriptedClient scripted;
  serve_lifecycle(scripted);
  nullspace::ClientOptions options = scripted.options();
  options.receive_buffer_bytes = 4096;
  LifecycleStream stream = Lifecycle(nullspace::Client(options)).stream();
  const auto peer = scripted.network->peer(0);
  push_events(*peer, 1, 200);
  CHECK(peer->wait_paused(true));
  for (int n = 1; n <= 200; ++n)
    CHECK(next_id(stream) == event_id(n));
  CHECK(peer->wait_paused(false));
}

TEST_CASE("a sandbox streams its own events") {
  const ScriptedClient scripted;
  const nullspace::Sandbox sandbox = scripted.sandbox();
  serve_lifecycle(scripted);
  scripted.http->push(event_page(event_range(1, 1)));
  LifecycleStream stream = sandbox.stream_events({.live_only = true});
  const auto peer = scripted.network->next_peer();
  CHECK(peer->request().url == "wss://api.example.test/prefix/v1/sandboxes/sb_1/lifecycle/ws");
  CHECK(peer->wait_sent(0) == R"({"type":"subscribe","live_only":true,"replay_limit":100})");
  CHECK(scripted.http->request(0).url ==
        "https://api.example.test/prefix/v1/sandboxes/sb_1/lifecycle?offset=0&limit=1&order=desc");
  peer->push(event_message(2));
  CHECK(next_id(stream) == "evt_2");
  CHECK(thrown_by([&] { (void)sandbox.stream_events({.sandbox_id = "sb_2"}); }).kind() ==
        ErrorKind::invalid_request);
}

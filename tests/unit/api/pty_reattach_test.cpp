#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::PtyCreateOptions;
using nullspace::PtyGap;
using nullspace::PtyResult;
using nullspace::PtySession;
using nullspace::Sandbox;
using nullspace::StateChange;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

namespace {

// "hello\n" and "tail\n" as the server writes them.
constexpr const char* kHello = "aGVsbG8K";
constexpr const char* kTail = "dGFpbAo=";

using Words = std::vector<std::string>;

// Everything a session says, in the order in which it says it.
struct Diary {
  Reported<std::string> words{};

  [[nodiscard]] PtyCreateOptions options(bool in_background = true) {
    PtyCreateOptions options;
    if (in_background) {
      options.on_data = [this](std::string_view bytes) { words.add(std::string(bytes)); };
      options.on_error = [this](const Error& error) { words.add("error:" + error.code()); };
    }
    options.on_state_change = [this](const StateChange& change) {
      words.add(std::string(to_string(change.state)) +
                (change.cause ? ":" + change.cause->code() : ""));
    };
    options.on_gap = [this](const PtyGap& gap) {
      words.add(gap.away >= milliseconds{0} ? "gap" : "a gap before its time");
    };
    return options;
  }
};

// A server that starts terminals and lets one come back.
void serve_both(const ScriptedClient& scripted) {
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    const std::string type = type_of(message);
    if (type == "pty_start" || type == "pty_connect") peer.push(pty_started());
  });
}

// One that starts terminals and leaves the rest to the test.
void serve_start_only(const ScriptedClient& scripted) {
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    if (type_of(message) == "pty_start") peer.push(pty_started());
  });
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
}

std::string typed(const ScriptedPeer& peer, std::size_t index) {
  return Json::parse(peer.wait_sent(index))["data_base64"].as_string().value_or("?");
}

}  // namespace

TEST_CASE("a terminal whose connection is lost is attached to again, and says what is missing") {
  const ScriptedClient scripted;
  serve_both(scripted);
  Diary diary;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(diary.options());
  const auto first = scripted.network->next_peer();
  first->push(pty_output(kHello));
  // However politely it closes: without pty_exited the session goes on.
  first->close(GENERATE(1000, 1001, 1006));
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  const Json hello = Json::parse(second->wait_sent(0));
  CHECK(hello["type"].as_string() == "pty_connect");
  CHECK(hello["session_id"].as_string() == "ses_4d");
  REQUIRE(diary.words.wait_for(4));
  second->push(pty_output(kTail));
  second->push(pty_exited(7));
  const PtyResult result = session.wait();
  CHECK(result.exit_code == 7);
  CHECK(diary.words.all() ==
        Words{"hello\n", "reconnecting:transport_error", "connected", "gap", "tail\n"});
}

TEST_CASE("a thread that waits brings its terminal back by itself") {
  const ScriptedClient scripted;
  serve_both(scripted);
  Diary diary;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(diary.options(false));
  const auto first = scripted.network->next_peer();
  first->push(pty_output(kHello));
  first->fail(TransportFailureKind::peer_gone, "no pong");
  std::thread server([&] {
    const auto second = scripted.network->next_peer();
    if (!second || second->wait_sent(0).empty()) return;
    second->push(pty_output(kTail));
    second->push(pty_exited(3));
  });
  std::string heard;
  const auto here = std::this_thread::get_id();
  std::atomic<bool> elsewhere{false};
  const PtyResult result = session.wait({.on_data = [&](std::string_view bytes) {
    heard += bytes;
    if (std::this_thread::get_id() != here) elsewhere = true;
  }});
  server.join();
  CHECK(result.exit_code == 3);
  CHECK(heard == "hello\ntail\n");
  CHECK_FALSE(elsewhere);
  CHECK(diary.words.all() == Words{"reconnecting:transport_error", "connected", "gap"});
}

TEST_CASE("what was typed before is not typed again, what is typed meanwhile is refused") {
  const ScriptedClient scripted;
  serve_start_only(scripted);
  Diary diary;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(diary.options());
  const auto first = scripted.network->next_peer();
  session.send_input("before\n");
  REQUIRE_FALSE(first->wait_sent(1).empty());
  first->fail(TransportFailureKind::receive);
  REQUIRE(diary.words.wait_for(1));
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  REQUIRE_FALSE(second->wait_sent(0).empty());
  // The server has not answered yet.
  CHECK_FALSE(session.connected());
  const Error error = thrown_by([&] { session.send_input("meanwhile\n"); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(error.retryable());
  CHECK(thrown_by([&] { session.kill(); }).kind() == ErrorKind::transport);
  second->push(pty_started());
  REQUIRE(diary.words.wait_for(3));
  CHECK(session.connected());
  session.send_input("after\n");
  CHECK(typed(*second, 1) == "YWZ0ZXIK");
  CHECK(second->sent().size() == 2);
}

TEST_CASE("input and size can be kept for the next connection, within a limit and in order") {
  const ScriptedClient scripted;
  serve_start_only(scripted);
  Diary diary;
  PtyCreateOptions options = diary.options();
  options.queued_input_bytes = 8;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(std::move(options));
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  REQUIRE_FALSE(second->wait_sent(0).empty());
  session.send_input("one\n");
  session.send_input("two\n");
  CHECK(thrown_by([&] { session.send_input("!"); }).kind() == ErrorKind::transport);
  session.resize({.cols = 90, .rows = 20});
  CHECK(session.info().cols == 90);
  CHECK(second->sent().size() == 1);
  second->push(pty_started());
  REQUIRE(diary.words.wait_for(3));
  session.send_input("three\n");
  REQUIRE_FALSE(second->wait_sent(4).empty());
  const Json size = Json::parse(second->wait_sent(1));
  CHECK(size["type"].as_string() == "pty_resize");
  CHECK(size["cols"].as_int() == 90);
  CHECK(typed(*second, 2) == "b25lCg==");
  CHECK(typed(*second, 3) == "dHdvCg==");
  CHECK(typed(*second, 4) == "dGhyZWUK");
}

TEST_CASE("a session that is gone when it is attached to again is not found") {
  const ScriptedClient scripted;
  serve_start_only(scripted);
  Diary diary;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(diary.options());
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  REQUIRE_FALSE(second->wait_sent(0).empty());
  second->push(stream_error("no such session", "not_found"));
  REQUIRE(diary.words.wait_for(3));
  CHECK(diary.words.all() ==
        Words{"reconnecting:transport_error", "error:not_found", "closed:not_found"});
  CHECK(thrown_by([&] { (void)session.wait(); }).kind() == ErrorKind::not_found);
  CHECK(thrown_by([&] { session.send_input("x"); }).kind() == ErrorKind::transport);
  CHECK_FALSE(session.exit_code());
}

TEST_CASE("a sandbox that is gone ends the attempts") {
  const ScriptedClient scripted;
  serve_both(scripted);
  Diary diary;
  const Sandbox sandbox = scripted.sandbox();
  PtySession session = sandbox.pty().create_session(diary.options());
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(404); });
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  REQUIRE(diary.words.wait_for(3));
  CHECK(diary.words.all().back() == "closed:sandbox_not_found");
  CHECK(thrown_by([&] { (void)session.wait(); }).code() == "sandbox_not_found");
  CHECK(scripted.network->count() == 2);
}

TEST_CASE("a terminal gives up after as many attempts as it may make") {
  const ScriptedClient scripted;
  serve_both(scripted);
  ClientOptions options = scripted.options();
  options.reconnect.max_attempts = 3;
  const Client client(options);
  const Sandbox sandbox = scripted.sandbox(client);
  Diary diary;
  PtyCreateOptions terminal = diary.options();
  terminal.queued_input_bytes = 100;
  PtySession session = sandbox.pty().create_session(std::move(terminal));
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(503); });
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  REQUIRE(diary.words.wait_for(5));
  CHECK(scripted.network->count() == 4);
  CHECK(diary.words.all().back() == "closed:transport_error");
  CHECK(thrown_by([&] { (void)session.read(); }).http_status() == 503);
}

TEST_CASE("an answer that never comes on a new connection is another loss") {
  const ScriptedClient scripted;
  serve_start_only(scripted);
  ClientOptions options = scripted.options();
  options.timeouts.websocket_open = milliseconds{20};
  const Client client(options);
  const Sandbox sandbox = scripted.sandbox(client);
  Diary diary;
  PtySession session = sandbox.pty().create_session(diary.options());
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  const auto silent = scripted.network->next_peer();
  REQUIRE(silent);
  CHECK(silent->wait_closed());
  const auto third = scripted.network->next_peer();
  REQUIRE(third);
  REQUIRE_FALSE(third->wait_sent(0).empty());
  third->push(pty_started());
  REQUIRE(diary.words.wait_for(4));
  CHECK(diary.words.all()[1] == "reconnecting:timeout");
}

TEST_CASE("a wait on the only callback thread brings its terminal back all the same") {
  const ScriptedClient scripted;
  // Whoever asks for a terminal gets one; who comes back to it hears that it has ended.
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    const std::string type = type_of(message);
    if (type == "pty_start") {
      peer.push(pty_started());
      peer.fail(TransportFailureKind::receive);
    } else if (type == "pty_connect") {
      peer.push(pty_started());
      peer.push(pty_exited(4));
    } else if (type == "monitor_subscribe") {
      peer.push("garbage");
    }
  });
  const Client client = scripted.client();
  const Sandbox sandbox = scripted.sandbox(client);
  PtySession session = sandbox.pty().create_session();
  Reported<int> codes;
  // The callback holds the thread that the timers run on.
  const nullspace::Subscription monitor =
      nullspace::Monitor(client).subscribe({.on_error = [&](const Error&) {
        codes.add(session.wait({.timeout = kPatience}).exit_code);
      }});
  REQUIRE(codes.wait_for(1));
  CHECK(codes.all()[0] == 4);
}

TEST_CASE("a session that is dropped on hearing of its end hears no more") {
  const ScriptedClient scripted;
  serve_both(scripted);
  const Sandbox sandbox = scripted.sandbox();
  Reported<std::string> words;
  Door gone;
  std::unique_ptr<PtySession> session;
  const auto drop = [&](const std::string& word) {
    words.add(word);
    session.reset();
    gone.open();
  };
  PtyCreateOptions options;
  options.on_data = [](std::string_view) {};
  options.on_error = [&](const Error&) { drop("error"); };
  options.on_state_change = [&](const StateChange& change) {
    if (change.state == nullspace::StreamState::closed) drop("closed");
  };
  session = std::make_unique<PtySession>(sandbox.pty().create_session(std::move(options)));
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(404); });
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  REQUIRE(gone.wait());
  scripted.network->settle();
  CHECK(words.all() == Words{"error"});
}

TEST_CASE("disconnecting while it reconnects ends it, from inside a callback, too") {
  const ScriptedClient scripted;
  serve_both(scripted);
  const Sandbox sandbox = scripted.sandbox();
  const bool inside = GENERATE(false, true);
  Reported<std::string> states;
  Door gone;
  std::unique_ptr<PtySession> session;
  session = std::make_unique<PtySession>(
      sandbox.pty().create_session({.on_data = [](std::string_view) {},
                                    .on_state_change =
                                        [&](const StateChange& change) {
                                          states.add(std::string(to_string(change.state)));
                                          if (!inside) return;
                                          session.reset();
                                          gone.open();
                                        }}));
  scripted.network->on_connect([](ScriptedPeer&) {});
  scripted.network->next_peer()->fail(TransportFailureKind::receive);
  REQUIRE(states.wait_for(1));
  if (inside) {
    CHECK(gone.wait());
  } else {
    // An attempt that nobody answers is under way.
    const auto pending = scripted.network->next_peer();
    REQUIRE(pending);
    session.reset();
    CHECK(pending->wait_closed());
  }
  scripted.network->settle();
  CHECK(states.all() == Words{"reconnecting"});
}

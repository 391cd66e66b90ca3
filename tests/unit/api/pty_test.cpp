#include <nullspace/pty.hpp>

#include <atomic>
#include <chrono>
#include <climits>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/thread_pool.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Deadline;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::PtyResult;
using nullspace::PtySession;
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

void serve_start(const ScriptedClient& scripted) {
  serve(*scripted.network, "pty_start", [](ScriptedPeer& peer) { peer.push(pty_started()); });
}

void serve_connect(const ScriptedClient& scripted) {
  serve(*scripted.network, "pty_connect", [](ScriptedPeer& peer) { peer.push(pty_started()); });
}

// "hello\n" and "tail\n" as the server writes them.
constexpr const char* kHello = "aGVsbG8K";
constexpr const char* kTail = "dGFpbAo=";

Json sent(const ScriptedClient& scripted, std::size_t index) {
  return Json::parse(scripted.network->peer(0)->wait_sent(index));
}

}  // namespace

TEST_CASE("a terminal is started with what was asked for") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  const PtySession session = sandbox.pty().create_session(
      {.cols = 100, .rows = 28, .cwd = "/workspace", .envs = {{"TERM", "dumb"}}});
  CHECK(session.session_id() == "ses_4d");
  CHECK(session.info().pid == 640);
  CHECK(session.info().cols == 100);
  CHECK(session.info().exec_id == "exec-77");
  CHECK(session.connected());
  CHECK_FALSE(session.exit_code());
  const auto peer = scripted.network->peer(0);
  CHECK(peer->request().url == "wss://api.example.test/prefix/v1/sandboxes/sb_1/ws?channel=pty");
  Json::Object hello = Json::parse(peer->wait_sent(0)).object();
  CHECK(hello.at("id").as_string()->starts_with("pty_"));
  hello.erase("id");
  CHECK(Json(hello) == Json(Json::Object{{"type", "pty_start"},
                                         {"cols", 100},
                                         {"rows", 28},
                                         {"cwd", "/workspace"},
                                         {"envs", Json::Object{{"TERM", "dumb"}}}}));
}

TEST_CASE("the machine dialect has another path for terminals") {
  const ScriptedClient scripted;
  serve_start(scripted);
  (void)scripted.sandbox(Dialect::machine).pty().create_session();
  CHECK(scripted.network->peer(0)->request().url ==
        "wss://api.example.test/prefix/v1/machines/sb_1/ws?channel=pty");
}

TEST_CASE("a size that the server does not tell is the one asked for") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const std::string started =
      GENERATE(as<std::string>{}, R"({"type":"pty_started","session_id":"ses_1"})",
               R"({"type":"pty_started","session_id":"ses_1","cols":0,"rows":0})",
               R"({"type":"pty_started","session_id":"ses_1","cols":null,"rows":null,"pid":null})");
  const auto answer = [&started](ScriptedPeer& peer) { peer.push(started); };
  serve(*scripted.network, "pty_start", answer);
  const PtySession created = sandbox.pty().create_session({.cols = 90, .rows = 20});
  CHECK(created.info().cols == 90);
  CHECK(created.info().rows == 20);
  CHECK(created.info().pid == 0);
  serve(*scripted.network, "pty_connect", answer);
  const PtySession connected = sandbox.pty().connect("ses_1");
  CHECK(connected.info().cols == 120);
  CHECK(connected.info().rows == 30);
}

TEST_CASE("a terminal is attached to by its session or by its shell") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  (void)sandbox.pty().connect("ses_4d");
  (void)sandbox.pty().connect(640);
  Json::Object by_session = sent(scripted, 0).object();
  CHECK(by_session.at("session_id").as_string() == "ses_4d");
  CHECK_FALSE(by_session.contains("pid"));
  Json::Object by_pid = Json::parse(scripted.network->peer(1)->wait_sent(0)).object();
  CHECK(by_pid.at("pid").as_int() == 640);
  CHECK_FALSE(by_pid.contains("session_id"));
}

TEST_CASE("anything but pty_started in the beginning is a refusal") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  struct Row {
    std::string first;
    const char* code;
  };
  const Row row = GENERATE(
      Row{stream_error("no", "not_found"), "not_found"},
      Row{stream_error("no"), "pty_protocol_error"}, Row{pty_output(kHello), "invalid_response"},
      Row{pty_exited(0), "invalid_response"}, Row{R"({"type":"brand_new"})", "invalid_response"},
      Row{R"({"type":"pty_started"})", "invalid_response"},
      Row{R"({"type":"pty_started","session_id":""})", "invalid_response"},
      Row{R"({"type":"pty_started","session_id":7})", "invalid_response"},
      Row{"not json", "invalid_response"});
  CAPTURE(row.first);
  serve(*scripted.network, "pty_start", [&row](ScriptedPeer& peer) { peer.push(row.first); });
  const Error error = thrown_by([&] { (void)sandbox.pty().create_session(); });
  CHECK(error.code() == row.code);
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a terminal that does not start") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.timeouts.websocket_open = milliseconds{50};
  const Sandbox sandbox = scripted.sandbox(Client(options));
  SECTION("says nothing") {
    serve(*scripted.network, "pty_start", [](ScriptedPeer&) {});
    const Error error = thrown_by([&] { (void)sandbox.pty().create_session(); });
    CHECK(error.kind() == ErrorKind::timeout);
    CHECK(error.deadline() == Deadline::connect);
  }
  SECTION("closes") {
    serve(*scripted.network, "pty_start", [](ScriptedPeer& peer) { peer.close(); });
    CHECK(thrown_by([&] { (void)sandbox.pty().create_session(); }).kind() == ErrorKind::transport);
  }
  SECTION("is given up while it starts") {
    std::stop_source stop;
    serve(*scripted.network, "pty_start", [&stop](ScriptedPeer&) { stop.request_stop(); });
    CHECK(thrown_by([&] {
            (void)sandbox.pty().create_session({.stop = stop.get_token()});
          }).kind() == ErrorKind::cancelled);
  }
  SECTION("is given up while it connects") {
    std::stop_source stop;
    scripted.network->on_connect([&stop](ScriptedPeer&) { stop.request_stop(); });
    CHECK(thrown_by([&] {
            (void)sandbox.pty().connect("ses_1", {.stop = stop.get_token()});
          }).kind() == ErrorKind::cancelled);
  }
  SECTION("is refused") {
    scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(404); });
    scripted.http->push(response(404, error_body("sandbox_not_found")));
    CHECK(thrown_by([&] { (void)sandbox.pty().create_session(); }).code() == "sandbox_not_found");
  }
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a size that is none is refused before anything is sent") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const int bad = GENERATE(0, -1, 65'536, 70'000, INT_MAX, INT_MIN);
  const auto refused = [](const std::function<void()>& call) {
    return thrown_by(call).kind() == ErrorKind::invalid_request;
  };
  CHECK(refused([&] { (void)sandbox.pty().create_session({.cols = bad}); }));
  CHECK(refused([&] { (void)sandbox.pty().create_session({.rows = bad}); }));
  CHECK(refused([&] { sandbox.pty().resize_session("ses_1", {.cols = bad}); }));
  CHECK(refused([&] { (void)sandbox.pty().connect(""); }));
  CHECK(scripted.network->count() == 0);
  CHECK(scripted.http->count() == 0);
  serve_start(scripted);
  const PtySession session = sandbox.pty().create_session();
  CHECK(refused([&] { session.resize({.cols = bad}); }));
  CHECK(refused([&] { session.resize({.rows = bad}); }));
  CHECK(scripted.network->peer(0)->sent().size() == 1);
  CHECK(session.info().cols == 100);
}

TEST_CASE("input goes as base64, in pieces that fit into messages") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  const PtySession session = sandbox.pty().create_session();
  session.send_input(std::string("a\0\xFF\n", 4));
  const Json input = sent(scripted, 1);
  CHECK(input["type"].as_string() == "pty_input");
  CHECK(input["session_id"].as_string() == "ses_4d");
  CHECK(input["data_base64"].as_string() == "YQD/Cg==");
  CHECK(input["data"].is_null());
  CHECK(input["id"] == sent(scripted, 0)["id"]);
  session.send_input("");
  session.send_input(std::string(200'000, 'x'));
  const auto messages = scripted.network->peer(0)->sent();
  CHECK(messages.size() == 2 + 5);
  for (const std::string& message : messages)
    CHECK(message.size() < 70'000);
}

TEST_CASE("resize and kill are messages, and the size is known at once") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  const PtySession session = sandbox.pty().create_session();
  session.resize({.cols = 140, .rows = 40});
  CHECK(session.info().cols == 140);
  CHECK(session.info().rows == 40);
  CHECK(sent(scripted, 1)["type"].as_string() == "pty_resize");
  CHECK(sent(scripted, 1)["cols"].as_int() == 140);
  session.kill();
  CHECK(sent(scripted, 2)["type"].as_string() == "pty_kill");
  CHECK(sent(scripted, 2)["session_id"].as_string() == "ses_4d");
}

TEST_CASE("waiting delivers output on this thread until the shell has ended") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  peer->push(pty_output(kHello));
  peer->push(R"({"type":"brand_new"})");
  peer->push(R"({"type":"pty_output","data":"plain","data_base64":null})");
  peer->push(R"({"type":"pty_output","data":"lossy","data_base64":"//4="})");
  peer->push(pty_exited(7));
  std::string heard;
  const PtyResult result =
      session.wait({.on_data = [&](std::string_view bytes) { heard += bytes; }});
  CHECK(heard == "hello\nplain\xFF\xFE");
  CHECK(result.exit_code == 7);
  CHECK(result.error.empty());
  CHECK_FALSE(result.timed_out);
  CHECK(session.exit_code() == 7);
  CHECK_FALSE(session.connected());
  CHECK(peer->wait_closed());
  // The end is remembered.
  CHECK(session.wait().exit_code == 7);
  CHECK_FALSE(session.read());
}

TEST_CASE("what the server sends behind the end is not lost") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  peer->push(pty_output(kHello));
  peer->push(pty_exited(0));
  for (int i = 0; i < 40; ++i)
    peer->push(pty_output(kTail));
  std::string heard;
  const auto on_data = [&](std::string_view bytes) { heard += bytes; };
  SECTION("up to its close") {
    peer->close();
    CHECK(session.wait({.on_data = on_data}).exit_code == 0);
  }
  SECTION("up to its silence") {
    CHECK(session.wait({.on_data = on_data}).exit_code == 0);
  }
  SECTION("up to something that is no message") {
    peer->push("garbage");
    CHECK(session.wait({.on_data = on_data}).exit_code == 0);
    CHECK(session.wait().exit_code == 0);
  }
  SECTION("when read piece by piece") {
    for (const std::string& piece : session)
      heard += piece;
  }
  CHECK(heard.size() == 6 + 40 * 5);
  CHECK(session.exit_code() == 0);
}

TEST_CASE("exec_exit ends a terminal, too, and a missing code is zero") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  struct Row {
    const char* message;
    int code;
  };
  const Row row =
      GENERATE(Row{R"({"type":"exec_exit","exit_code":9})", 9}, Row{R"({"type":"pty_exited"})", 0},
               Row{R"({"type":"pty_exited","exit_code":137})", 137});
  scripted.network->peer(0)->push(row.message);
  CHECK(session.wait().exit_code == row.code);
}

TEST_CASE("an error of the server ends the session as a value") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->push(stream_error("session lost", "not_found"));
  scripted.network->peer(0)->push(pty_output(kTail));
  std::string heard;
  const PtyResult result =
      session.wait({.on_data = [&](std::string_view bytes) { heard += bytes; }});
  CHECK(result.exit_code == 1);
  CHECK(result.error == "session lost");
  CHECK(heard == "hello\ntail\n");
  CHECK_FALSE(session.exit_code());
}

TEST_CASE("a close without pty_exited is never an exit code") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->close(GENERATE(1000, 1001, 1006));
  std::string heard;
  const Error error = thrown_by(
      [&] { (void)session.wait({.on_data = [&](std::string_view bytes) { heard += bytes; }}); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(heard == "hello\n");
  CHECK_FALSE(session.exit_code());
  CHECK_FALSE(session.connected());
  CHECK(thrown_by([&] { (void)session.wait(); }).kind() == ErrorKind::transport);
  CHECK(thrown_by([&] { (void)session.read(); }).kind() == ErrorKind::transport);
}

TEST_CASE("output that cannot be decoded is an invalid response") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(GENERATE(
      as<std::string>{}, R"({"type":"pty_output","data_base64":"abc"})",
      R"({"type":"pty_output","data_base64":"!!!!"})", R"({"type":"pty_output","data_base64":7})",
      R"({"type":"pty_exited","exit_code":"0"})", "{", "[1]"));
  CHECK(thrown_by([&] { (void)session.wait(); }).kind() == ErrorKind::invalid_response);
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a wait that runs out of time says 124, and leaves the session alone") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(pty_output(kHello));
  std::string heard;
  const PtyResult result = session.wait(
      {.on_data = [&](std::string_view bytes) { heard += bytes; }, .timeout = milliseconds{50}});
  CHECK(result.timed_out);
  CHECK(result.exit_code == 124);
  CHECK(result.error == "PTY wait timed out");
  CHECK(heard == "hello\n");
  CHECK_FALSE(session.exit_code());
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(scripted.network->peer(0)->sent().size() == 1);
  CHECK(session.wait().timed_out);
  // The session goes on elsewhere: it has not ended.
  CHECK(thrown_by([&] { (void)session.read(); }).kind() == ErrorKind::transport);
}

TEST_CASE("a wait can be given up, and taken up again") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  std::stop_source stop;
  scripted.network->peer(0)->push(pty_output(kHello));
  CHECK(thrown_by([&] {
          (void)session.wait({.on_data = [&](std::string_view) { stop.request_stop(); },
                              .stop = stop.get_token()});
        }).kind() == ErrorKind::cancelled);
  CHECK(session.connected());
  scripted.network->peer(0)->push(pty_output(kTail));
  CHECK(session.read() == "tail\n");
  scripted.network->peer(0)->push(pty_exited(3));
  CHECK(session.wait().exit_code == 3);
}

TEST_CASE("what on_data throws comes out of the wait, and the session goes on") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(pty_output(kHello));
  CHECK_THROWS_AS(
      session.wait({.on_data = [](std::string_view) { throw std::domain_error("mine"); }}),
      std::domain_error);
  CHECK(session.connected());
  scripted.network->peer(0)->push(pty_output(kTail));
  scripted.network->peer(0)->push(pty_exited(0));
  std::string heard;
  CHECK(session.wait({.on_data = [&](std::string_view bytes) { heard += bytes; }}).exit_code == 0);
  CHECK(heard == "tail\n");
}

TEST_CASE("output can be read piece by piece, with a deadline") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  const Error error = thrown_by([&] { (void)session.read({.timeout = milliseconds{20}}); });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::caller);
  CHECK(session.connected());
  peer->push(pty_output(kHello));
  peer->push(pty_output(kTail));
  CHECK(session.read() == "hello\n");
  std::stop_source stop;
  stop.request_stop();
  CHECK(thrown_by([&] {
          (void)session.read({.stop = stop.get_token()});
          (void)session.read({.stop = stop.get_token()});
        }).kind() == ErrorKind::cancelled);
  peer->push(pty_exited(0));
  peer->close();
  std::vector<std::string> rest;
  for (const std::string& piece : session)
    rest.push_back(piece);
  CHECK(rest.size() <= 1);
  CHECK(session.exit_code() == 0);
}

TEST_CASE("a loop over a session whose connection breaks throws") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->fail(TransportFailureKind::receive);
  std::string heard;
  CHECK_THROWS_AS(
      [&] {
        for (const std::string& piece : session)
          heard += piece;
      }(),
      Error);
  CHECK(heard == "hello\n");
}

TEST_CASE("nothing can be sent once the session is disconnected") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  SECTION("by hand") {
    session.disconnect();
  }
  SECTION("by the network") {
    peer->fail(TransportFailureKind::receive);
  }
  SECTION("by its end") {
    peer->push(pty_exited(0));
    CHECK(session.wait().exit_code == 0);
  }
  CHECK(peer->wait_closed());
  const auto refused = [](const std::function<void()>& call) {
    return thrown_by(call).code() == "transport_error";
  };
  CHECK(refused([&] { session.send_input("x"); }));
  CHECK(refused([&] { session.resize({.cols = 10, .rows = 10}); }));
  CHECK(refused([&] { session.kill(); }));
  CHECK(session.info().cols == 100);
  session.disconnect();
}

TEST_CASE("waiting for a session that was disconnected by hand does not wait") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  session.disconnect();
  CHECK(thrown_by([&] { (void)session.wait(); }).kind() == ErrorKind::transport);
  CHECK(thrown_by([&] { (void)session.read(); }).kind() == ErrorKind::transport);
}

TEST_CASE("disconnecting wakes a thread that waits") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  Door waiting;
  scripted.network->peer(0)->push(pty_output(kHello));
  std::jthread disconnecter([&] {
    (void)waiting.wait();
    session.disconnect();
  });
  CHECK(thrown_by([&] {
          (void)session.wait({.on_data = [&](std::string_view) { waiting.open(); }});
        }).kind() == ErrorKind::transport);
}

TEST_CASE("sending blocks while the server takes nothing, and no longer") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  peer->stop_taking();
  SECTION("it takes again") {
    std::vector<std::jthread> senders;
    Reported<int> sent;
    for (int i = 0; i < 4; ++i) {
      senders.emplace_back([&] {
        session.send_input("x");
        sent.add(1);
      });
    }
    peer->drain();
    CHECK(sent.wait_for(4));
    CHECK(peer->sent().size() == 1 + 4);
  }
  SECTION("it goes away") {
    std::jthread closer([&] { peer->fail(TransportFailureKind::receive); });
    CHECK(thrown_by([&] { session.send_input("x"); }).kind() == ErrorKind::transport);
  }
}

TEST_CASE("sending has a deadline") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.timeouts.request = milliseconds{50};
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  scripted.network->peer(0)->stop_taking();
  CHECK(thrown_by([&] { session.send_input("x"); }).kind() == ErrorKind::timeout);
}

TEST_CASE("with a callback a connected terminal is delivered in the background") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  Reported<std::string> heard;
  PtySession session = sandbox.pty().connect(
      "ses_4d", {.on_data = [&](std::string_view bytes) { heard.add(std::string(bytes)); }});
  const auto peer = scripted.network->peer(0);
  peer->push(pty_output(kHello));
  REQUIRE(heard.wait_for(1));
  peer->push(pty_output(kTail));
  peer->push(pty_exited(5));
  CHECK(session.wait().exit_code == 5);
  // A wait without a callback of its own goes on with the one given at connect.
  CHECK(heard.all() == std::vector<std::string>{"hello\n", "tail\n"});
}

TEST_CASE("the callback of a wait takes over from the background, on its own thread") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  Reported<std::string> background;
  PtySession session = sandbox.pty().connect(
      "ses_4d", {.on_data = [&](std::string_view bytes) { background.add(std::string(bytes)); }});
  const auto peer = scripted.network->peer(0);
  const std::thread::id waiting = std::this_thread::get_id();
  bool elsewhere = false;
  std::string heard;
  std::size_t before = 0;
  Door taken_over;
  std::jthread server([&] {
    // Until the wait has begun, the background delivers.
    while (!taken_over.is_open()) {
      const std::size_t seen = background.count();
      peer->push(pty_output(kTail));
      while (!taken_over.is_open() && background.count() == seen)
        std::this_thread::yield();
    }
    before = background.count();
    for (int i = 0; i < 100; ++i)
      peer->push(pty_output(kHello));
    peer->push(pty_exited(0));
  });
  const PtyResult result = session.wait({.on_data = [&](std::string_view bytes) {
    if (std::this_thread::get_id() != waiting) elsewhere = true;
    heard += bytes;
    taken_over.open();
  }});
  server.join();
  CHECK(result.exit_code == 0);
  CHECK_FALSE(elsewhere);
  CHECK(background.count() == before);
  CHECK(heard.ends_with("hello\n"));
}

TEST_CASE("what on_data of a wait throws comes out of it, also of a background session") {
  const ScriptedClient scripted;
  HeldTasks held;
  ClientOptions options = scripted.options();
  options.executor = held.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_connect(scripted);
  std::vector<std::string> heard;
  Reported<std::string> errors;
  PtySession session = sandbox.pty().connect(
      "ses_4d", {.on_data = [&](std::string_view bytes) { heard.emplace_back(bytes); },
                 .on_error = [&](const Error& error) { errors.add(error.code()); }});
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->push(pty_output(kTail));
  CHECK_THROWS_AS(session.wait({.on_data = [](std::string_view) { throw 7; }}), int);
  scripted.network->settle();
  // The background goes on where the wait has left off.
  held.run_all();
  CHECK(heard == std::vector<std::string>{"tail\n"});
  CHECK(errors.count() == 0);
  CHECK(session.connected());
}

TEST_CASE("a background callback that throws ends its session, and is reported once") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  Reported<Error> errors;
  PtySession session = sandbox.pty().connect(
      "ses_4d", {.on_data = [](std::string_view) { throw std::runtime_error("mine"); },
                 .on_error = [&](const Error& error) { errors.add(error); }});
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->push(pty_output(kHello));
  REQUIRE(errors.wait_for(1));
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(errors.all()[0].kind() == ErrorKind::callback);
  CHECK(thrown_by([&] { (void)session.wait(); }).kind() == ErrorKind::callback);
  CHECK(errors.count() == 1);
}

TEST_CASE("a background session that breaks is reported") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  Reported<Error> errors;
  const PtySession session =
      sandbox.pty().connect("ses_4d", {.on_data = [](std::string_view) {},
                                       .on_error = [&](const Error& error) { errors.add(error); }});
  scripted.network->peer(0)->close(1001);
  REQUIRE(errors.wait_for(1));
  CHECK(errors.all()[0].kind() == ErrorKind::transport);
}

TEST_CASE("after disconnect no callback of a background session runs") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_connect(scripted);
  Door inside;
  Door leave;
  std::atomic<bool> left{false};
  Reported<int> calls;
  PtySession session = sandbox.pty().connect("ses_4d", {.on_data = [&](std::string_view) {
                                               calls.add(1);
                                               inside.open();
                                               (void)leave.wait();
                                               left = true;
                                             }});
  const auto peer = scripted.network->peer(0);
  peer->push(pty_output(kHello));
  peer->push(pty_output(kHello));
  REQUIRE(inside.wait());
  std::jthread opener([&] {
    (void)peer->wait_closed();
    leave.open();
  });
  session.disconnect();
  CHECK(left);
  CHECK(calls.count() == 1);
}

TEST_CASE("a callback may disconnect or destroy its session: it is the last one then") {
  const ScriptedClient scripted;
  HeldTasks held;
  ClientOptions options = scripted.options();
  options.executor = held.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_connect(scripted);
  std::optional<PtySession> session;
  std::vector<std::string> heard;
  const bool destroy = GENERATE(false, true);
  const bool in_wait = GENERATE(false, true);
  const auto on_data = [&](std::string_view bytes) {
    heard.emplace_back(bytes);
    if (destroy) {
      session.reset();
    } else {
      session->disconnect();
    }
  };
  session = sandbox.pty().connect("ses_4d", {.on_data = on_data});
  scripted.network->peer(0)->push(pty_output(kHello));
  scripted.network->peer(0)->push(pty_output(kTail));
  scripted.network->settle();
  if (in_wait) {
    CHECK(thrown_by([&] { (void)session->wait({.on_data = on_data}); }).kind() ==
          ErrorKind::transport);
  }
  held.run_all();
  CHECK(heard == std::vector<std::string>{"hello\n"});
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("input may be sent from inside a callback") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    if (type_of(message) == "pty_start") {
      peer.push(pty_started());
      peer.push(pty_output(kHello));
    }
    if (type_of(message) == "pty_input") peer.push(pty_exited(0));
  });
  PtySession session = sandbox.pty().create_session();
  CHECK(session.wait({.on_data = [&](std::string_view) { session.send_input("exit\n"); }})
            .exit_code == 0);
}

TEST_CASE("a flood of output is bounded and complete") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.receive_buffer_bytes = 4096;
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  PtySession session = sandbox.pty().create_session();
  const auto peer = scripted.network->peer(0);
  for (int i = 0; i < 500; ++i)
    peer->push(pty_output(kHello));
  peer->push(pty_exited(0));
  REQUIRE(peer->wait_paused(true));
  std::size_t bytes = 0;
  CHECK(
      session.wait({.on_data = [&](std::string_view piece) { bytes += piece.size(); }}).exit_code ==
      0);
  CHECK(bytes == 500 * 6);
}

TEST_CASE("terminals can be listed, looked at, resized and killed over REST") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const char* one = R"({"session_id":"ses_4d","pid":640,"cols":100,"rows":28,"exec_id":"exec-77"})";
  scripted.http->push(response(200, std::string("[") + one + "]"));
  CHECK(sandbox.pty().list_sessions().at(0).pid == 640);
  scripted.http->push(response(200, one));
  CHECK(sandbox.pty().get_session_info("ses/4d").rows == 28);
  CHECK(scripted.http->request(1).url.ends_with("/sandboxes/sb_1/pty/ses%2F4d"));
  scripted.http->push(response(204));
  sandbox.pty().resize_session("ses_4d", {.cols = 65'535, .rows = 1});
  CHECK(scripted.http->request(2).body == R"({"cols":65535,"rows":1})");
  scripted.http->push(response(204));
  sandbox.pty().kill_session("ses_4d");
  CHECK(scripted.http->request(3).method == "DELETE");
}

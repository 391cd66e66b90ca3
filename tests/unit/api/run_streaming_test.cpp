#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::CommandResult;
using nullspace::Deadline;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::RunOptions;
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A server that starts every command and says this.
void serve_command(const ScriptedClient& scripted, std::vector<std::string> messages) {
  serve(*scripted.network, "exec_start", [messages = std::move(messages)](ScriptedPeer& peer) {
    peer.push(exec_started());
    for (const std::string& message : messages)
      peer.push(message);
  });
}

// Output in the order in which it came, each piece with its stream.
struct Heard {
  std::vector<std::string> pieces{};
  [[nodiscard]] RunOptions options() {
    RunOptions options;
    options.on_stdout = [this](std::string_view text) {
      pieces.push_back("o:" + std::string(text));
    };
    options.on_stderr = [this](std::string_view text) {
      pieces.push_back("e:" + std::string(text));
    };
    return options;
  }
};

using Pieces = std::vector<std::string>;

}  // namespace

TEST_CASE("a command with a callback is streamed, in order, on the calling thread") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted, {exec_stdout("one\n"), exec_stderr("warning\n"), exec_stdout("two\n"),
                           exec_exit(3)});
  Heard heard;
  RunOptions options = heard.options();
  std::vector<std::thread::id> threads;
  options.on_stdout = [&](std::string_view text) {
    heard.pieces.push_back("o:" + std::string(text));
    threads.push_back(std::this_thread::get_id());
  };
  options.args = {"-j2"};
  options.cwd = "/workspace";
  options.timeout = seconds{300};
  const CommandResult result = sandbox.commands().run("make", options);
  CHECK(heard.pieces == Pieces{"o:one\n", "e:warning\n", "o:two\n"});
  CHECK(threads == std::vector(2, std::this_thread::get_id()));
  CHECK(result.exit_code == 3);
  CHECK(result.stdout_text == "one\ntwo\n");
  CHECK(result.stderr_text == "warning\n");
  CHECK(result.pid == 502);

  const auto peer = scripted.network->peer(0);
  CHECK(peer->request().url == "wss://api.example.test/prefix/v1/sandboxes/sb_1/ws?channel=exec");
  CHECK(header(peer->request().headers, "Authorization") == "Bearer " + std::string(kTestKey));
  CHECK_FALSE(header(peer->request().headers, "X-Nullspace-Dispatch-Proof"));
  Json::Object start = Json::parse(peer->wait_sent(0)).object();
  CHECK(start.at("id").as_string()->starts_with("exec_"));
  start.erase("id");
  CHECK(Json(start) == Json(Json::Object{{"type", "exec_start"},
                                         {"command", "make"},
                                         {"args", Json::Array{"-j2"}},
                                         {"timeout_secs", 300},
                                         {"cwd", "/workspace"}}));
  CHECK(peer->wait_closed());
  CHECK(peer->client_close_code() == 1000);
  CHECK(peer->sent().size() == 1);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("the machine dialect has another path") {
  const ScriptedClient scripted;
  serve_command(scripted, {exec_exit()});
  Heard heard;
  (void)scripted.sandbox(Dialect::machine).commands().run("true", heard.options());
  CHECK(scripted.network->peer(0)->request().url ==
        "wss://api.example.test/prefix/v1/machines/sb_1/ws?channel=exec");
}

TEST_CASE("text callbacks get whole characters, however the bytes were cut") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted,
                {raw_exec_stdout("caf\xC3"), raw_exec_stdout("\xA9 \xF0\x9F"),
                 exec_stderr("\xE2\x82\xAC"), raw_exec_stdout("\x98\x80!\xE2\x82"), exec_exit()});
  Heard heard;
  const auto result = sandbox.commands().run("true", heard.options());
  CHECK(heard.pieces ==
        Pieces{"o:caf", "o:\xC3\xA9 ", "e:\xE2\x82\xAC", "o:\xF0\x9F\x98\x80!", "o:\xEF\xBF\xBD"});
  CHECK(result.stdout_text == "caf\xC3\xA9 \xF0\x9F\x98\x80!\xEF\xBF\xBD");
}

TEST_CASE("unknown messages are skipped, output without a callback is kept") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted, {R"({"type":"exec_progress","percent":50})", exec_stderr("kept"),
                           R"({"type":"exec_stdout","data":"no ids"})", exec_exit()});
  std::string heard;
  const auto result = sandbox.commands().run(
      "true", {.on_stdout = [&heard](std::string_view text) { heard += text; }});
  CHECK(heard == "no ids");
  CHECK(result.stderr_text == "kept");
}

TEST_CASE("a result keeps the ends of what is too much, callbacks get all of it") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted,
                {exec_stdout("abcde"), exec_stdout("fghij"), exec_stdout("klmno"), exec_exit()});
  std::string heard;
  const auto result = sandbox.commands().run(
      "true",
      {.on_stdout = [&heard](std::string_view text) { heard += text; }, .capture_limit = 6});
  CHECK(heard == "abcdefghijklmno");
  CHECK(result.stdout_text == "abcmno");
  CHECK(result.stdout_omitted_bytes == 9);
}

TEST_CASE("what a callback throws comes out of the call, and the command is killed") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted, {exec_stdout("one"), exec_stdout("two"), exec_exit()});
  int calls = 0;
  SECTION("an exception") {
    CHECK_THROWS_AS(sandbox.commands().run("true", {.on_stdout =
                                                        [&calls](std::string_view) {
                                                          ++calls;
                                                          throw std::domain_error("mine");
                                                        }}),
                    std::domain_error);
  }
  SECTION("anything") {
    CHECK_THROWS_AS(sandbox.commands().run("true", {.on_stdout =
                                                        [&calls](std::string_view) {
                                                          ++calls;
                                                          throw 7;
                                                        }}),
                    int);
  }
  CHECK(calls == 1);
  const auto peer = scripted.network->peer(0);
  const Json kill = Json::parse(peer->wait_sent(1));
  CHECK(kill["type"].as_string() == "exec_kill");
  CHECK(kill["pid"].as_int() == 502);
  CHECK(kill["id"] == Json::parse(peer->wait_sent(0))["id"]);
  CHECK(peer->wait_closed());
}

TEST_CASE("a stream that is cut is an error with what arrived, however politely it was closed") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  const auto cut = GENERATE(
      as<std::function<void(ScriptedPeer&)>>{}, [](ScriptedPeer& peer) { peer.close(1000, "bye"); },
      [](ScriptedPeer& peer) { peer.close(1001); }, [](ScriptedPeer& peer) { peer.close(1005); },
      [](ScriptedPeer& peer) { peer.fail(TransportFailureKind::receive); },
      [](ScriptedPeer& peer) { peer.fail(TransportFailureKind::peer_gone); });
  serve(*scripted.network, "exec_start", [cut](ScriptedPeer& peer) {
    peer.push(exec_started());
    peer.push(exec_stdout("partial"));
    peer.push(exec_stderr("also"));
    cut(peer);
  });
  Heard heard;
  const Error error = thrown_by([&] { (void)sandbox.commands().run("true", heard.options()); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(error.code() == "transport_error");
  CHECK(error.info().partial_stdout == "partial");
  CHECK(error.info().partial_stderr == "also");
}

TEST_CASE("messages above the limit and broken frames are what they are") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  Heard heard;
  serve(*scripted.network, "exec_start",
        [](ScriptedPeer& peer) { peer.fail(TransportFailureKind::too_large, "17 MiB"); });
  CHECK(thrown_by([&] { (void)sandbox.commands().run("true", heard.options()); }).code() ==
        "message_too_large");
  serve(*scripted.network, "exec_start",
        [](ScriptedPeer& peer) { peer.fail(TransportFailureKind::protocol, "bad mask"); });
  CHECK(thrown_by([&] { (void)sandbox.commands().run("true", heard.options()); }).kind() ==
        ErrorKind::invalid_response);
}

TEST_CASE("malformed messages are an invalid response") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const std::string bad =
      GENERATE(as<std::string>{}, "", "{", "[]", "7", "null", R"({"data":"x"})", R"({"type":7})",
               R"({"type":"exec_stdout"})", R"({"type":"exec_stdout","data":7})",
               R"({"type":"exec_started"})", R"({"type":"exec_started","pid":"x"})",
               R"({"type":"exec_exit"})", R"({"type":"exec_exit","exit_code":"0"})",
               R"({"type":"exec_exit","exit_code":1e99})");
  CAPTURE(bad);
  serve_command(scripted, {exec_stdout("partial"), bad, exec_exit()});
  Heard heard;
  const Error error = thrown_by([&] { (void)sandbox.commands().run("true", heard.options()); });
  CHECK(error.kind() == ErrorKind::invalid_response);
  CHECK(error.info().partial_stdout == "partial");
}

TEST_CASE("an error frame ends the command with its code") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  Heard heard;
  serve_command(scripted, {stream_error("no such file")});
  CHECK(thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); }).code() ==
        "exec_failed");
  serve_command(scripted, {stream_error("gone", "sandbox_not_found")});
  const Error gone = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
  CHECK(gone.kind() == ErrorKind::not_found);
  CHECK(gone.message() == "gone");
}

TEST_CASE("the command's own time-out is told apart") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  Heard heard;
  serve_command(scripted, {exec_stdout("so far"), stream_error("took longer", "exec_timeout")});
  const Error error = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::command);
  CHECK(error.info().partial_stdout == "so far");
}

TEST_CASE("a server that says nothing is left at the deadline") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  Heard heard;
  RunOptions options = heard.options();
  options.deadline = milliseconds{60};
  SECTION("before it starts") {
    serve(*scripted.network, "exec_start", [](ScriptedPeer&) {});
  }
  SECTION("while it runs") {
    serve_command(scripted, {exec_stdout("so far")});
  }
  SECTION("before the upgrade") {}
  const auto before = std::chrono::steady_clock::now();
  const Error error = thrown_by([&] { (void)sandbox.commands().run("x", options); });
  CHECK(std::chrono::steady_clock::now() - before >= milliseconds{60});
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::caller);
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("at the deadline the command is killed, not left") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  Heard heard;
  RunOptions options = heard.options();
  options.deadline = milliseconds{60};
  serve_command(scripted, {exec_stdout("so far")});
  const Error error = thrown_by([&] { (void)sandbox.commands().run("x", options); });
  CHECK(error.info().partial_stdout == "so far");
  CHECK(type_of(scripted.network->peer(0)->wait_sent(1)) == "exec_kill");
}

TEST_CASE("a streamed command can be given up, at any point") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  std::stop_source stop;
  Heard heard;
  RunOptions options = heard.options();
  options.stop = stop.get_token();
  SECTION("before it begins") {
    stop.request_stop();
  }
  SECTION("while the connection opens") {
    scripted.network->on_connect([&stop](ScriptedPeer&) { stop.request_stop(); });
  }
  SECTION("before it has started") {
    serve(*scripted.network, "exec_start", [&stop](ScriptedPeer&) { stop.request_stop(); });
  }
  SECTION("while it runs") {
    serve_command(scripted, {exec_stdout("so far")});
    options.on_stdout = [&stop](std::string_view) { stop.request_stop(); };
  }
  const Error error = thrown_by([&] { (void)sandbox.commands().run("x", options); });
  CHECK(error.kind() == ErrorKind::cancelled);
  if (scripted.network->count() > 0) CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a command given up while it runs is killed") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  std::stop_source stop;
  serve_command(scripted, {exec_stdout("so far")});
  const Error error = thrown_by([&] {
    (void)sandbox.commands().run("x",
                                 {.on_stdout = [&stop](std::string_view) { stop.request_stop(); },
                                  .stop = stop.get_token()});
  });
  CHECK(error.info().partial_stdout == "so far");
  CHECK(type_of(scripted.network->peer(0)->wait_sent(1)) == "exec_kill");
}

TEST_CASE("a callback may call the SDK, also a streamed command inside a streamed command") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_command(scripted, {exec_stdout("x"), exec_exit(5)});
  int inner = -1;
  const auto result = sandbox.commands().run(
      "outer", {.on_stdout = [&](std::string_view) {
        inner = sandbox.commands().run("inner", {.on_stdout = [](std::string_view) {}}).exit_code;
      }});
  CHECK(inner == 5);
  CHECK(result.exit_code == 5);
}

TEST_CASE("refused upgrades are told apart") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  struct Row {
    int status;
    ErrorKind kind;
    const char* code;
  };
  const Row row = GENERATE(Row{401, ErrorKind::authentication, "unauthorized"},
                           Row{403, ErrorKind::authentication, "unauthorized"},
                           Row{429, ErrorKind::rate_limit, "rate_limit_exceeded"},
                           Row{501, ErrorKind::not_implemented, "not_implemented"},
                           Row{500, ErrorKind::transport, "transport_error"},
                           Row{302, ErrorKind::transport, "transport_error"},
                           Row{200, ErrorKind::transport, "transport_error"});
  scripted.network->on_connect([&row](ScriptedPeer& peer) { peer.refuse(row.status); });
  Heard heard;
  const Error error = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
  CAPTURE(row.status);
  CHECK(error.kind() == row.kind);
  CHECK(error.code() == row.code);
  CHECK(error.http_status() == row.status);
  CHECK(scripted.network->count() == 1);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("the reason of a refusal is asked for, because an upgrade has no body") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.refuse(404); });
  Heard heard;
  SECTION("the sandbox is gone") {
    scripted.http->push(response(404, error_body("sandbox_not_found", "no sandbox sb_1")));
    const Error error = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
    CHECK(error.code() == "sandbox_not_found");
    CHECK(error.kind() == ErrorKind::not_found);
  }
  SECTION("the sandbox is there") {
    scripted.http->push(response(200, sandbox_body()));
    const Error error = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
    CHECK(error.code() == "websocket_upgrade_error");
    CHECK(error.http_status() == 404);
  }
  SECTION("nobody knows") {
    scripted.http->push(failure(TransportFailureKind::connect));
    const Error error = thrown_by([&] { (void)sandbox.commands().run("x", heard.options()); });
    CHECK(error.code() == "websocket_upgrade_error");
  }
  SECTION("asking is bounded by the deadline of the call") {
    scripted.http->push(response(404, error_body("sandbox_not_found")));
    RunOptions options = heard.options();
    options.deadline = seconds{7};
    CHECK_THROWS_AS(sandbox.commands().run("x", options), Error);
    CHECK(scripted.http->request(0).timeout <= seconds{7});
  }
}

TEST_CASE("opening is tried again after what may pass") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.retry.websocket_open_retries = 1;
  const Sandbox sandbox = scripted.sandbox(Client(options));
  const auto fail_once = [&scripted](std::function<void(ScriptedPeer&)> how) {
    serve_command(scripted, {exec_exit(4)});
    const auto first = std::make_shared<std::atomic<bool>>(true);
    scripted.network->on_connect([how = std::move(how), first](ScriptedPeer& peer) {
      if (first->exchange(false)) {
        how(peer);
      } else {
        peer.accept();
      }
    });
  };
  Heard heard;
  SECTION("a network error") {
    fail_once([](ScriptedPeer& peer) { peer.fail(TransportFailureKind::connect); });
    CHECK(sandbox.commands().run("x", heard.options()).exit_code == 4);
    CHECK(scripted.network->count() == 2);
  }
  SECTION("not after a certificate that was refused") {
    fail_once([](ScriptedPeer& peer) { peer.fail(TransportFailureKind::tls); });
    CHECK_THROWS_AS(sandbox.commands().run("x", heard.options()), Error);
    CHECK(scripted.network->count() == 1);
  }
  SECTION("not after a 4xx") {
    fail_once([](ScriptedPeer& peer) { peer.refuse(401); });
    CHECK_THROWS_AS(sandbox.commands().run("x", heard.options()), Error);
    CHECK(scripted.network->count() == 1);
  }
  SECTION("not if the pause would pass the deadline") {
    fail_once([](ScriptedPeer& peer) { peer.fail(TransportFailureKind::connect); });
    RunOptions hurried = heard.options();
    hurried.deadline = milliseconds{200};
    CHECK(thrown_by([&] { (void)sandbox.commands().run("x", hurried); }).kind() ==
          ErrorKind::transport);
    CHECK(scripted.network->count() == 1);
  }
}

TEST_CASE("a slow callback slows its own stream, and loses nothing") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.receive_buffer_bytes = 4096;
  const Sandbox sandbox = scripted.sandbox(Client(options));
  std::vector<std::string> messages;
  std::string expected;
  for (int i = 0; i < 400; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    expected += line;
    messages.push_back(exec_stdout(line));
  }
  messages.push_back(exec_exit());
  serve_command(scripted, std::move(messages));
  std::string heard;
  bool was_paused = false;
  const auto result = sandbox.commands().run("x", {.on_stdout = [&](std::string_view text) {
                                               // The first one waits until the socket is no longer
                                               // read.
                                               if (heard.empty())
                                                 was_paused =
                                                     scripted.network->peer(0)->wait_paused(true);
                                               heard += text;
                                             }});
  CHECK(was_paused);
  CHECK(heard == expected);
  CHECK(result.stdout_text == expected);
  CHECK(scripted.network->peer(0)->resumes() >= 1);
}

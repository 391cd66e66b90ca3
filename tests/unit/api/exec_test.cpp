#include <algorithm>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Deadline;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr const char* kDone = R"({"exit_code":0,"stdout":"","stderr":""})";

}  // namespace

TEST_CASE("a command without callbacks is one request") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(
      response(200, R"({"exit_code":1,"stdout":"1 failed\n","stderr":"why","pid":311})"));
  const auto result = sandbox.commands().run("pytest -q", {.shell = true,
                                                           .cwd = "/workspace/repo",
                                                           .envs = {{"CI", "1"}},
                                                           .timeout = milliseconds{119'001}});
  // A non-zero exit code is a result.
  CHECK(result.exit_code == 1);
  CHECK(result.stdout_text == "1 failed\n");
  CHECK(result.stderr_text == "why");
  CHECK(result.pid == 311);
  CHECK(scripted.http->request(0).url == "https://api.example.test/prefix/v1/sandboxes/sb_1/exec");
  CHECK(Json::parse(scripted.http->request(0).body) ==
        Json(Json::Object{{"command", "pytest -q"},
                          {"shell", true},
                          {"timeout_secs", 120},
                          {"background", false},
                          {"cwd", "/workspace/repo"},
                          {"envs", Json::Object{{"CI", "1"}}}}));
  CHECK(scripted.network->count() == 0);
}

TEST_CASE("the machine dialect has another path and the same body") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox(Dialect::machine);
  scripted.http->push(response(200, kDone));
  (void)sandbox.commands().run("true");
  CHECK(scripted.http->request(0).url == "https://api.example.test/prefix/v1/machines/sb_1/exec");
}

TEST_CASE("the request outlasts the command") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.timeouts.request = seconds{30};
  const Sandbox sandbox = scripted.sandbox(Client(options));
  for (int i = 0; i < 4; ++i)
    scripted.http->push(response(200, kDone));
  (void)sandbox.commands().run("sleep 60", {.shell = true, .timeout = seconds{60}});
  CHECK(scripted.http->request(0).timeout == seconds{75});
  // Never shorter than any other request.
  (void)sandbox.commands().run("true", {.timeout = seconds{1}});
  CHECK(scripted.http->request(1).timeout == seconds{30});
  (void)sandbox.commands().run("true", {.timeout = milliseconds{500}});
  CHECK(Json::parse(scripted.http->request(2).body)["timeout_secs"].as_int() == 1);
  // Unless the caller gives up sooner.
  (void)sandbox.commands().run("sleep 60", {.timeout = seconds{60}, .deadline = seconds{5}});
  CHECK(scripted.http->request(3).timeout <= seconds{5});
  CHECK(Json::parse(scripted.http->request(3).body)["timeout_secs"].as_int() == 60);
}

TEST_CASE("a command may run as long as a clock can tell") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, kDone));
  (void)sandbox.commands().run(
      "sleep inf", {.timeout = nullspace::kNoDeadline, .deadline = nullspace::kNoDeadline});
  CHECK(*Json::parse(scripted.http->request(0).body)["timeout_secs"].as_int() > 86'400 * 365);
  CHECK(scripted.http->request(0).timeout > std::chrono::hours{24 * 365});
}

TEST_CASE(
    "the dispatch proof goes back on every exec of the handle that create gave, and nowhere else") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const Sandbox created =
      scripted.sandbox(client, "sb_1", {{"X-Nullspace-Dispatch-Proof", "proof =/+ 1"}});
  const auto proof = [](const nullspace::HttpRequest& request) {
    return header(request.headers, "X-Nullspace-Dispatch-Proof");
  };
  scripted.http->answer_with([](const nullspace::HttpRequest& request) {
    if (request.url.ends_with("/exec"))
      return response(200, R"({"exit_code":0,"stdout":"","stderr":"","pid":7})");
    if (request.url.ends_with("/processes")) return response(200, "[]");
    if (request.method == "GET") return response(200, sandbox_body());
    return response(204);
  });
  (void)created.commands().run("true");
  (void)created.commands().run("true");
  (void)created.commands().run_background("sleep 1");
  const Sandbox copy = created;
  (void)copy.process().code_run("1");
  for (const auto& request : scripted.http->requests())
    CHECK(proof(request) == "proof =/+ 1");

  scripted.http->forget();
  (void)created.commands().list();
  created.commands().kill(7);
  (void)created.get_info();
  created.set_timeout(seconds{5});
  created.kill();
  const Sandbox connected = Sandbox::connect(client, "sb_1");
  (void)connected.commands().run("true");
  const Sandbox plain = scripted.sandbox(client, "sb_1");
  (void)plain.commands().run("true");
  for (const auto& request : scripted.http->requests()) {
    CAPTURE(request.url);
    CHECK_FALSE(proof(request));
  }
}

TEST_CASE("a command that the server killed is a time-out of the command") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(504, error_body("exec_timeout", "took longer than 30 s")));
  const Error error = thrown_by([&] { (void)sandbox.commands().run("sleep 60"); });
  CHECK(error.code() == "exec_timeout");
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::command);
  CHECK_FALSE(error.retryable());
}

TEST_CASE("a server that holds the answer is a time-out of the caller") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(failure(TransportFailureKind::timeout));
  const Error error =
      thrown_by([&] { (void)sandbox.commands().run("sleep 60", {.deadline = seconds{1}}); });
  CHECK(error.code() == "timeout");
  CHECK(error.deadline() == Deadline::caller);
}

TEST_CASE("other failures of exec keep their words") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(502, R"({"error":{"code":"exec_failed","message":"no guest"}})"));
  CHECK(thrown_by([&] { (void)sandbox.commands().run("true"); }).code() == "exec_failed");
  scripted.http->push(response(404, error_body("sandbox_not_found")));
  CHECK(thrown_by([&] { (void)sandbox.commands().run("true"); }).kind() == ErrorKind::not_found);
  scripted.http->push(response(409, error_body("sandbox_not_ready")));
  CHECK(thrown_by([&] { (void)sandbox.commands().run("true"); }).kind() == ErrorKind::conflict);
  for (const char* body : {"", "{}", "[]", R"({"exit_code":"0","stdout":"","stderr":""})"}) {
    CAPTURE(body);
    scripted.http->push(response(200, body));
    CHECK(thrown_by([&] { (void)sandbox.commands().run("true"); }).kind() ==
          ErrorKind::invalid_response);
  }
}

TEST_CASE("the result keeps the ends of what is too much") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"exit_code":0,"stdout":"abcdefghij","stderr":"xy"})"));
  const auto result = sandbox.commands().run("true", {.capture_limit = 4});
  CHECK(result.stdout_text == "abij");
  CHECK(result.stdout_omitted_bytes == 6);
  CHECK(result.stderr_text == "xy");
  CHECK(result.stderr_omitted_bytes == 0);
}

TEST_CASE("a command that cannot be is refused before anything is sent") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  nullspace::RunOptions options;
  if (GENERATE(false, true)) options.on_stdout = [](std::string_view) {};
  std::string command = "true";
  SECTION("empty") {
    command = "";
  }
  SECTION("NUL") {
    command = std::string("a\0b", 3);
  }
  SECTION("shell with arguments") {
    options.shell = true;
    options.args = {"x"};
  }
  SECTION("NUL in an argument") {
    options.args = {std::string("a\0b", 3)};
  }
  SECTION("relative directory") {
    options.cwd = "tmp";
  }
  SECTION("no time") {
    options.timeout = milliseconds{0};
  }
  SECTION("negative time") {
    options.timeout = milliseconds{-1};
  }
  SECTION("no deadline at all") {
    options.deadline = milliseconds{0};
  }
  SECTION("a name that is none") {
    options.envs = {{"", "x"}};
  }
  CHECK(thrown_by([&] { (void)sandbox.commands().run(command, options); }).kind() ==
        ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 0);
  CHECK(scripted.network->count() == 0);
}

TEST_CASE("a command can be given up") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push_silence();
  std::stop_source stop;
  std::jthread stopper([&] {
    if (scripted.http->wait_for_requests(1)) stop.request_stop();
  });
  CHECK(thrown_by([&] {
          (void)sandbox.commands().run("sleep 60", {.stop = stop.get_token()});
        }).kind() == ErrorKind::cancelled);
}

TEST_CASE("code runs with the interpreter of its language") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  struct Row {
    const char* language;
    const char* program;
    const char* flag;
  };
  for (const Row& row :
       {Row{"python", "python3", "-c"}, Row{"javascript", "node", "-e"}, Row{"ruby", "ruby", "-e"},
        Row{"bash", "bash", "-c"}, Row{"sh", "sh", "-c"}, Row{"zsh", "zsh", "-c"}}) {
    scripted.http->forget();
    scripted.http->push(response(200, kDone));
    (void)sandbox.process().code_run("print(1)", {.language = row.language});
    const Json body = Json::parse(scripted.http->request(0).body);
    CHECK(body["command"].as_string() == row.program);
    CHECK(body["args"] == Json(Json::Array{row.flag, "print(1)"}));
    CHECK(body["shell"].is_null());
  }
}

TEST_CASE("processes can be listed, fed, read and killed") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(
      200,
      R"([{"pid":12,"command":"sleep","running":true},{"pid":13,"command":"x","running":false}])"));
  const auto processes = sandbox.commands().list();
  REQUIRE(processes.size() == 2);
  CHECK(processes[0].running);
  scripted.http->push(
      response(200, R"({"stdout":"o","stderr":"e","output":"oe","exit_code":null})"));
  const auto logs = sandbox.commands().get_logs(12);
  CHECK(logs.output == "oe");
  CHECK_FALSE(logs.exit_code);
  scripted.http->push(response(204));
  sandbox.commands().send_stdin(12, "6*7\n");
  CHECK(scripted.http->request(2).url.ends_with("/sandboxes/sb_1/processes/12/stdin"));
  CHECK(scripted.http->request(2).body == R"({"data":"6*7\n"})");
  scripted.http->push(response(204));
  sandbox.commands().kill(12);
  CHECK(scripted.http->request(3).url.ends_with("/processes/12/kill"));
}

TEST_CASE("standard input is closed over a socket of its own") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve(*scripted.network, "exec_connect", [](ScriptedPeer& peer) { peer.push(exec_started(12)); });
  sandbox.commands().close_stdin(12);
  const auto peer = scripted.network->peer(0);
  CHECK(peer->request().url == "wss://api.example.test/prefix/v1/sandboxes/sb_1/ws?channel=exec");
  const Json hello = Json::parse(peer->wait_sent(0));
  CHECK(hello["type"].as_string() == "exec_connect");
  CHECK(hello["pid"].as_int() == 12);
  const Json message = Json::parse(peer->wait_sent(1));
  CHECK(message["type"].as_string() == "exec_stdin_close");
  CHECK(message["pid"].as_int() == 12);
  CHECK(message["id"] == hello["id"]);
  CHECK(peer->client_close_code() == 1000);
}

TEST_CASE("a refusal to close standard input is heard") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve(*scripted.network, "exec_connect",
        [](ScriptedPeer& peer) { peer.push(stream_error("no such process", "not_found")); });
  CHECK(thrown_by([&] { sandbox.commands().close_stdin(12); }).kind() == ErrorKind::not_found);
}

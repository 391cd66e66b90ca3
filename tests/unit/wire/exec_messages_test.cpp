#include "wire/exec_messages.hpp"

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;
using nullspace::test::json;

namespace {

ExecServerMessage decoded(std::string text) {
  auto message = decode_exec_server_message(std::move(text));
  if (!message.ok()) FAIL(message.error().message);
  return std::move(*message);
}

void refuses(std::string text, std::string_view part) {
  INFO(text);
  const auto message = decode_exec_server_message(std::move(text));
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().code == "invalid_response");
  INFO(message.error().message);
  CHECK(contains(message.error().message, part));
}

void refuses_request(std::string_view part, const std::function<void(ExecRequest&)>& change) {
  ExecRequest request{.command = "ls"};
  change(request);
  const auto checked = validate(request);
  REQUIRE_FALSE(checked.ok());
  CHECK(checked.error().code == "invalid_request");
  CHECK(contains(checked.error().message, part));
  // The server refuses what the SDK does.
  const auto received = decode_exec_request(encode_exec_request(request));
  REQUIRE_FALSE(received.ok());
  CHECK(received.error().code == "invalid_request");
}

}  // namespace

TEST_CASE("exec_messages: a request has only what is asked for") {
  CHECK(json(encode_exec_request({.command = "ls"})) ==
        json(R"({"command": "ls", "timeout_secs": 30, "background": false})"));
  const ExecRequest request{.command = "pytest -q",
                            .args = {},
                            .shell = true,
                            .cwd = "/workspace/repo",
                            .envs = {{"CI", "1"}},
                            .timeout_secs = 120};
  CHECK(
      json(encode_exec_request(request)) ==
      json(
          R"({"command": "pytest -q", "shell": true, "timeout_secs": 120, "background": false, "cwd": "/workspace/repo",
                 "envs": {"CI": "1"}})"));
  CHECK(*decode_exec_request(encode_exec_request(request)) == request);
  const ExecRequest background{.command = "make", .args = {"-j2", "", "a\nb"}, .background = true};
  CHECK(*decode_exec_request(encode_exec_request(background)) == background);
}

TEST_CASE("exec_messages: a server fills in the defaults") {
  const auto request = decode_exec_request(
      R"({"command": "ls", "args": null, "envs": null, "cwd": null, "shell": null, "new": 1})");
  REQUIRE(request.ok());
  CHECK(*request == ExecRequest{.command = "ls"});
}

TEST_CASE("exec_messages: both sides refuse what cannot be run") {
  refuses_request("command", [](ExecRequest& r) { r.command.clear(); });
  refuses_request("command", [](ExecRequest& r) { r.command = std::string("a\0b", 3); });
  refuses_request("args", [](ExecRequest& r) { r.args = {std::string("a\0b", 3)}; });
  refuses_request("shell", [](ExecRequest& r) {
    r.shell = true;
    r.args = {"x"};
  });
  refuses_request("cwd", [](ExecRequest& r) { r.cwd = "workspace"; });
  refuses_request("cwd", [](ExecRequest& r) { r.cwd = std::string("/a\0", 3); });
  refuses_request("envs", [](ExecRequest& r) { r.envs = {{"", "x"}}; });
  refuses_request("envs", [](ExecRequest& r) { r.envs = {{"A=B", "x"}}; });
  refuses_request("envs", [](ExecRequest& r) { r.envs = {{"A", std::string("\0", 1)}}; });
  refuses_request("timeout", [](ExecRequest& r) { r.timeout_secs = 0; });
  refuses_request("timeout", [](ExecRequest& r) { r.timeout_secs = -5; });
  refuses_request("timeout", [](ExecRequest& r) { r.timeout_secs = kMaxTimeoutSecs + 1; });
}

TEST_CASE("exec_messages: a server names the field of a bad request") {
  const std::pair<std::string_view, std::string_view> bad[] = {
      {"{}", "exec.command"},
      {R"({"command": 7})", "exec.command"},
      {R"({"command": "ls", "args": "x"})", "exec.args"},
      {R"({"command": "ls", "args": [1]})", "exec.args"},
      {R"({"command": "ls", "shell": "yes"})", "exec.shell"},
      {R"({"command": "ls", "cwd": 1})", "exec.cwd"},
      {R"({"command": "ls", "envs": []})", "exec.envs"},
      {R"({"command": "ls", "envs": {"A": null}})", "exec.envs"},
      {R"({"command": "ls", "timeout_secs": "30"})", "exec.timeout_secs"},
      {R"({"command": "ls", "timeout_secs": 1.5})", "exec.timeout_secs"},
      {R"({"command": "ls", "timeout_secs": 0})", "exec.timeout_secs"},
      {R"({"command": "ls", "timeout_secs": 9223372036854775807})", "exec.timeout_secs"},
      {R"({"command": "ls", "background": 1})", "exec.background"},
      {"[]", "exec: expected an object"},
      {"", "empty"},
  };
  for (const auto& [body, part] : bad) {
    INFO(body);
    const auto request = decode_exec_request(body);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code == "invalid_request");
    CHECK(contains(request.error().message, part));
  }
}

TEST_CASE("exec_messages: a foreground answer") {
  const auto result =
      decode_exec_answer(R"({"exit_code": 1, "stdout": "1 failed\n", "stderr": "", "pid": 311})");
  REQUIRE(result.ok());
  CHECK(result->exit_code == 1);
  CHECK(result->stdout_text == "1 failed\n");
  CHECK(result->pid == 311);
  CHECK_FALSE(
      decode_exec_answer(R"({"exit_code": 0, "stdout": "", "stderr": "", "pid": null})")->pid);

  CommandResult sent;
  sent.exit_code = -1;
  sent.stdout_text = std::string("a\0b\x1b[0m\xFF", 8);
  sent.stderr_text = "é";
  const auto received = decode_exec_answer(encode_exec_answer(sent));
  REQUIRE(received.ok());
  CHECK(received->exit_code == -1);
  CHECK(received->stdout_text == std::string("a\0b\x1b[0m", 7) + "\uFFFD");
  CHECK(received->stderr_text == "é");
}

TEST_CASE("exec_messages: an answer without its exit code is no success") {
  for (const std::string_view bad :
       {R"({"stdout": "", "stderr": ""})", R"({"exit_code": null, "stdout": "", "stderr": ""})",
        R"({"exit_code": "0"})", R"({"exit_code": 0.0})", R"({"exit_code": 99999999999})",
        R"({"exit_code": 0, "stdout": 5})", R"({"exit_code": 0, "stderr": []})",
        R"({"exit_code": 0, "pid": "1"})", "[]", "", "{"}) {
    INFO(bad);
    const auto result = decode_exec_answer(std::string(bad));
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == "invalid_response");
  }
}

TEST_CASE("exec_messages: a background answer needs only its pid") {
  CHECK(*decode_background_answer(R"({"pid": 311})") == 311);
  CHECK(*decode_background_answer(encode_background_answer(7)) == 7);
  CHECK(json(encode_background_answer(7)) ==
        json(R"({"exit_code": 0, "stdout": "", "stderr": "", "pid": 7})"));
  CHECK_FALSE(decode_background_answer("{}").ok());
  CHECK_FALSE(decode_background_answer(R"({"pid": null})").ok());
  CHECK_FALSE(decode_background_answer(R"({"pid": "7"})").ok());
}

TEST_CASE("exec_messages: processes") {
  const std::string_view recorded =
      R"([{"pid":12,"command":"sleep infinity","running":true},{"pid":311,"command":"pytest -q","running":false}])";
  const auto processes = decode_processes(recorded);
  REQUIRE(processes.ok());
  REQUIRE(processes->size() == 2);
  CHECK((*processes)[0].pid == 12);
  CHECK((*processes)[0].running);
  CHECK((*processes)[1].command == "pytest -q");
  // Exactly these members: clients of this generation fail on others.
  CHECK(encode_processes(*processes) == recorded);
  CHECK(decode_processes("[]")->empty());
  for (const std::string_view bad :
       {"{}", "[1]", R"([{"pid": 1, "command": "x"}])", R"([{"pid": 1, "running": true}])",
        R"([{"command": "x", "running": true}])",
        R"([{"pid": 1, "command": "x", "running": 1}])"}) {
    INFO(bad);
    CHECK_FALSE(decode_processes(bad).ok());
  }
}

TEST_CASE("exec_messages: logs") {
  const auto running = decode_process_logs(
      R"({"stdout": "ready\n", "stderr": "", "output": "ready\n", "exit_code": null})");
  REQUIRE(running.ok());
  CHECK(running->stdout_text == "ready\n");
  CHECK(running->output == "ready\n");
  CHECK_FALSE(running->exit_code);
  CHECK(encode_process_logs(*running) ==
        R"({"stdout":"ready\n","stderr":"","output":"ready\n","exit_code":null})");
  ProcessLogs ended = *running;
  ended.exit_code = 137;
  CHECK(decode_process_logs(encode_process_logs(ended))->exit_code == 137);
  CHECK_FALSE(decode_process_logs(R"({"stdout": "", "stderr": "", "exit_code": null})").ok());
  CHECK_FALSE(decode_process_logs(R"({"output": "", "exit_code": "0"})").ok());
}

TEST_CASE("exec_messages: stdin") {
  CHECK(encode_stdin_request("print(6*7)\n") == R"({"data":"print(6*7)\n"})");
  CHECK(*decode_stdin_request(encode_stdin_request(std::string("a\0b", 3))) ==
        std::string("a\0b", 3));
  CHECK(decode_stdin_request(R"({"data": ""})").ok());
  for (const std::string_view bad : {"{}", R"({"data": null})", R"({"data": 1})", "", "[]"}) {
    const auto refused = decode_stdin_request(bad);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == "invalid_request");
  }
}

TEST_CASE("exec_messages: the recorded stream") {
  CHECK(
      std::get<ExecStarted>(decoded(R"({"type":"exec_started","id":"exec_0a1b2c3d","pid":502})")) ==
      ExecStarted{"exec_0a1b2c3d", 502});
  CHECK(std::get<ExecOutput>(decoded(
            R"({"type":"exec_stdout","id":"exec_0a1b2c3d","pid":502,"data":"cc main.c\n"})")) ==
        ExecOutput{"exec_0a1b2c3d", 502, OutputStream::out, "cc main.c\n"});
  CHECK(
      std::get<ExecOutput>(decoded(
          R"({"type":"exec_stderr","id":"exec_0a1b2c3d","pid":502,"data":"warning: unused\n"})")) ==
      ExecOutput{"exec_0a1b2c3d", 502, OutputStream::err, "warning: unused\n"});
  CHECK(std::get<ExecExit>(
            decoded(R"({"type":"exec_exit","id":"exec_0a1b2c3d","pid":502,"exit_code":0})")) ==
        ExecExit{"exec_0a1b2c3d", 502, 0});
  CHECK(std::get<StreamError>(decoded(
            R"({"type":"error","id":"exec_9f8e7d6c","message":"process 502 is not running"})")) ==
        StreamError{"exec_9f8e7d6c", "process 502 is not running", ""});
  CHECK(std::get<StreamError>(
            decoded(R"({"type":"error","message":"killed after 1 s","code":"exec_timeout"})")) ==
        StreamError{"", "killed after 1 s", "exec_timeout"});
}

TEST_CASE("exec_messages: servers of the first generation send neither id nor pid") {
  CHECK(std::get<ExecStarted>(decoded(R"({"type":"exec_started","pid":5})")) == ExecStarted{"", 5});
  CHECK(std::get<ExecOutput>(decoded(R"({"type":"exec_stdout","data":"x"})")) ==
        ExecOutput{"", 0, OutputStream::out, "x"});
  CHECK(std::get<ExecExit>(decoded(R"({"type":"exec_exit","exit_code":7})")) == ExecExit{"", 0, 7});
}

TEST_CASE("exec_messages: order, spacing, escapes and unknown members do not matter") {
  CHECK(std::get<ExecOutput>(decoded(
            " {\n \"data\" : \"\\u001b[0m\\/\\\"\\u20ac\\ud83d\\ude00\" "
            ",\t\"x\":{\"a\":[1,{\"data\":2}]},\r\n"
            "\"t\\u0079pe\":\"exec_std\\u006fut\" , \"y\":[\"]\",\"}\"] , \"z\":1.5e-3 } \n")) ==
        ExecOutput{"", 0, OutputStream::out, "\x1b[0m/\"€😀"});
  // The first of two is meant.
  CHECK(std::get<ExecExit>(decoded(R"({"type":"exec_exit","exit_code":1,"exit_code":2})"))
            .exit_code == 1);
  CHECK(std::get<ExecOutput>(decoded(R"({"type":"exec_stdout","data":"a\u0000b"})")).data ==
        std::string("a\0b", 3));
  CHECK(std::get<ExecOutput>(decoded(R"({"type":"exec_stdout","data":""})")).data.empty());
}

TEST_CASE("exec_messages: an unknown type is handed on by its name") {
  CHECK(std::get<UnknownMessage>(decoded(R"({"type":"exec_progress","percent":50,"data":[1]})")) ==
        UnknownMessage{"exec_progress"});
  CHECK(std::get<UnknownMessage>(decoded(R"({"type":"pty_output","data":"x"})")) ==
        UnknownMessage{"pty_output"});
  CHECK(std::get<UnknownMessage>(decoded(R"({"type":""})")) == UnknownMessage{""});
}

TEST_CASE("exec_messages: an end without its code is no end") {
  refuses(R"({"type":"exec_exit","id":"e","pid":5})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":null})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":"0"})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":0.0})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":1e0})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":true})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":[0]})", "exec_exit.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":4294967296})", "exec_exit.exit_code");
}

TEST_CASE("exec_messages: what is missing or wrong is named") {
  refuses(R"({"type":"exec_started","id":"e"})", "exec_started.pid");
  refuses(R"({"type":"exec_started","pid":"5"})", "exec_started.pid");
  refuses(R"({"type":"exec_started","id":7,"pid":5})", "exec_started.id");
  refuses(R"({"type":"exec_stdout","id":"e"})", "exec_stdout.data");
  refuses(R"({"type":"exec_stdout","data":null})", "exec_stdout.data");
  refuses(R"({"type":"exec_stderr","data":7})", "exec_stderr.data");
  refuses(R"({"type":"exec_stdout","data":"bad \x"})", "exec_stdout.data");
  refuses("{\"type\":\"exec_stdout\",\"data\":\"raw \x1b\"}", "exec_stdout.data");
  refuses("{\"type\":\"exec_stdout\",\"data\":\"raw \x1b and \\n\"}", "exec_stdout.data");
  refuses(R"({"type":"error"})", "error.message");
  refuses(R"({"type":"error","message":5})", "error.message");
  refuses(R"({"type":"error","message":"x","code":5})", "error.code");
}

TEST_CASE("exec_messages: what is no message is refused") {
  for (const std::string& bad :
       {std::string(),
        std::string(" "),
        std::string("null"),
        std::string("[]"),
        std::string("\"exec_exit\""),
        std::string("7"),
        std::string("{}"),
        std::string("{\"id\":\"x\"}"),
        std::string("{\"type\":7}"),
        std::string("{\"type\":null}"),
        std::string("{\"type\":[]}"),
        std::string("{"),
        std::string("{\"type\""),
        std::string("{\"type\":"),
        std::string("{\"type\":\"exec_exit\""),
        std::string("{\"type\":\"exec_exit\","),
        std::string("{\"type\":\"exec_exit\",}"),
        std::string("{,\"type\":\"exec_exit\"}"),
        std::string("{\"type\":\"exec_exit\";\"exit_code\":0}"),
        std::string("{\"type\":\"x\":\"y\":0}"),
        std::string("{\"type\":\"exec_exit\" \"exit_code\":0}"),
        std::string("{\"type\" \"exec_exit\"}"),
        std::string("{type:\"exec_exit\"}"),
        std::string("{'type':'exec_exit'}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":0}}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":0}{}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":0]"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":NaN}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":01}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":+1}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":-}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":1e99999}"),
        "{\"type\":\"exec_exit\",\"exit_code\":" + std::string(1000, '1') + "}",
        std::string("{\"type\":\"x\",\"y\":[1,,2]}"),
        std::string("{\"type\":\"x\",\"y\":{\"a\"}}"),
        std::string("{\"type\":\"x\",\"y\":nul}"),
        std::string("{\"type\":\"x\",\"y\":\"\\q\"}"),
        std::string("{\"type\":\"x\",\"y\":[1}}"),
        std::string("{\"type\":\"exec_exit\",\"exit_code\":0}") + '\0',
        std::string("{\"type\":\"exec_stdout\",\"data\":\"a") + '\0' + "b\"}",
        std::string("not json"),
        "{\"type\":\"x\",\"deep\":" + test::nested("[", "]", 100'000) + "}",
        "{\"type\":\"x\",\"deep\":" + test::nested("{\"a\":", "}", 100'000) + "}",
        "{\"type\":" + std::string(100'000, '[')}) {
    refuses(bad, "malformed");
  }
  CHECK(std::holds_alternative<UnknownMessage>(
      decoded("{\"type\":\"x\",\"deep\":" + test::nested("[", "]", 63) + "}")));
  refuses("{\"type\":\"x\",\"deep\":" + test::nested("[", "]", 64) + "}", "nested too deep");
}

TEST_CASE("exec_messages: every message is refused at every cut") {
  const std::string whole =
      R"({"type":"exec_stdout","id":"e\n","pid":5,"data":"a\u20acb\\","more":[{"x":null},true]})";
  REQUIRE(decode_exec_server_message(std::string(whole)).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(decode_exec_server_message(whole.substr(0, size)).ok());
  }
}

TEST_CASE("exec_messages: a hundred thousand members are read in passing") {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i)
    text += "\"k\":0,";
  text += R"("type":"exec_exit","exit_code":3})";
  const ExecServerMessage message = decoded(std::move(text));
  CHECK(std::get<ExecExit>(message).exit_code == 3);
}

TEST_CASE("exec_messages: bytes that are no UTF-8 arrive as they are") {
  // A server must not send them; the stream above replaces them.
  CHECK(std::get<ExecOutput>(decoded("{\"type\":\"exec_stdout\",\"data\":\"\xFF\"}")).data ==
        "\xFF");
}

TEST_CASE("exec_messages: half a surrogate pair does not end a stream") {
  CHECK(std::get<ExecOutput>(decoded(R"({"type":"exec_stdout","data":"a\ud83d"})")).data ==
        "a\uFFFD");
  CHECK(decode_exec_answer(R"({"exit_code":0,"stdout":"a\udcffz"})")->stdout_text ==
        "a\uFFFD\uFFFD\uFFFDz");
}

TEST_CASE("exec_messages: what a server writes, the SDK reads") {
  const ExecStarted started{"exec_1", 5};
  CHECK(std::get<ExecStarted>(decoded(encode(started))) == started);
  const ExecExit ended{"exec_1", 5, -7};
  CHECK(std::get<ExecExit>(decoded(encode(ended))) == ended);
  const StreamError error{"exec_1", "no\n\"such\" process", "not_found"};
  CHECK(std::get<StreamError>(decoded(encode(error))) == error);
  CHECK(encode(StreamError{"", "m", ""}) == R"({"type":"error","message":"m"})");

  std::mt19937 random(21);
  for (int round = 0; round < 200; ++round) {
    const std::string data = Json(test::random_bytes(random, 200)).as_string().value();
    for (const OutputStream stream : {OutputStream::out, OutputStream::err}) {
      const ExecOutput output{"id\\\"" + std::to_string(round), round, stream, data};
      const auto read = std::get<ExecOutput>(decoded(encode(output)));
      // Bytes that are no text are replaced on the way out, everything else arrives.
      CHECK(read ==
            ExecOutput{output.id, output.pid, stream, *Json::parse(Json(data).dump()).as_string()});
    }
  }
}

TEST_CASE("exec_messages: what the SDK writes is what the protocol shows") {
  CHECK(
      json(encode(ExecStart{
          "exec_0a1b2c3d",
          {.command = "make", .args = {"-j2"}, .cwd = "/workspace", .timeout_secs = 300}})) ==
      json(
          R"({"type":"exec_start","id":"exec_0a1b2c3d","command":"make","args":["-j2"],"timeout_secs":300,"cwd":"/workspace"})"));
  CHECK(
      json(encode(ExecStart{
          "e", {.command = "a | b", .shell = true, .envs = {{"A", "1"}}, .background = true}})) ==
      json(
          R"({"type":"exec_start","id":"e","command":"a | b","args":[],"timeout_secs":30,"shell":true,"envs":{"A":"1"}})"));
  CHECK(encode(ExecConnect{"exec_9f8e7d6c", 502}) ==
        R"({"type":"exec_connect","id":"exec_9f8e7d6c","pid":502})");
  CHECK(encode(ExecStdin{"e", 502, "yes\n"}) ==
        R"({"type":"exec_stdin","id":"e","pid":502,"data":"yes\n"})");
  CHECK(encode(ExecStdinClose{"e", 502}) == R"({"type":"exec_stdin_close","id":"e","pid":502})");
  CHECK(encode(ExecKill{"e", 502}) == R"({"type":"exec_kill","id":"e","pid":502})");
}

}  // namespace nullspace::inline v0::wire

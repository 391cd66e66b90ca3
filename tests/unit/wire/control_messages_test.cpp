#include "wire/control_messages.hpp"

#include <random>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;

namespace {

template <typename Message>
Message decoded(std::string_view text) {
  auto result = decode_client_message(text);
  if (const auto* error = std::get_if<StreamError>(&result)) FAIL(error->message);
  const auto* message = std::get_if<Message>(std::get_if<ClientMessage>(&result));
  INFO(text);
  REQUIRE(message != nullptr);
  return *message;
}

template <typename Message>
void survives(const Message& message) {
  CHECK(decoded<Message>(encode(message)) == message);
}

void refuses(std::string_view text, std::string_view part, std::string_view id) {
  const auto result = decode_client_message(text);
  INFO(text);
  const auto* error = std::get_if<StreamError>(&result);
  REQUIRE(error != nullptr);
  INFO(error->message);
  CHECK(contains(error->message, "invalid message"));
  CHECK(contains(error->message, part));
  CHECK(error->code == "invalid_request");
  CHECK(error->id == id);
}

}  // namespace

TEST_CASE("control_messages: the recorded messages") {
  const auto start = decoded<ExecStart>(
      R"({"type":"exec_start","id":"exec_0a1b2c3d","command":"make","args":["-j2"],"timeout_secs":300,"cwd":"/workspace"})");
  CHECK(start ==
        ExecStart{"exec_0a1b2c3d",
                  {.command = "make", .args = {"-j2"}, .cwd = "/workspace", .timeout_secs = 300}});
  CHECK(decoded<ExecConnect>(R"({"type":"exec_connect","id":"exec_9f8e7d6c","pid":502})") ==
        ExecConnect{"exec_9f8e7d6c", 502});
  CHECK(decoded<ExecStdin>(R"({"type":"exec_stdin","id":"e","pid":502,"data":"yes\n"})") ==
        ExecStdin{"e", 502, "yes\n"});
  CHECK(decoded<ExecStdinClose>(R"({"type":"exec_stdin_close","id":"e","pid":502})") ==
        ExecStdinClose{"e", 502});
  CHECK(decoded<ExecKill>(R"({"type":"exec_kill","id":"e","pid":502})") == ExecKill{"e", 502});
  CHECK(
      decoded<PtyStart>(
          R"({"type":"pty_start","id":"pty_11aa22bb","cols":100,"rows":28,"cwd":"/workspace","envs":{"TERM":"xterm-256color"}})") ==
      PtyStart{"pty_11aa22bb", 100, 28, "/workspace", {{"TERM", "xterm-256color"}}});
  CHECK(decoded<PtyConnect>(R"({"type":"pty_connect","id":"p","session_id":"ses_4d"})") ==
        PtyConnect{"p", "ses_4d", {}});
  CHECK(decoded<PtyConnect>(R"({"type":"pty_connect","id":"p","pid":640,"session_id":null})") ==
        PtyConnect{"p", "", 640});
  CHECK(
      decoded<PtyInput>(R"({"type":"pty_input","id":"p","session_id":"s","data_base64":"bHMK"})") ==
      PtyInput{"p", "s", "ls\n"});
  CHECK(decoded<PtyInput>(R"({"type":"pty_input","id":"p","session_id":"s","data":"ls\n"})") ==
        PtyInput{"p", "s", "ls\n"});
  CHECK(decoded<PtyResize>(
            R"({"type":"pty_resize","id":"p","session_id":"s","cols":140,"rows":40})") ==
        PtyResize{"p", "s", 140, 40});
  CHECK(decoded<PtyKill>(R"({"type":"pty_kill","id":"p","session_id":"s"})") == PtyKill{"p", "s"});
}

TEST_CASE("control_messages: the defaults of what is left out") {
  CHECK(decoded<ExecStart>(R"({"type":"exec_start","id":"e","command":"ls"})") ==
        ExecStart{"e", {.command = "ls"}});
  CHECK(decoded<PtyStart>(R"({"type":"pty_start","id":"p","new":{}})") ==
        PtyStart{"p", 120, 30, "", {}});
  CHECK(decoded<PtyStart>(
            R"({"type":"pty_start","id":"p","cols":null,"rows":null,"cwd":null,"envs":null})")
            .cols == 120);
  // The socket has no background commands; a member of that name means nothing.
  CHECK_FALSE(
      decoded<ExecStart>(R"({"type":"exec_start","id":"e","command":"ls","background":true})")
          .request.background);
}

TEST_CASE("control_messages: what the SDK writes, a server reads") {
  std::mt19937 random(41);
  for (int round = 0; round < 100; ++round) {
    survives(PtyInput{"p", "s", test::random_bytes(random, 300)});
  }
  survives(ExecStart{"e\"\\",
                     {.command = "a\x1b\n",
                      .args = {"", "ü", "\x7f"},
                      .cwd = "/",
                      .envs = {{"A", ""}},
                      .timeout_secs = kMaxTimeoutSecs}});
  survives(ExecStart{"e", {.command = "a | b", .shell = true}});
  survives(ExecConnect{"e", 1});
  survives(ExecStdin{"e", 7, std::string("a\0b", 3)});
  survives(ExecStdinClose{"e", 7});
  survives(ExecKill{"e", 7});
  survives(PtyStart{"p", 1, 65535, "/workspace", {{"A", "1"}}});
  survives(PtyConnect{"p", "ses_1", {}});
  survives(PtyConnect{"p", "", 640});
  survives(PtyResize{"p", "s", 65535, 1});
  survives(PtyKill{"p", "s"});
}

TEST_CASE("control_messages: refused with the words the protocol asks for") {
  refuses("", "empty", "");
  refuses("not json", "malformed", "");
  refuses("[]", "expected an object", "");
  refuses("\"exec_start\"", "expected an object", "");
  refuses("{}", "message.type", "");
  refuses(R"({"type":"exec_start"})", "message.id", "");
  refuses(R"({"type":"exec_start","id":""})", "message.id", "");
  refuses(R"({"type":"exec_start","id":7,"command":"ls"})", "message.id", "");
  refuses(R"({"type":7,"id":"e"})", "message.type", "e");
  refuses(R"({"type":null,"id":"e"})", "message.type", "e");
  refuses(R"({"type":"exec_dance","id":"e"})", "exec_dance.type: unknown", "e");
  refuses(R"({"type":"file_watch","id":"e","path":"/"})", "unknown", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls")", "malformed", "");
  refuses(test::nested("[", "]", 100'000), "nested too deep", "");
  refuses(R"({"type":"exec_start","id":"e","x":)" + test::nested("[", "]", 64) + "}",
          "nested too deep", "");
}

TEST_CASE("control_messages: bad exec messages keep their id and name the field") {
  refuses(R"({"type":"exec_start","id":"e"})", "exec_start.command", "e");
  refuses(R"({"type":"exec_start","id":"e","command":""})", "exec_start.command", "e");
  refuses(R"({"type":"exec_start","id":"e","command":["ls"]})", "exec_start.command", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"a\u0000b"})", "exec_start.command", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","args":"-l"})", "exec_start.args", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","args":["-l"],"shell":true})",
          "exec_start.args", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","timeout_secs":0})",
          "exec_start.timeout_secs", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","timeout_secs":-1})",
          "exec_start.timeout_secs", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","timeout_secs":"30"})",
          "exec_start.timeout_secs", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","cwd":"tmp"})", "exec_start.cwd", "e");
  refuses(R"({"type":"exec_start","id":"e","command":"ls","envs":{"A":1}})", "exec_start.envs",
          "e");
  refuses(R"({"type":"exec_connect","id":"e"})", "exec_connect.pid", "e");
  refuses(R"({"type":"exec_connect","id":"e","pid":"502"})", "exec_connect.pid", "e");
  refuses(R"({"type":"exec_connect","id":"e","pid":0})", "exec_connect.pid", "e");
  refuses(R"({"type":"exec_kill","id":"e","pid":-1})", "exec_kill.pid", "e");
  refuses(R"({"type":"exec_kill","id":"e","pid":99999999999})", "exec_kill.pid", "e");
  refuses(R"({"type":"exec_stdin","id":"e","pid":5})", "exec_stdin.data", "e");
  refuses(R"({"type":"exec_stdin","id":"e","pid":5,"data":7})", "exec_stdin.data", "e");
  refuses(R"({"type":"exec_stdin_close","id":"e"})", "exec_stdin_close.pid", "e");
}

TEST_CASE("control_messages: bad pty messages keep their id and name the field") {
  for (const std::string_view size :
       {R"("cols":0)", R"("cols":70000)", R"("cols":-1)", R"("cols":"80")", R"("cols":1.5)"}) {
    refuses(R"({"type":"pty_start","id":"p",)" + std::string(size) + "}", "pty_start.cols", "p");
    refuses(R"({"type":"pty_resize","id":"p","session_id":"s","rows":5,)" + std::string(size) + "}",
            "pty_resize.cols", "p");
  }
  refuses(R"({"type":"pty_start","id":"p","rows":65536})", "pty_start.rows", "p");
  refuses(R"({"type":"pty_start","id":"p","cwd":"x"})", "pty_start.cwd", "p");
  refuses(R"({"type":"pty_start","id":"p","envs":[]})", "pty_start.envs", "p");
  refuses(R"({"type":"pty_connect","id":"p"})", "pty_connect.session_id", "p");
  refuses(R"({"type":"pty_connect","id":"p","session_id":"s","pid":1})", "pty_connect.session_id",
          "p");
  refuses(R"({"type":"pty_connect","id":"p","session_id":""})", "pty_connect.session_id", "p");
  refuses(R"({"type":"pty_connect","id":"p","pid":0})", "pty_connect.pid", "p");
  refuses(R"({"type":"pty_input","id":"p","session_id":"s"})", "pty_input.data", "p");
  refuses(R"({"type":"pty_input","id":"p","session_id":"s","data":"a","data_base64":"YQ=="})",
          "pty_input.data", "p");
  refuses(R"({"type":"pty_input","id":"p","session_id":"s","data_base64":"YQ="})",
          "pty_input.data_base64", "p");
  refuses(R"({"type":"pty_input","id":"p","session_id":"s","data_base64":5})",
          "pty_input.data_base64", "p");
  refuses(R"({"type":"pty_input","id":"p","data":"a"})", "pty_input.session_id", "p");
  refuses(R"({"type":"pty_resize","id":"p","session_id":"s","cols":80})", "pty_resize.rows", "p");
  refuses(R"({"type":"pty_resize","id":"p","cols":80,"rows":24})", "pty_resize.session_id", "p");
  refuses(R"({"type":"pty_kill","id":"p"})", "pty_kill.session_id", "p");
}

TEST_CASE("control_messages: a refusal is ready to be sent") {
  const auto result = decode_client_message("{oops");
  CHECK_FALSE(contains(encode(std::get<StreamError>(result)), "\"id\""));
}

}  // namespace nullspace::inline v0::wire

#include "wire/pty_messages.hpp"

#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;
using nullspace::test::json;

namespace {

PtyServerMessage decoded(std::string text) {
  auto message = decode_pty_server_message(std::move(text));
  if (!message.ok()) FAIL(message.error().message);
  return std::move(*message);
}

void refuses(std::string text, std::string_view part) {
  INFO(text);
  const auto message = decode_pty_server_message(std::move(text));
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().code == "invalid_response");
  INFO(message.error().message);
  CHECK(contains(message.error().message, part));
}

}  // namespace

TEST_CASE("pty_messages: the recorded stream") {
  const auto started = std::get<PtyStarted>(decoded(
      R"({"type":"pty_started","id":"pty_11aa22bb","session_id":"ses_4d","pid":640,"cols":100,"rows":28,"exec_id":"exec-77"})"));
  CHECK(started.id == "pty_11aa22bb");
  CHECK(started.session.session_id == "ses_4d");
  CHECK(started.session.pid == 640);
  CHECK(started.session.cols == 100);
  CHECK(started.session.rows == 28);
  CHECK(started.session.exec_id == "exec-77");
  CHECK(
      std::get<PtyOutput>(decoded(
          R"({"type":"pty_output","id":"pty_11aa22bb","session_id":"ses_4d","data":"ls\r\n","data_base64":"bHMNCg=="})")) ==
      PtyOutput{"pty_11aa22bb", "ses_4d", "ls\r\n"});
  CHECK(
      std::get<PtyExited>(decoded(
          R"({"type":"pty_exited","id":"pty_11aa22bb","session_id":"ses_4d","exit_code":137})")) ==
      PtyExited{"pty_11aa22bb", "ses_4d", 137});
  CHECK(
      std::get<StreamError>(decoded(
          R"({"type":"error","id":"pty_33cc44dd","message":"session ses_4d not found","code":"not_found"})")) ==
      StreamError{"pty_33cc44dd", "session ses_4d not found", "not_found"});
}

TEST_CASE("pty_messages: a start that says little") {
  const auto started = std::get<PtyStarted>(
      decoded(R"({"type":"pty_started","session_id":"s","cols":null,"rows":0,"exec_id":null})"));
  CHECK(started.session.pid == 0);
  CHECK(started.session.cols == 0);
  CHECK(started.session.rows == 0);
  CHECK(started.session.exec_id.empty());
}

TEST_CASE("pty_messages: a start without a session is refused") {
  refuses(R"({"type":"pty_started","pid":5})", "pty_started.session_id");
  refuses(R"({"type":"pty_started","session_id":"","pid":5})", "pty_started.session_id");
  refuses(R"({"type":"pty_started","session_id":null,"pid":5})", "pty_started.session_id");
  refuses(R"({"type":"pty_started","session_id":7,"pid":5})", "pty_started.session_id");
  refuses(R"({"type":"pty_started","session_id":"s","pid":"5"})", "pty_started.pid");
  refuses(R"({"type":"pty_started","session_id":"s","cols":1.5})", "pty_started.cols");
  refuses(R"({"type":"pty_started","session_id":"s","rows":{}})", "pty_started.rows");
  refuses(R"({"type":"pty_started","session_id":"s","exec_id":7})", "pty_started.exec_id");
}

TEST_CASE("pty_messages: the exact bytes win over their rendering") {
  const auto data = [](std::string text) {
    return std::get<PtyOutput>(decoded(std::move(text))).data;
  };
  CHECK(data(R"({"type":"pty_output","data":"?","data_base64":"/wA="})") ==
        std::string("\xFF\0", 2));
  CHECK(data(R"({"type":"pty_output","data_base64":"/wA=","data":"?"})") ==
        std::string("\xFF\0", 2));
  CHECK(data(R"({"type":"pty_output","data":7,"data_base64":"YQ=="})") == "a");
  CHECK(data(R"({"type":"pty_output","data":"€\u0000","data_base64":null})") ==
        std::string("€\0", 4));
  CHECK(data(R"({"type":"pty_output","data":"plain"})") == "plain");
  CHECK(data(R"({"type":"pty_output","data_base64":""})").empty());
  // Writers that escape slashes, or everything.
  CHECK(data(R"({"type":"pty_output","data_base64":"\/wA="})") == std::string("\xFF\0", 2));
  CHECK(data(R"({"type":"pty_output","data_base64":"\u0059\u0051=="})") == "a");
}

TEST_CASE("pty_messages: an output without good bytes is refused") {
  refuses(R"({"type":"pty_output","session_id":"s"})", "pty_output.data");
  refuses(R"({"type":"pty_output","data":null,"data_base64":null})", "pty_output.data");
  refuses(R"({"type":"pty_output","data":5})", "pty_output.data");
  for (const std::string_view base64 :
       {"Y", "YQ", "YQ=", "YQ===", "YQ==YQ==", "Y Q=", "YQ\\n==", "Y-==", "€", "\\x"}) {
    refuses(R"({"type":"pty_output","data":"fine","data_base64":")" + std::string(base64) + "\"}",
            "pty_output.data_base64");
  }
  refuses(R"({"type":"pty_output","data":"fine","data_base64":7})", "pty_output.data_base64");
  refuses(R"({"type":"pty_output","data":"fine","data_base64":["YQ=="]})",
          "pty_output.data_base64");
  refuses(R"({"type":"pty_output","data_base64":"YQ==","id":7})", "pty_output.id");
  refuses(R"({"type":"pty_output","data_base64":"YQ==","session_id":7})", "pty_output.session_id");
}

TEST_CASE("pty_messages: the end of a session") {
  CHECK(std::get<PtyExited>(decoded(R"({"type":"pty_exited"})")).exit_code == 0);
  CHECK(std::get<PtyExited>(decoded(R"({"type":"exec_exit","exit_code":7})")) ==
        PtyExited{"", "", 7});
  CHECK(std::get<PtyExited>(decoded(R"({"type":"pty_exited","exit_code":-1})")).exit_code == -1);
  refuses(R"({"type":"pty_exited","exit_code":null})", "pty_exited.exit_code");
  refuses(R"({"type":"pty_exited","exit_code":"0"})", "pty_exited.exit_code");
  refuses(R"({"type":"pty_exited","exit_code":0.5})", "pty_exited.exit_code");
  refuses(R"({"type":"exec_exit","exit_code":[]})", "exec_exit.exit_code");
}

TEST_CASE("pty_messages: unknown types and what is no message") {
  CHECK(std::get<UnknownMessage>(decoded(R"({"type":"pty_title","title":"vim"})")) ==
        UnknownMessage{"pty_title"});
  refuses("", "malformed");
  refuses("[]", "malformed");
  refuses(R"({"id":"x"})", "malformed");
  refuses(R"({"type":"error"})", "error.message");
  refuses("{\"type\":\"pty_output\",\"x\":" + test::nested("[", "]", 100'000) + "}", "malformed");
  const std::string whole =
      R"({"type":"pty_output","session_id":"ses_4d","data":"ls\r\n","data_base64":"bHMNCg=="})";
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(decode_pty_server_message(whole.substr(0, size)).ok());
}

TEST_CASE("pty_messages: any bytes of a terminal arrive") {
  std::mt19937 random(31);
  for (int round = 0; round < 300; ++round) {
    const PtyOutput output{"pty_1", "ses_1", test::random_bytes(random, 500)};
    CHECK(std::get<PtyOutput>(decoded(encode(output))) == output);
  }
}

TEST_CASE("pty_messages: an output carries both forms") {
  CHECK(encode(PtyOutput{"p", "s", "a\xFF\r\n"}) ==
        "{\"type\":\"pty_output\",\"id\":\"p\",\"session_id\":\"s\",\"data\":\"a\uFFFD\\r\\n\","
        "\"data_base64\":\"Yf8NCg==\"}");
}

TEST_CASE("pty_messages: what a server writes, the SDK reads") {
  PtyStarted started;
  started.id = "pty_1";
  started.session = {
      .session_id = "ses_1", .pid = 640, .cols = 100, .rows = 28, .exec_id = "exec-77"};
  const auto read = std::get<PtyStarted>(decoded(encode(started)));
  CHECK(read.id == "pty_1");
  CHECK(read.session.session_id == "ses_1");
  CHECK(read.session.cols == 100);
  CHECK(read.session.exec_id == "exec-77");
  const PtyExited exited{"pty_1", "ses_1", 137};
  CHECK(std::get<PtyExited>(decoded(encode(exited))) == exited);
}

TEST_CASE("pty_messages: what the SDK writes is what the protocol shows") {
  CHECK(
      json(encode(PtyStart{"pty_11aa22bb", 100, 28, "/workspace", {{"TERM", "xterm-256color"}}})) ==
      json(
          R"({"type":"pty_start","id":"pty_11aa22bb","cols":100,"rows":28,"cwd":"/workspace","envs":{"TERM":"xterm-256color"}})"));
  CHECK(json(encode(PtyStart{.id = "p"})) ==
        json(R"({"type":"pty_start","id":"p","cols":120,"rows":30})"));
  CHECK(encode(PtyConnect{"p", "ses_4d", {}}) ==
        R"({"type":"pty_connect","id":"p","session_id":"ses_4d"})");
  CHECK(encode(PtyConnect{"p", "", 640}) == R"({"type":"pty_connect","id":"p","pid":640})");
  CHECK(encode(PtyInput{"p", "ses_4d", "ls\n"}) ==
        R"({"type":"pty_input","id":"p","session_id":"ses_4d","data_base64":"bHMK"})");
  CHECK(encode(PtyResize{"p", "ses_4d", 140, 40}) ==
        R"({"type":"pty_resize","id":"p","session_id":"ses_4d","cols":140,"rows":40})");
  CHECK(encode(PtyKill{"p", "ses_4d"}) == R"({"type":"pty_kill","id":"p","session_id":"ses_4d"})");
}

TEST_CASE("pty_messages: sizes") {
  CHECK(validate(PtySize{1, 1}).ok());
  CHECK(validate(PtySize{65535, 65535}).ok());
  for (const PtySize bad : {PtySize{0, 30}, PtySize{120, 0}, PtySize{-1, 30}, PtySize{65536, 30},
                            PtySize{120, 70000}}) {
    const auto refused = validate(bad);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == "invalid_request");
    CHECK_FALSE(decode_resize_request(encode_resize_request(bad)).ok());
  }
  CHECK(encode_resize_request({140, 40}) == R"({"cols":140,"rows":40})");
  CHECK(decode_resize_request(R"({"cols": 140, "rows": 40})")->cols == 140);
  for (const std::string_view bad : {"{}", R"({"cols": 1})", R"({"cols": "1", "rows": 1})",
                                     R"({"cols": 1, "rows": 1.5})", "", "[]"}) {
    const auto refused = decode_resize_request(bad);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == "invalid_request");
  }
}

TEST_CASE("pty_messages: REST sessions") {
  const std::string_view recorded =
      R"({"session_id":"ses_4d","pid":640,"cols":100,"rows":28,"exec_id":"exec-77"})";
  const auto session = decode_pty_session(recorded);
  REQUIRE(session.ok());
  CHECK(session->pid == 640);
  CHECK(encode_pty_session(*session) == recorded);
  const std::vector<PtySessionInfo> two{*session, *session};
  CHECK(encode_pty_sessions(two) ==
        "[" + std::string(recorded) + "," + std::string(recorded) + "]");
  CHECK(decode_pty_sessions(encode_pty_sessions(two))->size() == 2);
  CHECK(decode_pty_sessions("[]")->empty());
  CHECK(decode_pty_session(R"({"session_id":"s","pid":1,"cols":1,"rows":1,"exec_id":null})")
            ->exec_id.empty());
  for (const std::string_view bad :
       {R"({"pid":1,"cols":1,"rows":1})", R"({"session_id":"s","cols":1,"rows":1})",
        R"({"session_id":"s","pid":1,"rows":1})", R"({"session_id":"s","pid":1,"cols":1})",
        R"({"session_id":"","pid":1,"cols":1,"rows":1})", "[]", ""}) {
    INFO(bad);
    CHECK_FALSE(decode_pty_session(bad).ok());
  }
  CHECK_FALSE(decode_pty_sessions("{}").ok());
  CHECK_FALSE(decode_pty_sessions("[{}]").ok());
}

}  // namespace nullspace::inline v0::wire

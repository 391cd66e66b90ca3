#include "api/rest.hpp"

#include <chrono>
#include <stop_token>
#include <string>
#include <thread>

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
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

TEST_CASE("every request carries the key and says who sends it") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.user_agent = "my-app/3";
  options.timeouts.connect = milliseconds{1234};
  options.timeouts.request = milliseconds{5678};
  options.max_response_bytes = 4321;
  const Client client(options);
  scripted.http->push(response(200, sandbox_body()));
  (void)Sandbox::get_info_by_id(client, "sb_1");
  const auto request = scripted.http->request(0);
  CHECK(request.method == "GET");
  CHECK(request.url == "https://api.example.test/prefix/v1/sandboxes/sb_1");
  CHECK(header(request.headers, "Authorization") == "Bearer " + std::string(kTestKey));
  CHECK(header(request.headers, "User-Agent") == "nullspace-cpp/0.1.0 my-app/3");
  CHECK(header(request.headers, "Accept") == "application/json");
  CHECK_FALSE(header(request.headers, "Content-Type"));
  CHECK(request.body.empty());
  CHECK(request.connect_timeout == milliseconds{1234});
  CHECK(request.timeout == milliseconds{5678});
  CHECK(request.max_response_bytes == 4321);
}

TEST_CASE("the machine dialect has another noun") {
  const ScriptedClient scripted;
  scripted.http->push(response(200, sandbox_body("mch_1")));
  (void)Sandbox::get_info_by_id(scripted.client(Dialect::machine), "mch_1");
  CHECK(scripted.http->request(0).url == "https://api.example.test/prefix/v1/machines/mch_1");
}

TEST_CASE("a request with a body says what it is, one without has none") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(204));
  sandbox.set_timeout(std::chrono::seconds{45});
  CHECK(header(scripted.http->request(0).headers, "Content-Type") == "application/json");
  CHECK(nullspace::Json::parse(scripted.http->request(0).body)["timeout_ms"].as_int() == 45'000);
  scripted.http->push(response(204));
  sandbox.kill();
  CHECK(scripted.http->request(1).method == "DELETE");
  CHECK_FALSE(header(scripted.http->request(1).headers, "Content-Type"));
  CHECK(scripted.http->request(1).body.empty());
}

TEST_CASE("only what would be done twice insists on a fresh connection") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, sandbox_body()));
  (void)sandbox.get_info();
  scripted.http->push(response(200, R"({"exit_code":0,"stdout":"","stderr":""})"));
  (void)sandbox.commands().run("true");
  CHECK_FALSE(scripted.http->request(0).fresh_connection);
  CHECK(scripted.http->request(1).fresh_connection);
}

TEST_CASE("an error answer becomes an error with everything it said") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(
      response(409, R"({"error":{"code":"TRANSITION_IN_PROGRESS","message":"busy","retryable":true,
                        "suggested_action":"Wait.","details":{"state":"creating"}}})",
               {{"X-Request-Id", "req_header"}}));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.code() == "transition_in_progress");
  CHECK(error.message() == "busy");
  CHECK(error.http_status() == 409);
  CHECK(error.retryable());
  CHECK(error.request_id() == "req_header");
  CHECK(error.suggested_action() == "Wait.");
  CHECK(error.info().details["state"].as_string() == "creating");
  CHECK(error.info().operation == "GET /v1/sandboxes/sb_1");
}

TEST_CASE("a proxy's page is no answer") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(502, "<html><body>Bad Gateway</body></html>"));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.kind() == ErrorKind::server);
  CHECK(error.code() == "unknown");
  CHECK(error.http_status() == 502);
}

TEST_CASE("a success that makes no sense is an invalid response") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  for (const char* body : {"", "<html>", "[]", "{}", R"({"id":7})", R"({"id":"sb_1"})", "null"}) {
    CAPTURE(body);
    scripted.http->push(response(200, body));
    const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
    CHECK(error.kind() == ErrorKind::invalid_response);
  }
}

TEST_CASE("a redirect is an invalid response, and is not followed") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const int status = GENERATE(300, 301, 302, 303, 307, 308, 304);
  scripted.http->push(response(status, "", {{"Location", "https://evil.test/"}}));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.kind() == ErrorKind::invalid_response);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("empty answers of calls without a value are fine") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const int status = GENERATE(200, 202, 204);
  for (int i = 0; i < 4; ++i)
    scripted.http->push(response(status));
  sandbox.kill();
  sandbox.set_timeout(std::chrono::seconds{1});
  sandbox.commands().kill(7);
  sandbox.commands().send_stdin(7, "text");
  CHECK(scripted.http->count() == 4);
}

TEST_CASE("failures below HTTP name the call") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(failure(TransportFailureKind::receive, "connection reset"));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(error.message() == "GET /v1/sandboxes/sb_1 failed: connection reset");
  CHECK(error.retryable());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("the three time-outs are told apart") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(failure(TransportFailureKind::connect_timeout));
  CHECK(thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); }).deadline() ==
        Deadline::connect);
  scripted.http->push(failure(TransportFailureKind::timeout));
  CHECK(thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); }).deadline() ==
        Deadline::caller);
}

TEST_CASE("rate limits are waited for, three times") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const std::string body = GENERATE(
      as<std::string>{}, R"({"error":"slow down","code":"rate_limit_exceeded"})",
      R"({"error":"slow down"})", R"({"error":{"message":"slow","code":"rate_limit_exceeded"}})");
  const auto limited = response(429, body, {{"Retry-After", "0"}});
  SECTION("and then there is an answer") {
    for (int i = 0; i < 3; ++i)
      scripted.http->push(limited);
    scripted.http->push(response(200, sandbox_body()));
    CHECK(Sandbox::get_info_by_id(client, "sb_1").id == "sb_1");
    CHECK(scripted.http->count() == 4);
  }
  SECTION("and then there is none") {
    for (int i = 0; i < 4; ++i)
      scripted.http->push(limited);
    const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
    CHECK(error.http_status() == 429);
    CHECK(scripted.http->count() == 4);
  }
}

TEST_CASE("only a rate limit is waited for") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  struct Row {
    int status;
    const char* body;
    ErrorKind kind;
  };
  const Row row = GENERATE(
      Row{429, R"({"error":"full","code":"capacity_exceeded"})", ErrorKind::quota_exceeded},
      Row{429, R"({"error":{"message":"full","code":"capacity_exceeded"}})",
          ErrorKind::quota_exceeded},
      Row{429, R"({"error":"over","code":"QUOTA_EXCEEDED"})", ErrorKind::quota_exceeded},
      Row{429, "<html>slow down</html>", ErrorKind::server},
      Row{503, R"({"error":"x","code":"rate_limit_exceeded"})", ErrorKind::rate_limit},
      Row{500, R"({"error":"x","code":"internal_error"})", ErrorKind::server},
      Row{503, "", ErrorKind::server});
  CAPTURE(row.body);
  scripted.http->push(response(row.status, row.body, {{"Retry-After", "0"}}));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.kind() == row.kind);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a server that asks for more patience than allowed gets none") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(429, error_body("rate_limit_exceeded"), {{"Retry-After", "61"}}));
  const Error error = thrown_by([&client] { (void)Sandbox::get_info_by_id(client, "sb_1"); });
  CHECK(error.kind() == ErrorKind::rate_limit);
  CHECK(error.retry_after() == std::chrono::seconds{61});
  CHECK(error.retryable());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("no retries when none are wanted") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.retry.rate_limit_retries = 0;
  scripted.http->push(response(429, error_body("rate_limit_exceeded"), {{"Retry-After", "0"}}));
  const Client client(options);
  CHECK_THROWS_AS(Sandbox::get_info_by_id(client, "sb_1"), Error);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("waiting for a rate limit can be stopped") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  std::stop_source stop;
  // As long as the SDK waits at all; the stop comes while it does.
  scripted.http->answer_with([&stop](const nullspace::HttpRequest&) {
    stop.request_stop();
    return response(429, error_body("rate_limit_exceeded"), {{"Retry-After", "60"}});
  });
  const Error error =
      thrown_by([&] { sandbox.set_timeout(std::chrono::seconds{5}, {.stop = stop.get_token()}); });
  CHECK(error.kind() == ErrorKind::cancelled);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a call that is stopped before it starts sends nothing") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  std::stop_source stop;
  stop.request_stop();
  const Error error =
      thrown_by([&] { sandbox.set_timeout(std::chrono::seconds{5}, {.stop = stop.get_token()}); });
  CHECK(error.kind() == ErrorKind::cancelled);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("a request under way can be stopped") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push_silence();
  std::stop_source stop;
  std::jthread stopper([&] {
    if (scripted.http->wait_for_requests(1)) stop.request_stop();
  });
  const Error error =
      thrown_by([&] { sandbox.set_timeout(std::chrono::seconds{5}, {.stop = stop.get_token()}); });
  CHECK(error.kind() == ErrorKind::cancelled);
}

TEST_CASE("a deadline bounds all attempts of a call together") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(429, error_body("rate_limit_exceeded"), {{"Retry-After", "30"}}));
  const auto answer = nullspace::call(
      *client.core(), {.endpoint = nullspace::wire::Endpoint::get_sandbox,
                       .path = "/v1/sandboxes/sb_1",
                       .expiry = nullspace::support::Expiry::after(std::chrono::seconds{20})});
  // The wait would not end in time, so it is not begun.
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().kind == ErrorKind::rate_limit);
  CHECK(scripted.http->request(0).timeout <= std::chrono::seconds{20});

  const auto late = nullspace::call(*client.core(),
                                    {.endpoint = nullspace::wire::Endpoint::get_sandbox,
                                     .path = "/v1/sandboxes/sb_1",
                                     .expiry = nullspace::support::Expiry::after(milliseconds{0})});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().deadline == Deadline::caller);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("ids go into the path as one segment, whatever they hold") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const std::string base = "https://api.example.test/prefix/v1/sandboxes/";
  struct Row {
    std::string id;
    std::string segment;
  };
  for (const Row& row :
       {Row{"a/b", "a%2Fb"}, Row{"../admin", "..%2Fadmin"}, Row{"a?x=1", "a%3Fx%3D1"},
        Row{"a#b", "a%23b"}, Row{"a b", "a%20b"}, Row{"a%2Fb", "a%252Fb"},
        Row{"a\r\nHost: evil", "a%0D%0AHost%3A%20evil"}, Row{std::string("a\0b", 3), "a%00b"},
        Row{"\xC3\xA9", "%C3%A9"}, Row{"a\\b", "a%5Cb"}, Row{"...", "..."},
        Row{"sb_7k2-X.~", "sb_7k2-X.~"}}) {
    CAPTURE(row.id);
    scripted.http->push(response(200, sandbox_body()));
    (void)Sandbox::get_info_by_id(client, row.id);
    CHECK(scripted.http->requests().back().url == base + row.segment);
  }
}

TEST_CASE("ids that no encoding saves are refused before anything is sent") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  for (const char* id : {"", ".", ".."}) {
    CAPTURE(id);
    CHECK(thrown_by([&] { (void)Sandbox::get_info_by_id(client, id); }).kind() ==
          ErrorKind::invalid_request);
    CHECK(thrown_by([&] { Sandbox::kill_by_id(client, id); }).kind() == ErrorKind::invalid_request);
    CHECK(thrown_by([&] { (void)Sandbox::find(client, id); }).kind() == ErrorKind::invalid_request);
    CHECK(thrown_by([&] { (void)Sandbox::connect(client, id); }).kind() ==
          ErrorKind::invalid_request);
  }
  const Sandbox sandbox = scripted.sandbox();
  CHECK(thrown_by([&] { sandbox.pty().kill_session(".."); }).kind() == ErrorKind::invalid_request);
  CHECK(thrown_by([&] { (void)sandbox.pty().get_session_info(""); }).kind() ==
        ErrorKind::invalid_request);
  for (const int pid : {0, -1}) {
    CHECK(thrown_by([&] { sandbox.commands().kill(pid); }).kind() == ErrorKind::invalid_request);
    CHECK(thrown_by([&] { sandbox.commands().send_stdin(pid, ""); }).kind() ==
          ErrorKind::invalid_request);
    CHECK(thrown_by([&] { sandbox.commands().close_stdin(pid); }).kind() ==
          ErrorKind::invalid_request);
    CHECK(thrown_by([&] { (void)sandbox.commands().get_logs(pid); }).kind() ==
          ErrorKind::invalid_request);
    CHECK(thrown_by([&] { (void)sandbox.commands().connect(pid); }).kind() ==
          ErrorKind::invalid_request);
    CHECK(thrown_by([&] { (void)sandbox.pty().connect(pid); }).kind() ==
          ErrorKind::invalid_request);
  }
  CHECK(scripted.http->count() == 0);
  CHECK(scripted.network->count() == 0);
}

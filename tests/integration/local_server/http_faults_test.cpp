// What rules and the header do to answers.
#include <chrono>
#include <string>

#include "tests/integration/local_server/fault_support.hpp"
#include "tests/support/eventually.hpp"
#include "wire/utf8.hpp"

using nullspace::Json;
using nullspace::test::FaultyServer;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::RawSocket;
using nullspace::test::send_request;
using namespace std::chrono_literals;

namespace {

std::string body_of(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}

std::size_t count_sandboxes(const FaultyServer& server) {
  return server.client().get("/v1/sandboxes").json().array().size();
}

// All that comes of a request with that fault in its header.
struct Outcome {
  std::string text;
  bool reset = false;
};
Outcome get_with(const FaultyServer& server, const std::string& fault,
                 const std::string& path = "/v1/sandboxes") {
  RawSocket socket = send_request(server, "GET", path, "",
                                  {{"x-nullspace-fault", fault}, {"Connection", "close"}});
  Outcome outcome;
  outcome.text = socket.receive_all();
  outcome.reset = socket.was_reset();
  return outcome;
}

}  // namespace

TEST_CASE("a header asks for one request only") {
  const FaultyServer server;
  RawClient client = server.client();
  const auto with = [&client](const std::string& fault) {
    return client.call("GET", "/v1/sandboxes", "", {{"X-Nullspace-Fault", fault}});
  };
  const RawAnswer limited = with("return-429;retry_after=3");
  CHECK(limited.status == 429);
  CHECK(limited.code() == "rate_limit_exceeded");
  CHECK(limited.headers.at("retry-after") == "3");
  CHECK(with("return-502;code=exec_failed").code() == "exec_failed");
  CHECK(with("expire-token").headers.at("www-authenticate") == "Bearer");
  CHECK(with("stall-pong").status == 200);
  const RawAnswer wrong = with("nonsense");
  CHECK(wrong.status == 400);
  CHECK(wrong.json()["error"].as_string().value().find("x-nullspace-fault") == 0);
  CHECK(client.get("/v1/sandboxes").status == 200);
}

TEST_CASE("an answer of one's own") {
  FaultyServer server;
  server.install("return-502",
                 {{"body", "<html>bad gateway</html>"}, {"content_type", "text/html"}});
  const RawAnswer answer = server.client().get("/v1/sandboxes");
  CHECK(answer.status == 502);
  CHECK(answer.headers.at("content-type") == "text/html");
  CHECK(answer.body == "<html>bad gateway</html>");
}

TEST_CASE("expired keys are refused until they are good again") {
  FaultyServer server;
  const std::string id = server.install("expire-token");
  RawClient client = server.client();
  for (const char* path : {"/v1/sandboxes", "/v1/sandboxes/none"}) {
    const RawAnswer answer = client.get(path);
    CHECK(answer.status == 401);
    CHECK(answer.code() == "unauthorized");
  }
  // The door stays open.
  CHECK(client.call("DELETE", "/_emu/faults/" + id).status == 200);
  CHECK(client.get("/v1/sandboxes").status == 200);
}

TEST_CASE("a reset before the request is served, and one in place of the answer") {
  const FaultyServer server;
  const auto create_with = [&server](const char* fault) {
    RawSocket socket =
        send_request(server, "POST", "/v1/sandboxes", "{}", {{"x-nullspace-fault", fault}});
    CHECK(socket.receive_all().empty());
    return socket.was_reset();
  };
  CHECK(create_with("return-reset-connection"));
  CHECK(count_sandboxes(server) == 0);
  CHECK(create_with("return-reset-connection-before-answer"));
  CHECK(count_sandboxes(server) == 1);
}

TEST_CASE("an answer that breaks off") {
  const FaultyServer server;
  const auto broken_by = [&server](const char* fault) {
    return get_with(server, fault, "/v1/sandboxes/none");
  };
  const std::string whole = broken_by("stall-for-0s").text;
  const std::size_t head = whole.size() - body_of(whole).size();
  REQUIRE(body_of(whole).size() > 10);

  const Outcome behind_head = broken_by("return-reset-connection-after-0B");
  CHECK(behind_head.text.size() == head);
  CHECK(behind_head.reset);
  const Outcome in_body = broken_by("return-reset-connection-after-7B");
  CHECK(in_body.text.size() == head + 7);
  CHECK(in_body.reset);
  const Outcome cut = broken_by("return-broken-stream-after-7B");
  CHECK(cut.text.size() == head + 7);
  CHECK_FALSE(cut.reset);
  const Outcome half = broken_by("return-broken-stream");
  CHECK(half.text.size() == head + body_of(whole).size() / 2);
  CHECK_FALSE(half.reset);
  // Shorter than that: nothing is missing.
  CHECK(broken_by("return-broken-stream-after-1K").text.size() == whole.size());
  CHECK(broken_by("return-reset-connection-after-1M").text.size() == whole.size());
}

TEST_CASE("a large answer is cut where it was asked to be") {
  FaultyServer server;
  const std::string sandbox = server.client().create();
  server.install("return-reset-connection-after-1M", {{"path", "/v1/sandboxes/*/exec"}});
  RawSocket socket =
      send_request(server, "POST", sandbox + "/exec",
                   R"({"command":"head -c 5000000 /dev/zero | tr '\\0' x","shell":true})");
  const std::string text = socket.receive_all();
  CHECK(socket.was_reset());
  CHECK(body_of(text).size() == 1U << 20U);
}

TEST_CASE("a stalled answer comes in the end, and the connection is good") {
  const FaultyServer server;
  RawSocket socket = send_request(server, "GET", "/v1/sandboxes/none", "",
                                  {{"x-nullspace-fault", "stall-for-200ms-after-5B"}});
  const auto begin = std::chrono::steady_clock::now();
  std::string first = socket.receive_until("\r\n\r\n");
  first += socket.receive();
  CHECK(body_of(first).size() == 5);
  const std::string rest = socket.receive();
  CHECK(std::chrono::steady_clock::now() - begin >= 200ms);
  CHECK(Json::parse(body_of(first + rest))["code"].as_string() == "sandbox_not_found");
  socket.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(nullspace::test::read_answer(socket).status == 200);
}

TEST_CASE("a request waits before it is served, an answer before it is sent") {
  const FaultyServer server;
  const auto took = [&server](const char* fault) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(get_with(server, fault).text.starts_with("HTTP/1.1 200"));
    return std::chrono::steady_clock::now() - begin;
  };
  CHECK(took("delay-for-100ms") >= 100ms);
  CHECK(took("stall-for-100ms") >= 100ms);
  CHECK(took("delay-for-100ms, stall-for-100ms") >= 200ms);
  // What is delayed has not happened yet.
  RawSocket waiting = send_request(server, "POST", "/v1/sandboxes", "{}",
                                   {{"x-nullspace-fault", "delay-for-3600s"}});
  RawSocket stalled = send_request(server, "POST", "/v1/sandboxes", "{}",
                                   {{"x-nullspace-fault", "stall-for-3600s"}});
  stalled.set_patience(200ms);
  CHECK(stalled.receive().empty());
  CHECK_FALSE(stalled.was_reset());
  REQUIRE(test::eventually([&] { return count_sandboxes(server) > 0; }));
  CHECK(count_sandboxes(server) == 1);
}

TEST_CASE("a delayed fault is a fault all the same") {
  const FaultyServer server;
  CHECK(get_with(server, "delay-for-50ms, return-500").text.starts_with("HTTP/1.1 500"));
  CHECK(get_with(server, "delay-for-50ms, return-reset-connection").reset);
}

TEST_CASE("answers that are no JSON, or no text") {
  const FaultyServer server;
  RawClient client = server.client();
  const RawAnswer garbage =
      client.call("GET", "/v1/sandboxes", "", {{"x-nullspace-fault", "garbage-json"}});
  CHECK(garbage.status == 200);
  CHECK_THROWS(garbage.json());
  CHECK(nullspace::wire::is_valid_utf8(garbage.body));
  const RawAnswer bad =
      client.call("GET", "/v1/sandboxes", "", {{"x-nullspace-fault", "bad-utf8"}});
  CHECK(bad.status == 200);
  CHECK_FALSE(nullspace::wire::is_valid_utf8(bad.body));
}

TEST_CASE("an upload is refused by its size") {
  FaultyServer server;
  const std::string id = server.install("return-503-after-4K", {{"method", "POST"}});
  RawClient client = server.client();
  CHECK(client.call("POST", "/v1/sandboxes", "[]").status == 400);
  CHECK(client.call("POST", "/v1/sandboxes", std::string(4096, ' ')).status == 503);
  CHECK(server.rule(id)["fired"].as_int() == 1);
}

TEST_CASE("chance is repeatable") {
  FaultyServer server;
  const auto seen = [&server] {
    server.install("return-503", {{"probability", 0.5}, {"seed", 5}});
    RawClient client = server.client();
    std::string pattern;
    for (int i = 0; i < 32; ++i)
      pattern += client.get("/v1/sandboxes").status == 503 ? 'x' : '.';
    server.server.clear_faults();
    return pattern;
  };
  const std::string first = seen();
  CHECK(first == seen());
  CHECK(first.find('x') != std::string::npos);
  CHECK(first.find('.') != std::string::npos);
}

TEST_CASE("what the header decides no rule is asked about") {
  FaultyServer server;
  const std::string rule = server.install("return-503");
  RawClient client = server.client();
  const auto with = [&client](const char* fault) {
    return client.call("GET", "/v1/sandboxes", "", {{"x-nullspace-fault", fault}}).status;
  };
  CHECK(with("return-429") == 429);
  CHECK(server.rule(rule)["matched"].as_int() == 0);
  CHECK(server.rule(rule)["fired"].as_int() == 0);
  // A delay decides nothing.
  CHECK(with("delay-for-1ms") == 503);
  CHECK(server.rule(rule)["fired"].as_int() == 1);
}

TEST_CASE("an answer that has no body gets none, and the connection is good") {
  FaultyServer server;
  RawClient client = server.client();
  for (const char* fault : {"return-304", "return-204"}) {
    CAPTURE(fault);
    server.install(fault, {{"body", "too much"}, {"count", 1}});
    const RawAnswer answer = client.get("/v1/sandboxes");
    CHECK(answer.body.empty());
    CHECK_FALSE(answer.headers.contains("content-length"));
    CHECK(client.get("/v1/sandboxes").status == 200);
  }
}

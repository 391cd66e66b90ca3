// What any HTTP server must stand, and what this one says at the door.
#include <set>
#include <string>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::RawSocket;
using nullspace::test::TestServer;

namespace {

RawAnswer answer_to(const TestServer& server, const std::string& bytes) {
  RawSocket socket(server.server.port());
  socket.send(bytes);
  return nullspace::test::read_answer(socket);
}

}  // namespace

TEST_CASE("health needs no key") {
  const TestServer server;
  const RawAnswer answer =
      answer_to(server, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\n\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"status":"ok"})");
  CHECK(answer.headers.at("access-control-allow-origin") == "*");
  CHECK(answer.headers.at("x-request-id").starts_with("req_"));
}

TEST_CASE("a preflight is answered without a key") {
  const TestServer server;
  const RawAnswer answer =
      answer_to(server,
                "OPTIONS /v1/sandboxes HTTP/1.1\r\nHost: localhost\r\n"
                "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n"
                "Access-Control-Request-Headers: authorization, x-own\r\n\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.headers.at("access-control-allow-methods").find("DELETE") != std::string::npos);
  CHECK(answer.headers.at("access-control-allow-headers") == "authorization, x-own");
}

TEST_CASE("everything below /v1 wants a key before it says anything else") {
  const TestServer server;
  for (const char* path : {"/v1/sandboxes", "/v1/sandboxes/x", "/v1/nothing", "/v1",
                           "/v1/monitor/ws?api_key=first-key", "/v1/snapshots"}) {
    CAPTURE(path);
    for (const char* header :
         {"", "Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n",
          "Authorization: Basic first-key\r\n", "Authorization: first-key\r\n",
          "Authorization: Bearer first-key2\r\n", "X-Api-Key: first-key\r\n"}) {
      CAPTURE(header);
      const RawAnswer answer =
          answer_to(server, std::string("GET ") + path + " HTTP/1.1\r\nHost: localhost\r\n" +
                                header + "\r\n");
      CHECK(answer.status == 401);
      CHECK(answer.code() == "unauthorized");
      CHECK(answer.json()["request_id"].as_string() == answer.headers.at("x-request-id"));
    }
  }
}

TEST_CASE("a name that a browser was tricked into is refused") {
  const TestServer server;
  const RawAnswer answer =
      answer_to(server, "GET /healthz HTTP/1.1\r\nHost: rebound.example:80\r\n\r\n");
  CHECK(answer.status == 403);
  CHECK(answer.code() == "forbidden");
}

TEST_CASE("no escape leaves its segment") {
  const TestServer server;
  RawClient client = server.client();
  const std::string sandbox = client.create();
  const std::string id = sandbox.substr(sandbox.rfind('/') + 1);
  for (const std::string& other :
       {"x%2F..%2F" + id, id + "%2F", id + "%00", id + "%0d%0aX-Injected:%20yes", id + "%20",
        std::string("..%2Fsandboxes%2F") + id, std::string("%2e%2e"), std::string("..")}) {
    CAPTURE(other);
    const RawAnswer answer = client.get("/v1/sandboxes/" + other);
    CHECK(answer.status == 404);
    CHECK(answer.code() == "sandbox_not_found");
    CHECK_FALSE(answer.headers.contains("x-injected"));
  }
  CHECK(client.get(sandbox).status == 200);
}

TEST_CASE("unknown routes and methods, and routes of the service that are missing here") {
  const TestServer server;
  RawClient client = server.client();
  CHECK(client.get("/v1/unheard-of").code() == "not_found");
  CHECK(client.get("/elsewhere").status == 404);
  const RawAnswer wrong_method = client.call("PUT", "/v1/sandboxes");
  CHECK(wrong_method.status == 405);
  CHECK(wrong_method.headers.at("allow") == "POST, GET");
  const RawAnswer missing = client.post("/v1/machines/mch_1/fork");
  CHECK(missing.status == 501);
  CHECK(missing.code() == "not_implemented");
  CHECK(missing.json()["error"].as_string()->find("/v1/machines/mch_1/fork") != std::string::npos);
}

TEST_CASE("requests ahead of their answers are answered in order") {
  const TestServer server;
  RawSocket socket(server.server.port());
  std::string many;
  for (int i = 0; i < 50; ++i) {
    many += "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    many += "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  socket.send(many);
  socket.finish_sending();
  const std::string all = socket.receive_all();
  std::size_t count = 0;
  for (std::size_t at = all.find("HTTP/1.1 200"); at != std::string::npos;
       at = all.find("HTTP/1.1 200", at + 1)) {
    ++count;
  }
  CHECK(count == 100);
}

TEST_CASE("a chunked body is a body") {
  const TestServer server;
  const RawAnswer answer = answer_to(
      server,
      "POST /v1/sandboxes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n"
      "Transfer-Encoding: chunked\r\n\r\n10\r\n{\"template\":\"non\r\n3\r\ne\"}\r\n0\r\n\r\n");
  CHECK(answer.status == 404);
  CHECK(answer.code() == "template_not_found");
}

TEST_CASE("bodies may have 16 MiB") {
  const TestServer server;
  RawClient client = server.client();
  const std::size_t limit = std::size_t{16} << 20U;
  const RawAnswer large = client.call("POST", "/v1/sandboxes", std::string(limit, ' '));
  CHECK(large.status == 400);
  const RawAnswer larger = client.call("POST", "/v1/sandboxes", std::string(limit + 1, ' '));
  CHECK(larger.status == 413);
  CHECK(larger.code() == "invalid_request");
}

TEST_CASE("malformed requests get an answer and the connection ends") {
  const TestServer server;
  for (const char* bytes : {"\r\n\r\nnonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                            "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                            "GET / HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n"}) {
    CAPTURE(bytes);
    RawSocket socket(server.server.port());
    socket.send(bytes);
    const std::string all = socket.receive_all();
    CHECK(all.starts_with("HTTP/1.1 400 "));
    CHECK(all.find(R"("code":"invalid_request")") != std::string::npos);
  }
}

TEST_CASE("a client that asks first is told to go on") {
  const TestServer server;
  RawSocket socket(server.server.port());
  socket.send(
      "POST /v1/sandboxes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n"
      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(socket.receive_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("[]");
  CHECK(nullspace::test::read_answer(socket).status == 400);
}

TEST_CASE("an upgrade that is none is refused with a reason") {
  const TestServer server;
  const std::string head =
      "GET /v1/monitor/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n";
  CHECK(answer_to(server, head + "\r\n").status == 426);
  const std::string upgrade = head + "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  CHECK(answer_to(server, upgrade + "Sec-WebSocket-Version: 13\r\n\r\n").status == 400);
  const RawAnswer old = answer_to(server, upgrade + "Sec-WebSocket-Version: 8\r\n\r\n");
  CHECK(old.status == 426);
  CHECK(old.headers.at("sec-websocket-version") == "13");
  const RawAnswer unknown = answer_to(
      server,
      "GET /v1/sandboxes/none/ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n"
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  CHECK(unknown.status == 404);
  CHECK(unknown.code() == "sandbox_not_found");
}

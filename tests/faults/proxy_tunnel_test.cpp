// Going through a proxy, with both stacks.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <variant>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/test_certificates.hpp"
#include "transport/curl_http.hpp"

using namespace std::chrono_literals;
using nullspace::HttpOutcome;
using nullspace::HttpRequest;
using nullspace::HttpResponse;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::WebSocketConnection;
using nullspace::WebSocketRequest;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::RecordingListener;
using nullspace::tests::refusing_port;
using nullspace::tests::SocketClient;
namespace transport = nullspace::transport;
using Kind = TransportFailureKind;

namespace {

// A proxy that pretends to have reached the target, and is it.
struct Proxy {
  std::promise<std::string> asked;
  std::promise<std::string> tunnelled;
  RawPeer peer{[this](RawConnection& connection) {
    const auto connect = connection.read_through("\r\n\r\n");
    if (!connect) return;
    asked.set_value(*connect);
    if (!connect->starts_with("CONNECT ")) return connection.answer(200, "from the proxy");
    connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (const auto head = connection.accept_websocket()) tunnelled.set_value(*head);
    connection.send_frame(Opcode::text, "through");
    connection.wait_for_end();
  }};

  [[nodiscard]] std::string url(const std::string& login = {}) const {
    return "http://" + login + "127.0.0.1:" + std::to_string(peer.port());
  }
};

struct Opened {
  std::shared_ptr<transport::Runtime> runtime{std::make_shared<transport::Runtime>()};
  std::shared_ptr<RecordingListener> listener{std::make_shared<RecordingListener>()};
  std::shared_ptr<WebSocketConnection> connection;

  Opened(const std::string& url, const std::string& proxy) {
    transport::LwsWebSocketTransport websocket(runtime, {.tls = {}, .proxy = proxy});
    WebSocketRequest request = SocketClient::request_to(url);
    request.headers = {{"Authorization", "Bearer ns_live_canary"}};
    connection = websocket.open(std::move(request), listener);
  }
};

}  // namespace

TEST_CASE("proxy: a WebSocket goes through a tunnel to the name, which only the proxy resolves") {
  Proxy proxy;
  Opened opened("ws://only-the-proxy-knows.test:8080/v1/x", proxy.url());
  REQUIRE(opened.listener->wait_messages(1));
  const std::string asked = proxy.asked.get_future().get();
  CHECK(asked.starts_with("CONNECT only-the-proxy-knows.test:8080 HTTP/1.1\r\n"));
  CHECK(asked.find("canary") == std::string::npos);
  const std::string head = proxy.tunnelled.get_future().get();
  CHECK(head.starts_with("GET /v1/x HTTP/1.1\r\n"));
  CHECK(head.find("\r\nHost: only-the-proxy-knows.test:8080\r\n") != std::string::npos);
  CHECK(head.find("Bearer ns_live_canary") != std::string::npos);
}

TEST_CASE("proxy: a login is sent to the proxy and shown to nobody else") {
  Proxy proxy;
  Opened opened("ws://target.test/", proxy.url("me:pa%3Ass@"));
  REQUIRE(opened.listener->wait_open());
  // base64 of "me:pa:ss"
  CHECK(proxy.asked.get_future().get().find("bWU6cGE6c3M=") != std::string::npos);
  CHECK(proxy.tunnelled.get_future().get().find("bWU6") == std::string::npos);
}

TEST_CASE("proxy: one that refuses the tunnel is a failure to connect") {
  const int status = GENERATE(403, 407, 502);
  RawPeer refusing([status](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    connection.answer(status, "no");
  });
  const std::string proxy = refusing.url("http", "");
  SECTION("WebSocket") {
    Opened opened("ws://target.test/", proxy);
    const TransportFailure failure = opened.listener->wait_closed();
    CHECK(failure.kind == Kind::connect);
  }
  SECTION("REST over TLS") {
    transport::CurlHttpTransport http({.tls = {}, .proxy = proxy});
    HttpRequest request;
    request.url = "https://target.test/";
    const HttpOutcome outcome = http.send(request);
    REQUIRE(std::holds_alternative<TransportFailure>(outcome));
    CHECK(std::get<TransportFailure>(outcome).kind == Kind::connect);
  }
}

TEST_CASE("proxy: nobody there") {
  const std::string proxy = "http://127.0.0.1:" + std::to_string(refusing_port());
  Opened opened("ws://target.test/", proxy);
  CHECK(opened.listener->wait_closed().kind == Kind::connect);
  transport::CurlHttpTransport http({.tls = {}, .proxy = proxy});
  HttpRequest request;
  request.url = "http://target.test/";
  CHECK(std::get<TransportFailure>(http.send(request)).kind == Kind::connect);
}

TEST_CASE("proxy: plain REST goes through it") {
  Proxy proxy;
  transport::CurlHttpTransport http({.tls = {}, .proxy = proxy.url("me:secret@")});
  HttpRequest request;
  request.url = "http://target.test/v1/x";
  const HttpOutcome outcome = http.send(request);
  REQUIRE(std::holds_alternative<HttpResponse>(outcome));
  CHECK(std::get<HttpResponse>(outcome).body == "from the proxy");
  const std::string asked = proxy.asked.get_future().get();
  CHECK(asked.starts_with("GET http://target.test/v1/x HTTP/1.1\r\n"));
  // base64 of "me:secret"
  CHECK(asked.find("bWU6c2VjcmV0") != std::string::npos);
}

TEST_CASE("proxy: an odd one is refused without its password") {
  const std::string text =
      GENERATE("socks5://u:hunter2@h:1", "http://u:hunter2@", "nonsense://u:hunter2@h");
  Opened opened("ws://target.test/", text);
  const TransportFailure failure = opened.listener->wait_closed();
  CHECK(failure.kind == Kind::invalid_request);
  CHECK(failure.message.find("hunter2") == std::string::npos);
}

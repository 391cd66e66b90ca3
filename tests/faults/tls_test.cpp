// Certificates that must not be trusted, over REST and WebSocket: no byte of the key may reach
// their owner.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/test_certificates.hpp"
#include "transport/curl_http.hpp"

using namespace std::chrono_literals;
using nullspace::HttpOutcome;
using nullspace::HttpRequest;
using nullspace::SendStatus;
using nullspace::TlsOptions;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::WebSocketConnection;
using nullspace::WebSocketRequest;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::RecordingListener;
using nullspace::tests::SocketClient;
using nullspace::tests::TestCertificates;
using nullspace::tests::TlsIdentity;
namespace transport = nullspace::transport;
using Kind = TransportFailureKind;

namespace {

// Answers requests and upgrades alike, and remembers whether it saw the key.
struct TlsServer {
  std::atomic<int> requests{0};
  RawPeer peer;

  explicit TlsServer(TlsIdentity identity, bool ipv6 = false)
      : peer(
            [this](RawConnection& connection) {
              const auto head = connection.read_through("\r\n\r\n");
              if (!head) return;
              ++requests;
              connection.answer(404, "not here");
              connection.wait_for_end();
            },
            {.tls = std::move(identity), .ipv6 = ipv6, .accept = true}) {}
};

// Records everything that is not TLS, and answers in plain text.
struct PlainServer {
  std::promise<std::string> heard;
  RawPeer peer{[this](RawConnection& connection) {
    connection.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    heard.set_value(connection.read_to_end());
  }};
};

Kind rest_failure(const std::string& url, const TlsOptions& tls) {
  transport::CurlHttpTransport http({.tls = tls, .proxy = ""});
  HttpRequest request;
  request.url = url;
  request.headers = {{"Authorization", "Bearer ns_live_canary"}};
  request.timeout = 20'000ms;
  const HttpOutcome outcome = http.send(request);
  if (const auto* failure = std::get_if<TransportFailure>(&outcome)) return failure->kind;
  // Stands for an answer.
  return Kind::upgrade_refused;
}

TransportFailure socket_failure(const std::string& url, const TlsOptions& tls) {
  auto runtime = std::make_shared<transport::Runtime>();
  transport::LwsWebSocketTransport websocket(runtime, {.tls = tls, .proxy = ""});
  auto listener = std::make_shared<RecordingListener>();
  WebSocketRequest request = SocketClient::request_to(url);
  request.headers = {{"Authorization", "Bearer ns_live_canary"}};
  const auto connection = websocket.open(std::move(request), listener);
  return listener->wait_closed();
}

void check_refused(TlsServer& server, const std::string& host, const TlsOptions& tls) {
  const std::string authority = host + ':' + std::to_string(server.peer.port()) + "/v1/x";
  CHECK(rest_failure("https://" + authority, tls) == Kind::tls);
  const TransportFailure failure = socket_failure("wss://" + authority, tls);
  CHECK(failure.kind == Kind::tls);
  CHECK(failure.message.find("canary") == std::string::npos);
  CHECK(server.requests == 0);
}

void check_accepted(TlsServer& server, const std::string& host, const TlsOptions& tls) {
  const std::string authority = host + ':' + std::to_string(server.peer.port()) + "/v1/x";
  CHECK(rest_failure("https://" + authority, tls) == Kind::upgrade_refused);
  const TransportFailure failure = socket_failure("wss://" + authority, tls);
  INFO(failure.message);
  CHECK(failure.kind == Kind::upgrade_refused);
  CHECK(failure.http_status == 404);
  CHECK(server.requests == 2);
}

}  // namespace

TEST_CASE("TLS: a certificate of a trusted root is accepted") {
  TestCertificates certificates;
  TlsServer server(certificates.make_server({}));
  SECTION("root from a file, host by name") {
    check_accepted(server, "localhost", {.ca_file = certificates.root_file()});
  }
  SECTION("root from a file, host by address") {
    check_accepted(server, "127.0.0.1", {.ca_file = certificates.root_file()});
  }
  SECTION("root from a directory") {
    check_accepted(server, "localhost", {.ca_directory = certificates.root_directory()});
  }
  SECTION("verification switched off") {
    check_accepted(server, "127.0.0.1", {.verify = false});
  }
}

TEST_CASE("TLS: an IPv6 literal is checked against the certificate's addresses") {
  TestCertificates certificates;
  SECTION("named") {
    TlsServer server(certificates.make_server({}), true);
    check_accepted(server, "[::1]", {.ca_file = certificates.root_file()});
  }
  SECTION("not named") {
    TlsServer server(certificates.make_server({.names = "DNS:localhost,IP:127.0.0.1,IP:::2"}),
                     true);
    check_refused(server, "[::1]", {.ca_file = certificates.root_file()});
  }
}

TEST_CASE("TLS: what is not to be trusted is refused") {
  TestCertificates certificates;
  const TlsOptions trusting{.ca_file = certificates.root_file()};
  SECTION("expired") {
    TlsServer server(certificates.make_server({.valid_from = -10, .valid_to = -1}));
    check_refused(server, "localhost", trusting);
  }
  SECTION("not valid yet") {
    TlsServer server(certificates.make_server({.valid_from = 2, .valid_to = 10}));
    check_refused(server, "localhost", trusting);
  }
  SECTION("another host's") {
    TlsServer server(certificates.make_server({.names = "DNS:example.test,IP:192.0.2.1"}));
    check_refused(server, "localhost", trusting);
  }
  SECTION("another address's") {
    TlsServer server(certificates.make_server({.names = "DNS:127.0.0.1,IP:192.0.2.1"}));
    check_refused(server, "127.0.0.1", trusting);
  }
  SECTION("signed by itself") {
    TlsServer server(certificates.make_server({.self_signed = true}));
    check_refused(server, "localhost", trusting);
  }
  SECTION("an unknown root's") {
    TestCertificates others;
    TlsServer server(others.make_server({}));
    check_refused(server, "localhost", trusting);
  }
  SECTION("a root that only the test knows, with the system's roots") {
    TlsServer server(certificates.make_server({}));
    check_refused(server, "localhost", {});
  }
  SECTION("a root file that does not exist") {
    TlsServer server(certificates.make_server({}));
    check_refused(server, "localhost", {.ca_file = "/nonexistent/root.pem"});
  }
}

TEST_CASE("TLS: the failure says what is wrong with the certificate") {
  TestCertificates certificates;
  TlsServer server(certificates.make_server({.valid_from = -10, .valid_to = -1}));
  const TransportFailure failure =
      socket_failure("wss://localhost:" + std::to_string(server.peer.port()) + "/",
                     {.ca_file = certificates.root_file()});
  INFO(failure.message);
  CHECK(failure.message.find("expired") != std::string::npos);
}

TEST_CASE("TLS: an answer in plain text is refused, and it was told nothing") {
  SECTION("REST") {
    PlainServer server;
    CHECK(rest_failure(server.peer.url("https"), {}) == Kind::tls);
    CHECK(server.heard.get_future().get().find("canary") == std::string::npos);
  }
  SECTION("WebSocket") {
    PlainServer server;
    CHECK(socket_failure(server.peer.url("wss"), {}).kind == Kind::tls);
    CHECK(server.heard.get_future().get().find("canary") == std::string::npos);
  }
}

TEST_CASE("TLS: a server that hangs up in the handshake") {
  RawPeer peer([](RawConnection& connection) { (void)connection.read_exactly(1); });
  const Kind rest = rest_failure(peer.url("https"), {});
  CHECK(rest == Kind::tls);
  CHECK(socket_failure(peer.url("wss"), {}).kind == Kind::tls);
}

TEST_CASE("TLS: messages go both ways, large ones and many, paused and resumed") {
  TestCertificates certificates;
  RawPeer peer(
      [](RawConnection& connection) {
        if (!connection.accept_websocket()) return;
        std::string whole;
        while (const auto frame = connection.read_data_frame()) {
          if (frame->opcode == Opcode::close) {
            connection.send_close(frame->close_code());
            return;
          }
          whole += frame->payload;
          if (!frame->final) continue;
          for (int i = 0; i < 20; ++i)
            connection.send_frame(Opcode::text, whole);
          whole.clear();
        }
      },
      {.tls = certificates.make_server({}), .ipv6 = false, .accept = true});
  auto runtime = std::make_shared<transport::Runtime>();
  transport::LwsWebSocketTransport websocket(
      runtime, {.tls = {.ca_file = certificates.root_file()}, .proxy = ""});
  auto listener = std::make_shared<RecordingListener>();
  std::shared_ptr<WebSocketConnection> connection;
  std::promise<void> opened;
  std::atomic<bool> paused{false};
  listener->when_message = [&, ready = opened.get_future().share()](const std::string&) {
    ready.wait();
    connection->pause_reading();
    paused = true;
  };
  connection = websocket.open(SocketClient::request_to(peer.url("wss")), listener);
  opened.set_value();
  REQUIRE(listener->wait_open());
  const std::string message(200'000, 'm');
  REQUIRE(connection->try_send(message) == SendStatus::queued);
  while (listener->messages().size() < 20 && !listener->closed()) {
    if (paused.exchange(false)) connection->resume_reading();
    std::this_thread::yield();
  }
  for (const std::string& echoed : listener->messages())
    REQUIRE(echoed == message);
  connection->resume_reading();
  connection->close(1000, "");
  CHECK(listener->wait_closed().kind == Kind::closed);
}

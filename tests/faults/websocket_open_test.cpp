// Opening a WebSocket, and all the ways in which that fails.
#include <chrono>
#include <future>
#include <string>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::WebSocketRequest;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::refusing_port;
using nullspace::tests::SocketClient;
using Kind = TransportFailureKind;

TEST_CASE("WebSocket: the upgrade request says what it should") {
  std::promise<std::string> head;
  RawPeer peer([&](RawConnection& connection) {
    head.set_value(connection.accept_websocket().value_or("nothing"));
    connection.wait_for_end();
  });
  SocketClient client;
  WebSocketRequest request =
      SocketClient::request_to(peer.url("ws", "/api/v1/sandboxes/sb_1/ws?channel=pty&x=%20"));
  request.headers = {{"Authorization", "Bearer ns_live_x"}, {"User-Agent", "nullspace/0"}};
  client.open(std::move(request));
  REQUIRE(client.listener->wait_open());
  const std::string text = head.get_future().get();
  CHECK(text.starts_with("GET /api/v1/sandboxes/sb_1/ws?channel=pty&x=%20 HTTP/1.1\r\n"));
  CHECK(text.find("\r\nHost: 127.0.0.1:" + std::to_string(peer.port()) + "\r\n") !=
        std::string::npos);
  CHECK(text.find("\r\nAuthorization: Bearer ns_live_x\r\n") != std::string::npos);
  CHECK(text.find("\r\nUser-Agent: nullspace/0\r\n") != std::string::npos);
  CHECK(text.find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos);
  CHECK(text.find("Sec-WebSocket-Extensions") == std::string::npos);
  CHECK(text.find("Sec-WebSocket-Protocol") == std::string::npos);
  CHECK(text.find("Origin") == std::string::npos);
}

TEST_CASE("WebSocket: a token of 40 KB survives") {
  std::promise<std::string> head;
  RawPeer peer([&](RawConnection& connection) {
    head.set_value(connection.accept_websocket().value_or("nothing"));
    connection.wait_for_end();
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  const std::string token(40'000, 't');
  request.headers = {{"Authorization", "Bearer " + token}};
  client.open(std::move(request));
  REQUIRE(client.listener->wait_open());
  CHECK(head.get_future().get().find("Bearer " + token + "\r\n") != std::string::npos);
}

TEST_CASE("WebSocket: a subprotocol that is asked for is offered and accepted") {
  RawPeer peer([](RawConnection& connection) {
    (void)connection.accept_websocket();
    connection.wait_for_end();
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.headers = {{"Sec-WebSocket-Protocol", "viewer"}};
  client.open(std::move(request));
  CHECK(client.listener->wait_open());
}

TEST_CASE("WebSocket: IPv6 literals and names of this machine") {
  const auto accept = [](RawConnection& connection) {
    (void)connection.accept_websocket();
    connection.wait_for_end();
  };
  SECTION("a literal") {
    RawPeer peer(accept, {.tls = {}, .ipv6 = true});
    SocketClient client;
    client.open(peer);
    CHECK(client.listener->wait_open());
  }
  SECTION("localhost on IPv4") {
    RawPeer peer(accept);
    SocketClient client;
    client.open("ws://localhost:" + std::to_string(peer.port()) + "/");
    CHECK(client.listener->wait_open());
  }
  SECTION("localhost on IPv6 only, which is tried second") {
    RawPeer peer(accept, {.tls = {}, .ipv6 = true});
    SocketClient client;
    client.open("ws://localhost:" + std::to_string(peer.port()) + "/");
    CHECK(client.listener->wait_open());
  }
}

TEST_CASE("WebSocket: what cannot be written down is refused before a connection is made") {
  using namespace std::string_literals;
  RawPeer peer([](RawConnection& connection) { connection.wait_for_end(); });
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  const int which = GENERATE(range(0, 11));
  CAPTURE(which);
  switch (which) {
    case 0:
      request.headers = {{"Authorization", "Bearer secret\r\nX-Evil: 1"}};
      break;
    case 1:
      request.headers = {{"Authorization", "Bearer secret\0"s}};
      break;
    case 2:
      request.headers = {{"X\nY", "1"}};
      break;
    case 3:
      request.headers = {{"Host", "elsewhere"}};
      break;
    case 4:
      request.headers = {{"X-Long", std::string(70'000, 'x')}};
      break;
    case 5:
      request.url += "\r\nX-Evil: 1";
      break;
    case 6:
      request.url += "\0"s;
      break;
    case 7:
      request.url += std::string(3'000, 'x');
      break;
    case 8:
      request.url = peer.url("http");
      break;
    case 9:
      request.url = "ws://key:secret@127.0.0.1:" + std::to_string(peer.port()) + "/";
      break;
    default:
      request.url = "ws://" + std::string(150, 'x') + "/";
      break;
  }
  SocketClient client;
  client.open(std::move(request));
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::invalid_request);
  CHECK(failure.message.find("secret") == std::string::npos);
  CHECK(peer.connections() == 0);
  CHECK_FALSE(client.listener->opened());
}

TEST_CASE("WebSocket: nobody listens") {
  SocketClient client;
  client.open("ws://127.0.0.1:" + std::to_string(refusing_port()) + "/");
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::connect);
  CHECK(client.listener->closed_calls() == 1);
}

TEST_CASE("WebSocket: nobody listens on any address") {
  SocketClient client;
  client.open("ws://localhost:" + std::to_string(refusing_port()) + "/");
  CHECK(client.listener->wait_closed().kind == Kind::connect);
}

TEST_CASE("WebSocket: a name that does not exist") {
  SocketClient client;
  client.open("ws://no-such-host.invalid/");
  CHECK(client.listener->wait_closed().kind == Kind::resolve);
}

TEST_CASE("WebSocket: a server that answers the upgrade with a status") {
  const int status =
      GENERATE(200, 301, 302, 307, 400, 401, 403, 404, 407, 426, 429, 500, 501, 502, 503, 504);
  CAPTURE(status);
  RawPeer elsewhere([](RawConnection& connection) { connection.wait_for_end(); });
  RawPeer peer([&](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    connection.answer(status, "<html>nothing to see</html>",
                      "Content-Type: text/html\r\nLocation: " + elsewhere.url("http") + "\r\n");
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::upgrade_refused);
  CHECK(failure.http_status == status);
  CHECK(peer.connections() == 1);
  CHECK(elsewhere.connections() == 0);
  CHECK_FALSE(client.listener->opened());
}

TEST_CASE("WebSocket: a server that answers the upgrade with nonsense") {
  const std::string_view answer =
      GENERATE("\x01\x02\x03garbage\r\n\r\n\r\n\r\n", "HTTP/9.9 what\r\n\r\n",
               "-ERR unknown command 'GET'\r\n\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
               "Upgrade\r\nSec-WebSocket-Accept: "
               "d3Jvbmc=\r\n\r\n",
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: "
               "Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n");
  CAPTURE(answer);
  RawPeer peer([answer](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    connection.write(answer);
    connection.finish_writing();
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::protocol);
  CHECK_FALSE(client.listener->opened());
}

TEST_CASE("WebSocket: a server that hangs up instead of answering the upgrade") {
  SECTION("at once") {
    RawPeer peer([](RawConnection&) {});
    SocketClient client;
    client.open(peer);
    const Kind kind = client.listener->wait_closed().kind;
    CHECK((kind == Kind::receive || kind == Kind::send || kind == Kind::connect));
  }
  SECTION("after the request") {
    RawPeer peer([](RawConnection& connection) { (void)connection.read_through("\r\n\r\n"); });
    SocketClient client;
    client.open(peer);
    CHECK(client.listener->wait_closed().kind == Kind::receive);
  }
  SECTION("with a reset") {
    RawPeer peer([](RawConnection& connection) {
      (void)connection.read_through("\r\n\r\n");
      connection.reset();
    });
    SocketClient client;
    client.open(peer);
    CHECK(client.listener->wait_closed().kind == Kind::receive);
  }
}

TEST_CASE("WebSocket: a server that never answers the upgrade") {
  const bool accepts = GENERATE(true, false);
  CAPTURE(accepts);
  RawPeer peer([](RawConnection& connection) { connection.wait_for_end(); },
               {.tls = {}, .ipv6 = false, .accept = accepts});
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.open_timeout = 100ms;
  const auto begun = std::chrono::steady_clock::now();
  client.open(std::move(request));
  CHECK(client.listener->wait_closed().kind == Kind::connect_timeout);
  CHECK(std::chrono::steady_clock::now() - begun >= 100ms);
}

TEST_CASE("WebSocket: a server that answers the upgrade byte by byte") {
  RawPeer slow([](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    for (const char c :
         std::string_view("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")) {
      if (!connection.write({&c, 1})) return;
    }
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(slow);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::upgrade_refused);
  CHECK(failure.http_status == 503);
}

TEST_CASE("WebSocket: the key is in no failure message") {
  RawPeer peer([](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    connection.answer(403, "");
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.headers = {{"Authorization", "Bearer ns_live_canary"}};
  client.open(std::move(request));
  CHECK(client.listener->wait_closed().message.find("canary") == std::string::npos);
}

// What the WebSocket tests share.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/raw_peer.hpp"
#include "tests/support/recording_listener.hpp"
#include "transport/lws_socket.hpp"
#include "transport/runtime.hpp"

namespace nullspace::tests {

// A transport with a Runtime of its own and everything that goes with one connection.
struct SocketClient {
  std::shared_ptr<transport::Runtime> runtime{std::make_shared<transport::Runtime>()};
  // No proxy, whatever the environment of the test says.
  std::shared_ptr<transport::LwsWebSocketTransport> websocket{
      std::make_shared<transport::LwsWebSocketTransport>(
          runtime, transport::LwsWebSocketOptions{.proxy = ""})};
  std::shared_ptr<RecordingListener> listener{std::make_shared<RecordingListener>()};
  std::shared_ptr<WebSocketConnection> connection{};

  // Own pings are off unless asked for: a sanitizer can make everything slow.
  [[nodiscard]] static WebSocketRequest request_to(std::string url) {
    WebSocketRequest request;
    request.url = std::move(url);
    request.keepalive.interval = std::chrono::milliseconds{0};
    request.open_timeout = std::chrono::milliseconds{20'000};
    return request;
  }

  void open(WebSocketRequest request) {
    connection = websocket->open(std::move(request), listener);
  }
  void open(std::string url) { open(request_to(std::move(url))); }
  void open(const RawPeer& peer) { open(peer.url("ws", "/v1/monitor/ws")); }
};

}  // namespace nullspace::tests

// A server that is just enough to keep the SDK's real transports busy: it answers every REST
// request with 200 and sends metrics on every WebSocket, for as long as it is there.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nullspace::tests {

class TinyPeer {
 public:
  TinyPeer();
  TinyPeer(const TinyPeer&) = delete;
  TinyPeer& operator=(const TinyPeer&) = delete;
  ~TinyPeer();

  // `http://127.0.0.1:<port>`
  [[nodiscard]] std::string url() const;
  [[nodiscard]] int websockets() const noexcept { return websockets_; }
  [[nodiscard]] int requests() const noexcept { return requests_; }

 private:
  void accept_connections();
  void serve(int socket);
  void serve_websocket(int socket, const std::string& request);

  int listener_{-1};
  std::uint16_t port_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<int> websockets_{0};
  std::atomic<int> requests_{0};
  std::mutex mutex_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace nullspace::tests

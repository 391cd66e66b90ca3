#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "local/guest/unique_fd.hpp"
#include "local/server/http_connection.hpp"

namespace nullspace::local {

// The listening socket and every connection that came through it, WebSockets included.
class Listener {
 public:
  Listener(EventLoop& loop, HttpHandlers handlers, Clock::duration ping_interval);
  ~Listener();

  // Binds at once, so that a failure is an answer: errno, or 0. `error_text` says what failed.
  int open(const std::string& host, std::uint16_t port, std::string& error_text);
  // From the loop's thread: start to accept.
  void start();
  // No new connections; the WebSockets get a close frame.
  void close();
  // Ends what is left.
  void abort();
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] bool has_websockets() const { return !sessions_.empty(); }

 private:
  void accept_some();

  EventLoop& loop_;
  Clock::duration ping_interval_;
  guest::UniqueFd socket_;
  std::uint16_t port_ = 0;
  std::shared_ptr<const HttpHandlers> handlers_;
  std::unordered_map<const HttpConnection*, std::shared_ptr<HttpConnection>> connections_;
  std::unordered_map<const WebSocketSession*, std::shared_ptr<WebSocketSession>> sessions_;
  Timer retry_;
  std::unique_ptr<FdWatch> watch_;
};

}  // namespace nullspace::local

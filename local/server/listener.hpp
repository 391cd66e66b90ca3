#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "local/guest/unique_fd.hpp"
#include "local/server/http_connection.hpp"

namespace nullspace::local {

// Which connections are meant. WebSockets, or requests that are being answered.
struct ConnectionFilter {
  AccountId account = 0;
  bool http = true;
  bool websockets = true;
  std::optional<SocketChannel> channel;  // of WebSockets
  std::optional<std::string> sandbox_id;
};

// The listening socket and every connection that came through it, WebSockets included.
class Listener {
 public:
  Listener(const ServingContext& context, HttpHandlers handlers);
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
  // Ends those that the filter picks; how many there were.
  std::size_t drop(const ConnectionFilter& filter, ConnectionEnd end);
  // The open WebSockets of an account.
  void for_each_websocket(AccountId account, const std::function<void(WebSocketSession&)>& use);
  [[nodiscard]] bool has_websockets() const { return !sessions_.empty(); }

 private:
  void accept_some();

  ServingContext context_;
  EventLoop& loop_;
  guest::UniqueFd socket_;
  std::uint16_t port_ = 0;
  std::shared_ptr<const HttpHandlers> handlers_;
  std::unordered_map<const HttpConnection*, std::shared_ptr<HttpConnection>> connections_;
  std::unordered_map<const WebSocketSession*, std::shared_ptr<WebSocketSession>> sessions_;
  Timer retry_;
  std::unique_ptr<FdWatch> watch_;
};

}  // namespace nullspace::local

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "local/server/connection.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/http_message.hpp"
#include "local/server/http_parser.hpp"
#include "local/server/socket_stream.hpp"
#include "local/server/websocket_session.hpp"

namespace nullspace::local {

class HttpConnection;

// What becomes of an answer on its way out.
struct AnswerFault {
  SocketStream::Cut cut = SocketStream::Cut::reset;
  Clock::duration stall{};
  // Of the body; none: before the head.
  std::optional<std::uint64_t> after_bytes;
  bool in_the_middle = false;  // of the body, however long it is
};

// The way to answer one request, now or later. Copies share one answer: the first counts. When the
// last copy goes without an answer, the client gets a 500. Loop's thread only.
class Responder {
 public:
  explicit Responder(std::weak_ptr<HttpConnection> connection);

  void send(HttpResponse response) const;
  // Answers an upgrade request; checks the handshake itself and refuses it where it is wrong.
  void accept_websocket(std::shared_ptr<WebSocketHandler> handler) const;
  [[nodiscard]] bool answered() const;
  // Breaks the connection instead of an answer.
  void reset() const;
  // What happens to the answer once it is given.
  void spoil(AnswerFault fault) const;
  void set_owner(std::shared_ptr<const ConnectionOwner> owner) const;
  // Runs on each answer before it goes out.
  void decorate(std::function<void(HttpResponse&)> decoration) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Errors that arise before there is a request to route: their bodies are the router's business.
struct HttpHandlers {
  std::function<void(HttpRequest, Responder)> on_request;
  std::function<HttpResponse(const HttpFailure&)> on_malformed;
  std::function<void(std::shared_ptr<WebSocketSession>)> on_websocket;
  std::function<void(WebSocketSession&)> on_websocket_finished;
};

struct HttpTimeouts {
  Clock::duration idle = std::chrono::seconds(75);     // between requests
  Clock::duration receive = std::chrono::seconds(30);  // for a request that has begun
  Clock::duration linger = std::chrono::seconds(2);  // after an error, for what is still being sent
};

// One client connection: one request at a time, in order.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(const ServingContext& context, guest::UniqueFd socket,
                 std::shared_ptr<const HttpHandlers> handlers,
                 std::function<void(HttpConnection&)> finished);
  void start();
  // Ends it now, whatever it is doing.
  void abort() { finish(); }
  // Null while nothing of an account is being answered.
  [[nodiscard]] const ConnectionOwner* owner() const { return answering_ ? owner_.get() : nullptr; }
  // Without an answer.
  void drop(ConnectionEnd end);

 private:
  friend class Responder;

  void on_data(std::string_view bytes);
  void on_end();
  void advance();
  void dispatch();
  void malformed();
  void answer(HttpResponse response, const std::optional<AnswerFault>& fault = {});
  void upgrade(std::shared_ptr<WebSocketHandler> handler,
               const std::function<void(HttpResponse&)>& decorate,
               const std::optional<AnswerFault>& fault);
  void spoil(const AnswerFault& fault, std::size_t head_bytes, std::size_t body_bytes);
  void linger();
  void finish();
  void arm_timer();

  const ServingContext& context_;
  EventLoop& loop_;
  std::unique_ptr<SocketStream> stream_;
  std::shared_ptr<const HttpHandlers> handlers_;
  std::function<void(HttpConnection&)> finished_;
  std::shared_ptr<const ConnectionOwner> owner_;
  HttpTimeouts timeouts_;
  HttpParser parser_;
  std::string input_;  // not parsed yet
  Timer timer_;

  bool answering_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool continue_sent_ = false;
  bool peer_ended_ = false;
  bool lingering_ = false;
  bool upgraded_ = false;
  bool done_ = false;
  HttpRequest upgrade_request_;
  std::uint64_t sent_before_ = 0;
};

}  // namespace nullspace::local

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "local/server/connection.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/socket_stream.hpp"
#include "local/server/websocket_frames.hpp"

namespace nullspace::local {

inline constexpr std::size_t kMaxMessageBytes = std::size_t{16} << 20U;

class SessionFaults;
class WebSocketSession;

// What is done with the messages of one socket. Callbacks come from the loop, never from inside a
// call of the session.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void on_open(std::shared_ptr<WebSocketSession> session) = 0;
  virtual void on_message(std::string text, bool binary) = 0;
  // What was queued has gone out, or nearly: see WebSocketSession::congested().
  virtual void on_drain() {}
  // Once, and the last call: nothing can be sent any more.
  virtual void on_closed() = 0;
};

// One WebSocket after its upgrade: framing, keepalive and the closing handshake.
class WebSocketSession : public std::enable_shared_from_this<WebSocketSession> {
 public:
  // `finished` is called when the session may be dropped. `early` are bytes that came behind the
  // upgrade request.
  WebSocketSession(const ServingContext& context, std::unique_ptr<SocketStream> stream,
                   std::shared_ptr<WebSocketHandler> handler,
                   std::shared_ptr<const ConnectionOwner> owner,
                   std::function<void(WebSocketSession&)> finished);
  ~WebSocketSession();

  void start(std::string early);

  // One text message. Ignored once the session is closing.
  void send(std::string text);
  // The same as a binary message.
  void send_binary(std::string bytes);
  // More is queued than the client takes at the moment: stop producing until on_drain().
  [[nodiscard]] bool congested() const { return queued() > kCongestedBytes; }
  [[nodiscard]] std::size_t queued() const;
  // Takes no more from the client until told otherwise.
  void pause_reading(bool paused);
  // Ends the session after what is queued. The client is given a moment to answer.
  void close(std::uint16_t code, std::string_view reason);
  // Ends it at once, without a word to the client and without `finished`.
  void abort();
  [[nodiscard]] bool open() const { return state_ == State::open; }
  [[nodiscard]] std::uint64_t messages_sent() const { return messages_sent_; }

  // --- faults on request ---

  // Null when nobody asked.
  [[nodiscard]] const ConnectionOwner* owner() const { return owner_.get(); }
  // Asks the rules again: there are others now.
  void reconsider_faults();
  [[nodiscard]] bool vanished() const { return state_ == State::vanished; }
  // False when there is nothing left to end.
  bool drop(ConnectionEnd end);

 private:
  friend class SessionFaults;

  enum class State { open, closing, vanished, finished };

  static constexpr std::size_t kCongestedBytes = std::size_t{256} << 10U;

  // What faults are made of.
  void write_message(std::string text);
  void write_fragments(std::string_view text);
  void write_truncated(std::string text);
  void stall_reading() { stream_->stall_reading(); }
  void stall_writing() { stream_->stall_writing(); }
  // After what is queued, without a closing handshake.
  void cut(SocketStream::Cut cut);

  void on_data(std::string_view bytes);
  void handle(Received received);
  void ping();
  void pong(std::string payload);
  // Nothing is sent any more; the handler is told.
  void leave(State state);
  void end();
  void notify_closed();

  EventLoop& loop_;
  ServiceClock& clock_;
  std::unique_ptr<SocketStream> stream_;
  std::shared_ptr<WebSocketHandler> handler_;
  std::shared_ptr<const ConnectionOwner> owner_;
  std::unique_ptr<SessionFaults> faults_;  // null without an owner
  std::function<void(WebSocketSession&)> finished_;
  FrameDecoder decoder_{kMaxMessageBytes};
  State state_ = State::open;
  bool closed_notified_ = false;
  bool broken_framing_ = false;  // what follows cannot be told apart any more

  Clock::duration ping_interval_;
  ServiceTimer ping_timer_;
  ClockHold pong_awaited_;
  std::optional<std::string> owed_pong_;
  Timer close_timer_;
  bool heard_ = true;
  int missed_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t messages_sent_ = 0;
};

}  // namespace nullspace::local

#include "local/server/websocket_session.hpp"

#include <utility>
#include <vector>

namespace nullspace::local {

namespace {

constexpr auto kCloseWait = std::chrono::seconds(2);
constexpr int kMissedPings = 2;

}  // namespace

WebSocketSession::WebSocketSession(EventLoop& loop, std::unique_ptr<SocketStream> stream,
                                   std::shared_ptr<WebSocketHandler> handler,
                                   Clock::duration ping_interval,
                                   std::function<void(WebSocketSession&)> finished)
    : loop_(loop),
      stream_(std::move(stream)),
      handler_(std::move(handler)),
      finished_(std::move(finished)),
      ping_interval_(ping_interval),
      ping_timer_(loop),
      close_timer_(loop) {}

WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::start(std::string early) {
  SocketStream::Events events;
  events.on_data = [this](std::string_view bytes) {
    const auto self = shared_from_this();
    on_data(bytes);
  };
  events.on_end = [this] { end(); };
  events.on_broken = [this] { end(); };
  events.on_drain = [this] {
    const auto self = shared_from_this();
    if (state_ == State::open) handler_->on_drain();
  };
  stream_->set_events(std::move(events));
  if (ping_interval_ > Clock::duration::zero()) {
    ping_timer_.start(ping_interval_, [this] { ping(); });
  }
  const auto self = shared_from_this();
  handler_->on_open(self);
  if (stream_->broken()) return end();
  if (!early.empty()) on_data(early);
}

void WebSocketSession::send(std::string text) {
  if (state_ != State::open) return;
  stream_->write(text_frame_header(text.size()));
  stream_->write(std::move(text));
}

void WebSocketSession::send_binary(std::string bytes) {
  if (state_ != State::open) return;
  stream_->write(binary_frame_header(bytes.size()));
  stream_->write(std::move(bytes));
}

void WebSocketSession::pause_reading(bool paused) {
  if (state_ != State::open) return;
  if (!paused && stream_->reading_paused()) heard_ = true;
  stream_->pause_reading(paused);
}

void WebSocketSession::on_data(std::string_view bytes) {
  heard_ = true;
  missed_ = 0;
  if (state_ == State::finished || broken_framing_) return;
  std::vector<Received> received;
  const auto failure = decoder_.feed(bytes, received);
  for (Received& item : received) {
    handle(std::move(item));
    if (state_ == State::finished) return;
  }
  if (!failure) return;
  broken_framing_ = true;
  close(failure->close_code, failure->reason);
}

void WebSocketSession::handle(Received received) {
  switch (received.kind) {
    case FrameKind::message:
      if (state_ == State::open) handler_->on_message(std::move(received.payload), received.binary);
      return;
    case FrameKind::ping:
      if (state_ == State::open) stream_->write(pong_frame(received.payload));
      return;
    case FrameKind::pong:
      return;
    case FrameKind::close:
      break;
  }
  if (state_ == State::closing) {
    // The answer to ours: the handshake is complete.
    stream_->shutdown_when_sent();
    return;
  }
  close(received.close_code, {});
  stream_->shutdown_when_sent();
}

void WebSocketSession::close(std::uint16_t code, std::string_view reason) {
  if (state_ != State::open) return;
  state_ = State::closing;
  stream_->pause_reading(false);
  stream_->write(close_frame(code, reason));
  ping_timer_.cancel();
  close_timer_.start(kCloseWait, [this] { end(); });
  loop_.defer([self = shared_from_this()] { self->notify_closed(); });
}

// Every interval one ping; whatever came since the last one is a sign of life. A client that is
// slow to read answers late, because its pong waits behind our output: what its system takes counts
// as well.
void WebSocketSession::ping() {
  const std::uint64_t sent = stream_->sent();
  const std::uint64_t unacknowledged = stream_->unacknowledged();
  const std::uint64_t acknowledged = sent > unacknowledged ? sent - unacknowledged : 0;
  const bool backlog = unacknowledged > 0 || stream_->queued() > 0;
  const bool moving = backlog && acknowledged > acknowledged_;
  acknowledged_ = acknowledged;
  if (heard_ || moving || stream_->reading_paused()) {
    missed_ = 0;
  } else if (++missed_ >= kMissedPings) {
    return end();
  }
  heard_ = false;
  stream_->write(ping_frame("nullspace"));
  ping_timer_.start(ping_interval_, [this] { ping(); });
}

void WebSocketSession::end() {
  if (state_ == State::finished) return;
  state_ = State::finished;
  ping_timer_.cancel();
  close_timer_.cancel();
  loop_.defer([self = shared_from_this()] {
    self->notify_closed();
    self->finished_(*self);
  });
}

void WebSocketSession::abort() {
  const auto self = shared_from_this();
  state_ = State::finished;
  ping_timer_.cancel();
  close_timer_.cancel();
  notify_closed();
}

void WebSocketSession::notify_closed() {
  if (std::exchange(closed_notified_, true)) return;
  handler_->on_closed();
}

}  // namespace nullspace::local

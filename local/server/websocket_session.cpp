#include "local/server/websocket_session.hpp"

#include <utility>
#include <vector>

#include "local/server/faults/session_faults.hpp"

namespace nullspace::local {

namespace {

constexpr auto kCloseWait = std::chrono::seconds(2);
constexpr int kMissedPings = 2;
// However fast a manual clock is moved, a client has that long to answer a ping.
constexpr auto kPongPatience = std::chrono::milliseconds(500);

}  // namespace

WebSocketSession::WebSocketSession(const ServingContext& context,
                                   std::unique_ptr<SocketStream> stream,
                                   std::shared_ptr<WebSocketHandler> handler,
                                   std::shared_ptr<const ConnectionOwner> owner,
                                   std::function<void(WebSocketSession&)> finished)
    : loop_(context.loop),
      clock_(context.clock),
      stream_(std::move(stream)),
      handler_(std::move(handler)),
      owner_(std::move(owner)),
      finished_(std::move(finished)),
      ping_interval_(context.ping_interval),
      ping_timer_(context.clock),
      close_timer_(context.loop) {
  if (owner_) faults_ = std::make_unique<SessionFaults>(context, owner_, *this);
}

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
    if (owed_pong_) pong(*std::exchange(owed_pong_, std::nullopt));
    if (state_ == State::open) handler_->on_drain();
  };
  stream_->set_events(std::move(events));
  if (ping_interval_ > Clock::duration::zero()) {
    ping_timer_.start(ping_interval_, [this] { ping(); });
  }
  const auto self = shared_from_this();
  reconsider_faults();
  handler_->on_open(self);
  if (stream_->broken()) return end();
  if (!early.empty()) on_data(early);
}

void WebSocketSession::send(std::string text) {
  if (state_ != State::open) return;
  if (faults_ && faults_->active()) return faults_->send(std::move(text));
  write_message(std::move(text));
}

void WebSocketSession::write_message(std::string text) {
  if (state_ != State::open) return;
  ++messages_sent_;
  stream_->write(text_frame_header(text.size()));
  stream_->write(std::move(text));
}

void WebSocketSession::send_binary(std::string bytes) {
  if (state_ != State::open) return;
  stream_->write(binary_frame_header(bytes.size()));
  stream_->write(std::move(bytes));
}

void WebSocketSession::write_fragments(std::string_view text) {
  if (state_ != State::open) return;
  ++messages_sent_;
  constexpr std::size_t kFragments = 3;
  const std::size_t size = text.size() / kFragments;
  for (std::size_t i = 0; i < kFragments; ++i) {
    const bool last = i + 1 == kFragments;
    const std::string_view part = text.substr(i * size, last ? std::string_view::npos : size);
    stream_->write(text_fragment_header(part.size(), i == 0, last).append(part));
  }
}

void WebSocketSession::write_truncated(std::string text) {
  if (state_ != State::open) return;
  std::string header = text_frame_header(text.size());
  const std::size_t kept = header.size() + text.size() / 2;
  stream_->cut_after(kept, SocketStream::Cut::reset);
  stream_->write(std::move(header));
  stream_->write(std::move(text));
  leave(State::closing);
  close_timer_.start(kCloseWait, [this] { end(); });
}

std::size_t WebSocketSession::queued() const {
  return stream_->queued() + (faults_ ? faults_->delayed_bytes() : 0);
}

void WebSocketSession::reconsider_faults() {
  if (state_ == State::open && faults_ && faults_->active()) faults_->settle();
}

void WebSocketSession::pause_reading(bool paused) {
  if (state_ != State::open) return;
  if (!paused && stream_->reading_paused()) heard_ = true;
  stream_->pause_reading(paused);
}

void WebSocketSession::on_data(std::string_view bytes) {
  heard_ = true;
  missed_ = 0;
  pong_awaited_.reset();
  if (state_ == State::finished || state_ == State::vanished || broken_framing_) return;
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
      return pong(std::move(received.payload));
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
  if (faults_) faults_->stop();
  close(received.close_code, {});
  stream_->shutdown_when_sent();
}

// Pings may come faster than their pongs go out; the latest one then answers for all.
void WebSocketSession::pong(std::string payload) {
  owed_pong_.reset();
  if (state_ != State::open || (faults_ && faults_->pongs_stalled())) return;
  if (stream_->queued() > kCongestedBytes) {
    owed_pong_ = std::move(payload);
  } else {
    stream_->write(pong_frame(payload));
  }
}

void WebSocketSession::close(std::uint16_t code, std::string_view reason) {
  if (state_ != State::open) return;
  if (faults_ && faults_->close_later(code, reason)) return;
  stream_->pause_reading(false);
  stream_->write(close_frame(code, reason));
  leave(State::closing);
  close_timer_.start(kCloseWait, [this] { end(); });
}

void WebSocketSession::leave(State state) {
  state_ = state;
  ping_timer_.cancel();
  pong_awaited_.reset();
  if (faults_) faults_->stop();
  loop_.defer([self = shared_from_this()] { self->notify_closed(); });
}

void WebSocketSession::cut(SocketStream::Cut cut) {
  if (state_ != State::open) return;
  if (stream_->writing_stalled() && cut != SocketStream::Cut::vanish) {
    stream_->reset();
  } else {
    stream_->cut_after(0, cut);
  }
  if (cut == SocketStream::Cut::vanish) return leave(State::vanished);
  leave(State::closing);
  close_timer_.start(kCloseWait, [this] { end(); });
}

bool WebSocketSession::drop(ConnectionEnd end) {
  if (state_ != State::open && state_ != State::vanished) return false;
  if (end.how == ConnectionEnd::How::reset) {
    stream_->reset();
    leave(State::closing);
    return true;
  }
  if (state_ == State::vanished) return false;
  if (end.how == ConnectionEnd::How::close) {
    if (faults_) faults_->stop();
    close(end.close_code, "dropped on request");
    return true;
  }
  stream_->vanish();
  leave(State::vanished);
  return true;
}

// Every interval one ping; whatever came since the last one is a sign of life. A client that is
// slow to read answers late, because its pong waits behind our output: what its system takes counts
// as well.
void WebSocketSession::ping() {
  ping_timer_.start(ping_interval_, [this] { ping(); });
  if (stream_->writing_stalled() || (faults_ && faults_->pings_stalled())) return;
  const std::uint64_t sent = stream_->sent();
  const std::uint64_t unacknowledged = stream_->unacknowledged();
  const std::uint64_t acknowledged = sent > unacknowledged ? sent - unacknowledged : 0;
  const bool backlog = unacknowledged > 0 || stream_->queued() > 0;
  const bool moving = backlog && acknowledged > acknowledged_;
  acknowledged_ = acknowledged;
  // Who is not read because it does not read itself has no excuse.
  const bool unheard = stream_->reading_paused() && stream_->queued() <= kCongestedBytes;
  if (heard_ || moving || unheard) {
    missed_ = 0;
  } else if (++missed_ >= kMissedPings) {
    return end();
  }
  heard_ = false;
  stream_->write(ping_frame("nullspace"));
  // While nothing is read no pong can come: a manual clock would wait for it each time.
  pong_awaited_ = stream_->reading_paused() ? nullptr : clock_.hold(kPongPatience);
}

void WebSocketSession::end() {
  if (state_ == State::finished) return;
  leave(State::finished);
  close_timer_.cancel();
  loop_.defer([self = shared_from_this()] { self->finished_(*self); });
}

void WebSocketSession::abort() {
  const auto self = shared_from_this();
  state_ = State::finished;
  ping_timer_.cancel();
  pong_awaited_.reset();
  close_timer_.cancel();
  if (faults_) faults_->stop();
  notify_closed();
}

void WebSocketSession::notify_closed() {
  if (std::exchange(closed_notified_, true)) return;
  handler_->on_closed();
}

}  // namespace nullspace::local

#include "local/server/http_connection.hpp"

#include <utility>
#include <vector>

namespace nullspace::local {

namespace {

// What a client may send ahead while its last request is being answered.
constexpr std::size_t kAheadBytes = std::size_t{256} << 10U;

}  // namespace

struct Responder::State {
  std::weak_ptr<HttpConnection> connection;
  std::vector<std::function<void(HttpResponse&)>> decorations;
  std::optional<AnswerFault> fault;
  bool answered = false;

  ~State() {
    if (answered) return;
    HttpResponse response;
    response.status = 500;
    response.body = R"({"error":"the request was dropped","code":"internal_error"})";
    send(std::move(response));
  }

  void decorate(HttpResponse& response) const {
    for (const auto& decoration : decorations)
      decoration(response);
  }

  void send(HttpResponse response) {
    if (std::exchange(answered, true)) return;
    decorate(response);
    if (const auto alive = connection.lock()) alive->answer(std::move(response), fault);
  }
};

Responder::Responder(std::weak_ptr<HttpConnection> connection) : state_(std::make_shared<State>()) {
  state_->connection = std::move(connection);
}

void Responder::send(HttpResponse response) const {
  state_->send(std::move(response));
}

void Responder::accept_websocket(std::shared_ptr<WebSocketHandler> handler) const {
  if (std::exchange(state_->answered, true)) return;
  if (const auto alive = state_->connection.lock()) {
    alive->upgrade(
        std::move(handler), [this](HttpResponse& response) { state_->decorate(response); },
        state_->fault);
  }
}

bool Responder::answered() const {
  return state_->answered;
}

void Responder::reset() const {
  if (std::exchange(state_->answered, true)) return;
  if (const auto alive = state_->connection.lock()) alive->drop(ConnectionEnd{});
}

void Responder::spoil(AnswerFault fault) const {
  state_->fault = fault;
}

void Responder::set_owner(std::shared_ptr<const ConnectionOwner> owner) const {
  if (const auto alive = state_->connection.lock()) alive->owner_ = std::move(owner);
}

void Responder::decorate(std::function<void(HttpResponse&)> decoration) const {
  state_->decorations.push_back(std::move(decoration));
}

HttpConnection::HttpConnection(const ServingContext& context, guest::UniqueFd socket,
                               std::shared_ptr<const HttpHandlers> handlers,
                               std::function<void(HttpConnection&)> finished)
    : context_(context),
      loop_(context.loop),
      stream_(std::make_unique<SocketStream>(context.loop, std::move(socket))),
      handlers_(std::move(handlers)),
      finished_(std::move(finished)),
      timer_(context.loop) {}

void HttpConnection::start() {
  SocketStream::Events events;
  events.on_data = [this](std::string_view bytes) {
    const auto self = shared_from_this();
    on_data(bytes);
  };
  events.on_end = [this] {
    const auto self = shared_from_this();
    on_end();
  };
  events.on_broken = [this] { finish(); };
  events.on_drain = [this] {
    const auto self = shared_from_this();
    if (answering_ || lingering_) return;
    if (keep_alive_) {
      advance();
    } else {
      linger();
    }
  };
  stream_->set_events(std::move(events));
  arm_timer();
}

void HttpConnection::arm_timer() {
  timer_.start(parser_.in_request() ? timeouts_.receive : timeouts_.idle, [this] {
    const auto self = shared_from_this();
    if (!parser_.in_request()) {
      // A large answer to a slow reader is not idleness.
      const bool moving = stream_->queued() > 0 && stream_->sent() != sent_before_;
      sent_before_ = stream_->sent();
      return moving || stream_->writing_stalled() ? arm_timer() : finish();
    }
    keep_alive_ = false;
    answer(handlers_->on_malformed({408, "the request did not arrive in time"}));
  });
}

void HttpConnection::on_data(std::string_view bytes) {
  if (lingering_ || (done_ && !upgraded_)) return;
  input_.append(bytes);
  if (upgraded_) return;
  if (answering_) {
    if (input_.size() > kAheadBytes) stream_->pause_reading(true);
    return;
  }
  advance();
}

void HttpConnection::on_end() {
  peer_ended_ = true;
  // A client that has closed only its own direction still gets its answer.
  if (!answering_ && stream_->queued() == 0) finish();
}

void HttpConnection::advance() {
  while (!answering_ && keep_alive_ && !done_ && stream_->queued() < SocketStream::kHighWater) {
    const std::size_t consumed = parser_.feed(input_);
    input_.erase(0, consumed);
    if (parser_.state() == HttpParser::State::failed) return malformed();
    if (parser_.state() != HttpParser::State::complete) break;
    dispatch();
  }
  if (answering_ || done_ || !keep_alive_) return;
  if (parser_.expects_continue() && !std::exchange(continue_sent_, true)) {
    stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (peer_ended_) return finish();
  arm_timer();
}

void HttpConnection::dispatch() {
  HttpRequest request = parser_.take();
  answering_ = true;
  continue_sent_ = false;
  head_only_ = request.method == "HEAD";
  keep_alive_ = request.keep_alive();
  timer_.cancel();
  if (request.wants_websocket()) {
    upgrade_request_.headers = request.headers;
    upgrade_request_.method = request.method;
  }
  handlers_->on_request(std::move(request), Responder(weak_from_this()));
}

void HttpConnection::malformed() {
  keep_alive_ = false;
  head_only_ = false;
  answer(handlers_->on_malformed(parser_.failure()));
}

void HttpConnection::answer(HttpResponse response, const std::optional<AnswerFault>& fault) {
  if (done_) return;
  timer_.cancel();
  answering_ = false;
  owner_.reset();
  upgrade_request_ = {};
  if (peer_ended_) keep_alive_ = false;
  stream_->forget_cut();
  std::string head = serialize_head(response, !keep_alive_);
  if (fault) spoil(*fault, head.size(), response.body.size());
  const bool has_body = !head_only_ && !response.body.empty() && may_have_body(response.status);
  if (has_body && response.body.size() < 4096) {
    head += response.body;
    stream_->write(std::move(head));
  } else {
    stream_->write(std::move(head));
    if (has_body) stream_->write(std::move(response.body));
  }
  if (!keep_alive_) return;
  stream_->pause_reading(false);
  // Not from inside: an answer may be given within dispatch().
  loop_.defer([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->answering_) self->advance();
  });
}

void HttpConnection::spoil(const AnswerFault& fault, std::size_t head_bytes,
                           std::size_t body_bytes) {
  std::uint64_t at = 0;
  if (fault.in_the_middle) {
    at = head_bytes + body_bytes / 2;
  } else if (fault.after_bytes) {
    at = head_bytes + *fault.after_bytes;
  }
  stream_->cut_after(at, fault.cut, fault.stall);
}

void HttpConnection::drop(ConnectionEnd end) {
  if (done_) return;
  timer_.cancel();
  // The service may still answer; nobody is there to hear it.
  keep_alive_ = false;
  owner_.reset();
  switch (end.how) {
    case ConnectionEnd::How::reset:
      return stream_->reset();
    case ConnectionEnd::How::close:
      return finish();
    case ConnectionEnd::How::vanish:
      return stream_->vanish();
  }
}

// The client may still be sending a body that nobody wants: closing at once would reset the
// connection and with it take back the answer.
void HttpConnection::linger() {
  if (done_) return;
  lingering_ = true;
  if (peer_ended_) return finish();
  stream_->shutdown_when_sent();
  stream_->pause_reading(false);
  timer_.start(timeouts_.linger, [this] { finish(); });
}

void HttpConnection::upgrade(std::shared_ptr<WebSocketHandler> handler,
                             const std::function<void(HttpResponse&)>& decorate,
                             const std::optional<AnswerFault>& fault) {
  if (done_) return;
  const HttpRequest request = std::exchange(upgrade_request_, {});
  const auto refuse = [this](int status, std::string message) {
    keep_alive_ = false;
    HttpResponse response = handlers_->on_malformed({status, std::move(message)});
    if (status == 426) response.headers.emplace_back("sec-websocket-version", "13");
    answer(std::move(response));
  };
  if (request.method != "GET") return refuse(405, "a WebSocket is opened with GET");
  if (request.header("sec-websocket-version") != "13") {
    return refuse(426, "only version 13 of the WebSocket protocol is spoken here");
  }
  const auto accept = websocket_accept(request.header("sec-websocket-key").value_or(""));
  if (!accept) return refuse(400, "Sec-WebSocket-Key is missing or malformed");

  timer_.cancel();
  HttpResponse response;
  response.status = 101;
  response.headers = {
      {"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-accept", *accept}};
  decorate(response);
  std::string head = serialize_head(response, false);
  stream_->forget_cut();
  if (fault) spoil(*fault, head.size(), 0);
  stream_->write(std::move(head));
  auto session =
      std::make_shared<WebSocketSession>(context_, std::move(stream_), std::move(handler),
                                         std::move(owner_), handlers_->on_websocket_finished);
  handlers_->on_websocket(session);
  upgraded_ = true;
  loop_.defer([session, self = shared_from_this()] {
    session->start(std::exchange(self->input_, {}));
    if (self->peer_ended_) session->close(kCloseNoStatus, {});
  });
  finish();
}

void HttpConnection::finish() {
  if (std::exchange(done_, true)) return;
  timer_.cancel();
  loop_.defer([self = shared_from_this()] { self->finished_(*self); });
}

}  // namespace nullspace::local

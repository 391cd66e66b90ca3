#include "transport/lws_session.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "transport/header_check.hpp"
#include "transport/socket_state.hpp"
#include "transport/utf8_check.hpp"

namespace nullspace::inline v0::transport {

namespace {

constexpr std::uint16_t kGoingAway = 1001;
constexpr int kNoStatus = 1005;
constexpr int kAbnormal = 1006;
constexpr std::uint16_t kNotText = 1007;
constexpr std::uint16_t kTooBig = 1009;

// Messages above this go out in fragments, so that libwebsockets never copies more than this aside.
constexpr std::size_t kFragmentBytes = std::size_t{1} << 20;
// What one connection may write before others get their turn.
constexpr std::size_t kWriteBudget = std::size_t{256} << 10;
// on_closed() is promised within a second after close().
constexpr std::chrono::milliseconds kFarewellTime{900};
// With several addresses none gets less than this, however little time is left.
constexpr std::chrono::milliseconds kLeastAttempt{250};
constexpr std::size_t kMaxReason = 123;

TransportFailure failure(TransportFailureKind kind, std::string message) {
  TransportFailure made;
  made.kind = kind;
  made.message = std::move(message);
  return made;
}

TransportFailure closed(int code, std::string message, std::string reason = {}) {
  TransportFailure made = failure(TransportFailureKind::closed, std::move(message));
  made.close_code = code;
  made.close_reason = std::move(reason);
  return made;
}

TransportFailure lost(TransportFailureKind kind, std::string message) {
  TransportFailure made = failure(kind, std::move(message));
  made.close_code = kAbnormal;
  return made;
}

// A close reason must be UTF-8 and fit into a control frame.
std::string fitting_reason(std::string_view reason) {
  if (reason.size() > kMaxReason) {
    std::size_t end = kMaxReason;
    while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xC0U) == 0x80U)
      --end;
    reason = reason.substr(0, end);
  }
  return is_utf8(reason) ? std::string(reason) : std::string();
}

lws_write_protocol frame_kind(MessageKind message, bool first, bool last) noexcept {
  const int opcode = message == MessageKind::binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
  const int kind = (first ? opcode : LWS_WRITE_CONTINUATION) | (last ? 0 : LWS_WRITE_NO_FIN);
  return static_cast<lws_write_protocol>(kind);
}

}  // namespace

LwsSession::LwsSession(std::shared_ptr<LwsIo> io, LwsTarget target,
                       std::shared_ptr<WebSocketListener> listener)
    : io_(std::move(io)),
      target_(std::move(target)),
      queue_(target_.request.max_send_queue_bytes, LWS_PRE),
      listener_(std::move(listener)),
      deadline_timer_([this] {
        finish(failure(TransportFailureKind::connect_timeout,
                       peer_name() + ": not open within " +
                           std::to_string(target_.request.open_timeout.count()) + " ms"));
      }),
      attempt_timer_([this] {
        detach();
        on_attempt_failed(failure(TransportFailureKind::connect, peer_name() + ": no answer"));
      }),
      keepalive_timer_([this] { on_keepalive_timer(); }),
      farewell_timer_([this] { on_farewell_timer(); }) {}

// ---- any thread --------------------------------------------------------------------------------

void LwsSession::start(std::optional<TransportFailure> failed) {
  failed_at_start_ = std::move(failed);
  if (io_->post([self = shared_from_this()] { self->begin(); })) return;
  // There is no I/O thread: the Runtime is going, or no thread could be started.
  finish(failure(TransportFailureKind::cancelled, "the WebSocket transport is shut down"));
}

SendStatus LwsSession::try_send(std::string_view message, MessageKind kind) {
  const SendStatus status = queue_.push(message, kind);
  if (status == SendStatus::queued && !write_wanted_.exchange(true)) {
    const bool posted = io_->post([self = shared_from_this()] {
      self->write_wanted_ = false;
      self->request_writable();
    });
    if (!posted) return SendStatus::closed;
  }
  return status;
}

void LwsSession::set_paused(bool paused) {
  {
    const std::lock_guard lock(mutex_);
    pause_wanted_ = paused;
  }
  // From within on_message() it must hold for the very next message.
  if (io_->is_current_thread()) {
    apply_pause();
  } else {
    (void)io_->post([self = shared_from_this()] { self->apply_pause(); });
  }
}

void LwsSession::close(std::uint16_t code, std::string_view reason) {
  const bool sendable = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                        (code >= 3000 && code <= 4999);
  Farewell farewell{.code = sendable ? code : std::uint16_t{1000},
                    .reason = fitting_reason(reason),
                    .flush = true,
                    .report = {}};
  farewell.report = closed(farewell.code, "closed by this side", farewell.reason);
  {
    const std::lock_guard lock(mutex_);
    if (close_wanted_) return;
    close_wanted_ = std::move(farewell);
  }
  queue_.refuse();
  // Never at once, even on the I/O thread: on_closed() must not come in the middle of another
  // callback.
  (void)io_->post([self = shared_from_this()] { self->apply_close(); });
}

void LwsSession::abort() {
  queue_.refuse();
  (void)io_->post([self = shared_from_this()] {
    self->finish(failure(TransportFailureKind::cancelled, "aborted by this side"));
  });
}

// ---- I/O thread --------------------------------------------------------------------------------

template <typename Body>
void LwsSession::guarded(Body body) noexcept {
  try {
    body();
  } catch (...) {
    finish(lost(TransportFailureKind::receive, "out of memory, or the listener threw"));
  }
}

std::string LwsSession::peer_name() const {
  return target_.url.host_header();
}

void LwsSession::begin() {
  guarded([this] {
    if (stage_ != Stage::created) return;
    if (failed_at_start_) return finish(*failed_at_start_);
    io_->enter(shared_from_this());
    entered_ = true;
    stage_ = Stage::resolving;
    if (io_->context() == nullptr) {
      return finish(
          failure(TransportFailureKind::connect, "libwebsockets could not be initialised"));
    }
    const auto timeout = target_.request.open_timeout;
    if (timeout.count() > 0) {
      deadline_ = Clock::now() + timeout;
      deadline_timer_.start(io_->context(), timeout);
    }
    const std::string& host = target_.proxy ? target_.proxy->host : target_.url.host;
    if (auto known = resolve_without_lookup(host)) {
      addresses_ = *std::move(known);
      return connect_next();
    }
    // Not owning: the lookup must not keep alive what stops it.
    io_->resolver().resolve(host, [weak = weak_from_this()](Resolution resolution) {
      const auto self = weak.lock();
      if (!self) return;
      (void)self->io_->post([self, resolution = std::move(resolution)]() mutable {
        self->on_resolved(std::move(resolution));
      });
    });
  });
}

void LwsSession::on_resolved(Resolution resolution) {
  guarded([&] {
    if (stage_ != Stage::resolving) return;
    addresses_ = std::move(resolution.addresses);
    if (addresses_.empty()) {
      const std::string& host = target_.proxy ? target_.proxy->host : target_.url.host;
      return finish(failure(TransportFailureKind::resolve,
                            "could not resolve host " + host + ": " + resolution.error));
    }
    connect_next();
  });
}

void LwsSession::connect_next() {
  guarded([this] {
    if (stage_ != Stage::resolving) return;
    const std::string address = addresses_[next_address_++];
    const std::size_t further = addresses_.size() - next_address_;
    const WebSocketRequest& request = target_.request;

    LwsRoute route;
    if (target_.url.secure()) route.tls = target_.tls;
    if (target_.proxy) {
      const Proxy& proxy = *target_.proxy;
      if (!proxy.user.empty()) route.proxy = proxy.user + ':' + proxy.password + '@';
      route.proxy += address.find(':') == std::string::npos ? address : '[' + address + ']';
      route.proxy += ':' + std::to_string(proxy.port);
    }
    lws_vhost* const vhost = io_->vhost(route);
    if (vhost == nullptr) {
      return finish(
          failure(TransportFailureKind::connect, "libwebsockets could not prepare the connection"));
    }

    const std::string host = target_.url.host_header();
    std::string subprotocol;
    for (const auto& [name, value] : request.headers) {
      if (equal_without_case(name, "Sec-WebSocket-Protocol")) subprotocol = value;
    }

    lws_client_connect_info info{};
    info.context = io_->context();
    info.vhost = vhost;
    // Through a proxy this is what it is asked for, else where to connect: a number, so that
    // libwebsockets looks nothing up.
    info.address = target_.proxy ? target_.url.host.c_str() : address.c_str();
    info.port = target_.url.port;
    info.path = target_.url.target.c_str();
    info.host = host.c_str();
    info.protocol = subprotocol.empty() ? nullptr : subprotocol.c_str();
    info.local_protocol_name = lws_protocol_name();
    info.ietf_version_or_minus_one = -1;
    // A server that speaks HTTP/2 would choose it, and then there is no upgrade.
    info.alpn = "http/1.1";
    info.retry_and_idle_policy = &lws_no_pings();
    info.opaque_user_data = static_cast<LwsClient*>(this);
    info.pwsi = &wsi_;
    // Followed, a redirect would carry the key to wherever it points.
    info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
    if (target_.url.secure()) {
      info.ssl_connection |= LCCSCF_USE_SSL;
      // It cannot parse IPv6 literals; write_headers() checks the certificate's address instead.
      if (!target_.verify || is_ipv6_target()) {
        info.ssl_connection |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
      }
      if (!target_.verify) {
        info.ssl_connection |=
            LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE | LCCSCF_ALLOW_EXPIRED;
      }
    }

    stage_ = Stage::connecting;
    attempt_over_ = false;
    attempt_failure_.reset();
    wsi_ = nullptr;
    if (further > 0 && deadline_ != Clock::time_point{}) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
      attempt_timer_.start(info.context,
                           std::max(left / static_cast<int>(further + 1), kLeastAttempt));
    }
    // It may report the failure through a callback, by its result, by both, or later.
    if (lws_client_connect_via_info(&info) == nullptr && !attempt_over_) {
      wsi_ = nullptr;
      on_attempt_failed(
          failure(TransportFailureKind::connect, "could not connect to " + peer_name()));
    }
  });
}

void LwsSession::on_attempt_failed(const TransportFailure& why) {
  attempt_over_ = true;
  attempt_timer_.cancel();
  if (stage_ == Stage::connecting && next_address_ < addresses_.size()) {
    stage_ = Stage::resolving;
    // Not from within libwebsockets, which is still busy with the attempt that failed.
    if (io_->post([self = shared_from_this()] { self->connect_next(); })) return;
  }
  finish(why);
}

TransportFailure LwsSession::describe_failed_attempt(lws* wsi) const {
  const std::string who = peer_name();
  if (attempt_failure_) return *attempt_failure_;
  if (stage_ == Stage::connecting) {
    return failure(TransportFailureKind::connect, "could not connect to " + who);
  }
  if (stage_ == Stage::connected) {
    if (target_.proxy && lws_get_ssl(wsi) == nullptr) {
      return failure(TransportFailureKind::connect, "the proxy opened no tunnel to " + who);
    }
    return target_.url.secure()
               ? failure(TransportFailureKind::tls,
                         who + ": " + describe_tls_failure(lws_get_ssl(wsi)))
               : failure(TransportFailureKind::connect, "could not connect to " + who);
  }
  const int status = static_cast<int>(lws_http_client_http_response(wsi));
  if (status == 101) {
    return failure(TransportFailureKind::protocol, who + " upgraded, but not to this WebSocket");
  }
  if (status > 0) {
    TransportFailure refused =
        failure(TransportFailureKind::upgrade_refused,
                who + " answered the upgrade with HTTP status " + std::to_string(status));
    refused.http_status = status;
    std::array<char, 64> retry_after{};
    if (lws_hdr_copy(wsi, retry_after.data(), static_cast<int>(retry_after.size()),
                     WSI_TOKEN_HTTP_RETRY_AFTER) > 0) {
      refused.retry_after = retry_after.data();
    }
    return refused;
  }
  // Under TLS the handshake was heard already, so that silence and nonsense cannot be told apart.
  if (!target_.url.secure() && !target_.proxy && peer_has_spoken(lws_get_socket_fd(wsi))) {
    return failure(TransportFailureKind::protocol, who + " did not answer the upgrade with HTTP");
  }
  return failure(TransportFailureKind::receive,
                 who + " closed the connection instead of answering the upgrade");
}

bool LwsSession::is_ipv6_target() const {
  return target_.url.host.find(':') != std::string::npos;
}

int LwsSession::write_headers(lws* wsi, void* in, std::size_t room) {
  stage_ = Stage::requested;
  if (target_.url.secure() && target_.verify && is_ipv6_target() &&
      !certificate_names_address(lws_get_ssl(wsi), target_.url.host)) {
    stage_ = Stage::connected;
    attempt_failure_ =
        failure(TransportFailureKind::tls,
                peer_name() + ": the server's certificate is not accepted: IP address mismatch");
    return -1;
  }
  auto** const at = static_cast<unsigned char**>(in);
  std::string lines;
  for (const auto& [name, value] : target_.request.headers) {
    if (equal_without_case(name, "Sec-WebSocket-Protocol")) continue;
    lines += name;
    lines += ": ";
    lines += value;
    lines += "\r\n";
  }
  if (lines.size() > room) {
    attempt_failure_ = failure(TransportFailureKind::invalid_request, "the headers are too long");
    return -1;
  }
  std::memcpy(*at, lines.data(), lines.size());
  *at += lines.size();
  return 0;
}

int LwsSession::on_event(lws* wsi, lws_callback_reasons reason, void* in,
                         std::size_t size) noexcept {
  // Its end lets go of the loop's reference in the middle of this.
  const auto self = shared_from_this();
  int result = 0;
  guarded([&] {
    switch (reason) {
      case LWS_CALLBACK_WSI_CREATE:
        if (stage_ == Stage::connecting) {
          stage_ = Stage::connected;
          attempt_timer_.cancel();
        }
        break;
      case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        result = write_headers(wsi, in, size);
        break;
      case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: {
        TransportFailure why = describe_failed_attempt(wsi);
        forget(wsi);
        on_attempt_failed(why);
        break;
      }
      case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_established();
        break;
      case LWS_CALLBACK_CLIENT_RECEIVE:
        result = on_receive(wsi, static_cast<const char*>(in), size);
        break;
      case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        if (keepalive_) keepalive_->on_received(Clock::now());
        break;
      case LWS_CALLBACK_CLIENT_WRITEABLE:
        result = on_writable(wsi);
        break;
      case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        result = on_peer_close(static_cast<const unsigned char*>(in), size);
        break;
      case LWS_CALLBACK_CLIENT_CLOSED:
      case LWS_CALLBACK_WSI_DESTROY:
        on_lost(wsi);
        break;
      default:
        break;
    }
  });
  // Ended meanwhile: the wsi must not be served any further.
  return stage_ == Stage::ended && reason == LWS_CALLBACK_CLIENT_RECEIVE ? -1 : result;
}

void LwsSession::on_established() {
  stage_ = Stage::open;
  deadline_timer_.cancel();
  attempt_timer_.cancel();
  keepalive_.emplace(target_.request.keepalive, Clock::now());
  if (keepalive_->enabled())
    keepalive_timer_.start(io_->context(), keepalive_->next() - Clock::now());
  apply_pause();
  listener_->on_open();
  request_writable();
}

int LwsSession::on_receive(lws* wsi, const char* data, std::size_t size) {
  if (keepalive_) keepalive_->on_received(Clock::now());
  if (stage_ != Stage::open || discarding_) return 0;

  const std::size_t limit = target_.request.max_message_bytes;
  const std::size_t to_come = lws_remaining_packet_payload(wsi);
  if (size > limit - message_.size() || to_come > limit - message_.size() - size) {
    message_ = {};
    say_farewell(
        {.code = kTooBig,
         .reason = "message too big",
         .flush = false,
         .report = failure(TransportFailureKind::too_large,
                           "a message is larger than " + std::to_string(limit) + " bytes")});
    return 0;
  }

  const bool complete = lws_is_final_fragment(wsi) != 0 && to_come == 0;
  std::string message;
  if (complete && message_.empty()) {
    message.assign(data, size);
  } else {
    if (message_.empty()) message_.reserve(size + to_come);
    message_.append(data, size);
    if (!complete) return 0;
    message = std::exchange(message_, {});
  }
  if (lws_frame_is_binary(wsi) != 0) {
    listener_->on_binary_message(std::move(message));
    return 0;
  }
  if (!is_utf8(message)) {
    say_farewell(
        {.code = kNotText,
         .reason = "invalid UTF-8",
         .flush = false,
         .report = failure(TransportFailureKind::protocol, "a text message is not valid UTF-8")});
    return 0;
  }
  listener_->on_message(std::move(message));
  return 0;
}

int LwsSession::on_writable(lws* wsi) {
  if (stage_ != Stage::open) return 0;
  bool may_write = lws_partial_buffered(wsi) == 0;

  if (may_write && (ping_due_ || pong_due_)) {
    std::array<unsigned char, LWS_PRE + sizeof(Clock::rep)> buffer{};
    const Clock::rep stamp = Clock::now().time_since_epoch().count();
    std::memcpy(buffer.data() + LWS_PRE, &stamp, sizeof stamp);
    const auto kind = ping_due_ ? LWS_WRITE_PING : LWS_WRITE_PONG;
    ping_due_ = pong_due_ = false;
    if (lws_write(wsi, buffer.data() + LWS_PRE, sizeof stamp, kind) < 0) return -1;
    may_write = lws_partial_buffered(wsi) == 0 && lws_send_pipe_choked(wsi) == 0;
  }

  std::size_t written = 0;
  const bool flush = !farewell_ || farewell_->flush;
  while (may_write && flush && written < kWriteBudget) {
    if (!frame_) frame_ = queue_.pop();
    if (!frame_) break;
    const std::size_t part = std::min(frame_->size - frame_->sent, kFragmentBytes);
    const bool last = frame_->sent + part == frame_->size;
    // It takes all or fails; what the socket does not take it copies aside.
    if (lws_write(wsi, frame_->payload() + frame_->sent, part,
                  frame_kind(frame_->kind, frame_->sent == 0, last)) < 0) {
      return -1;
    }
    frame_->sent += part;
    written += part + SendQueue::kMessageOverhead;
    if (last) {
      const bool drained = queue_.release(*frame_);
      frame_.reset();
      if (drained) listener_->on_drained();
    }
    may_write = lws_partial_buffered(wsi) == 0 && lws_send_pipe_choked(wsi) == 0;
  }

  const bool unsent = flush && (frame_ || !queue_.empty());
  if (farewell_ && !unsent && lws_partial_buffered(wsi) == 0) {
    lws_close_reason(wsi, static_cast<lws_close_status>(farewell_->code),
                     reinterpret_cast<unsigned char*>(farewell_->reason.data()),
                     farewell_->reason.size());
    stage_ = Stage::closing;
    return -1;
  }
  if (unsent || farewell_) lws_callback_on_writable(wsi);
  return 0;
}

int LwsSession::on_peer_close(const unsigned char* data, std::size_t size) {
  if (peer_close_) return 0;
  // libwebsockets answers and hangs up; a peer that takes nothing any more must not delay that.
  farewell_timer_.start(io_->context(), kFarewellTime);
  int code = kNoStatus;
  std::string_view reason;
  if (size >= 2) {
    code = data[0] << 8 | data[1];
    reason = {reinterpret_cast<const char*>(data) + 2, size - 2};
  }
  if (!is_utf8(reason)) {
    peer_close_ = lost(TransportFailureKind::protocol,
                       peer_name() + " sent a close reason that is not valid UTF-8");
    // Without an answer: repeating its code would mean that all is well.
    return -1;
  }
  std::string message = "closed by " + peer_name() + " with code " + std::to_string(code);
  if (!reason.empty()) message.append(" (").append(reason).append(")");
  peer_close_ = closed(code, std::move(message), std::string(reason));
  return 0;
}

void LwsSession::on_lost(lws* wsi) {
  const int socket = lws_get_socket_fd(wsi);
  const bool hung_up_by_us = is_fully_connected(socket);
  if (stage_ != Stage::open && stage_ != Stage::closing) {
    TransportFailure why = describe_failed_attempt(wsi);
    forget(wsi);
    return on_attempt_failed(why);
  }
  forget(wsi);
  if (farewell_ && (stage_ == Stage::closing || !farewell_->flush))
    return finish(farewell_->report);
  if (peer_close_) return finish(*peer_close_);
  if (hung_up_by_us) {
    return finish(
        lost(TransportFailureKind::protocol, peer_name() + " sent what is not a WebSocket frame"));
  }
  finish(lost(TransportFailureKind::receive, "the connection to " + peer_name() + " was lost"));
}

void LwsSession::on_keepalive_timer() {
  if (stage_ != Stage::open || !keepalive_) return;
  const KeepAliveState::Step step = keepalive_->on_timer(Clock::now());
  switch (step.action) {
    case KeepAliveState::Action::none:
      break;
    case KeepAliveState::Action::send_ping:
      ping_due_ = true;
      request_writable();
      break;
    case KeepAliveState::Action::send_pong:
      // A peer that has finished would answer with a reset, and that would cost us what we have
      // not read yet.
      if (!peer_has_finished(lws_get_socket_fd(wsi_))) {
        pong_due_ = true;
        request_writable();
      }
      break;
    case KeepAliveState::Action::give_up:
      return finish(
          lost(TransportFailureKind::peer_gone, peer_name() + " does not answer pings any more"));
  }
  keepalive_timer_.start(io_->context(), step.next - Clock::now());
}

void LwsSession::on_farewell_timer() {
  if (peer_close_) return finish(*peer_close_);
  if (!farewell_) return;
  TransportFailure report = std::move(farewell_->report);
  if (report.kind == TransportFailureKind::closed) {
    report.close_code = kAbnormal;
    report.message = "closed by this side, without an answer from " + peer_name();
  }
  finish(report);
}

void LwsSession::apply_pause() {
  bool wanted = false;
  {
    const std::lock_guard lock(mutex_);
    wanted = pause_wanted_;
  }
  // After a goodbye everything is read, or its answer would not be seen.
  if (stage_ != Stage::open || wsi_ == nullptr || farewell_ || wanted == paused_) return;
  paused_ = wanted;
  if (keepalive_) {
    if (paused_) {
      keepalive_->on_paused();
    } else {
      keepalive_->on_resumed(Clock::now());
      if (keepalive_->enabled())
        keepalive_timer_.start(io_->context(), keepalive_->next() - Clock::now());
    }
  }
  lws_rx_flow_control(wsi_, paused_ ? 0 : 1);
}

void LwsSession::apply_close() {
  std::optional<Farewell> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = close_wanted_;
  }
  if (!wanted || stage_ == Stage::ended) return;
  if (stage_ == Stage::open) {
    say_farewell(*std::move(wanted));
  } else if (stage_ != Stage::closing) {
    finish(failure(TransportFailureKind::cancelled, "closed by this side before it was open"));
  }
}

void LwsSession::say_farewell(Farewell farewell) {
  if (farewell_ || peer_close_ || stage_ != Stage::open) return;
  queue_.refuse();
  discarding_ = true;
  if (std::exchange(paused_, false)) lws_rx_flow_control(wsi_, 1);
  farewell_ = std::move(farewell);
  keepalive_timer_.cancel();
  farewell_timer_.start(io_->context(), kFarewellTime);
  request_writable();
}

void LwsSession::request_writable() {
  if (wsi_ != nullptr && stage_ == Stage::open) lws_callback_on_writable(wsi_);
}

void LwsSession::on_shutdown() noexcept {
  guarded([this] {
    TransportFailure why =
        failure(TransportFailureKind::cancelled, "the WebSocket transport is shut down");
    if (stage_ != Stage::open) {
      if (stage_ != Stage::closing) finish(why);
      return;
    }
    say_farewell({.code = kGoingAway, .reason = {}, .flush = true, .report = std::move(why)});
  });
}

void LwsSession::on_shutdown_now() noexcept {
  if (peer_close_) return finish(*peer_close_);
  if (farewell_) return finish(farewell_->report);
  finish(failure(TransportFailureKind::cancelled, "the WebSocket transport is shut down"));
}

void LwsSession::forget(lws* wsi) noexcept {
  lws_set_opaque_user_data(wsi, nullptr);
  wsi_ = nullptr;
}

void LwsSession::detach() noexcept {
  if (wsi_ == nullptr) return;
  lws* const wsi = wsi_;
  forget(wsi);
  // Soon, from the top of the loop: here it may be in the middle of one of its callbacks.
  lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

void LwsSession::finish(const TransportFailure& why) noexcept {
  if (std::exchange(stage_, Stage::ended) == Stage::ended) return;
  const auto self = shared_from_this();
  deadline_timer_.cancel();
  attempt_timer_.cancel();
  keepalive_timer_.cancel();
  farewell_timer_.cancel();
  detach();
  queue_.clear();
  frame_.reset();
  message_ = {};
  const std::shared_ptr<WebSocketListener> listener = std::exchange(listener_, nullptr);
  try {
    listener->on_closed(why);
  } catch (...) {
    // There is nobody left to tell.
  }
  if (entered_) io_->leave(this);
}

}  // namespace nullspace::inline v0::transport

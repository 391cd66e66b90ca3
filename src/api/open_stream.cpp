#include "api/open_stream.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/rest.hpp"
#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "wire/error_body.hpp"

namespace nullspace::inline v0 {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetryDelay{250};
constexpr milliseconds kLongestRetryDelay{2'000};

ErrorInfo refused(ErrorKind kind, std::string code, const StreamTarget& target, int status) {
  ErrorInfo error;
  error.kind = kind;
  error.code = std::move(code);
  error.http_status = status;
  error.message = fmt::format("websocket {} failed with HTTP {}", target.path, status);
  return error;
}

// The server's own reason, if asking for the sandbox fails in the same way.
std::optional<ErrorInfo> look_up_reason(const detail::ClientCore& client,
                                        const StreamTarget& target, support::Expiry expiry,
                                        const std::stop_token& stop) {
  if (target.sandbox_id.empty()) return std::nullopt;
  constexpr wire::Endpoint kGet = wire::Endpoint::get_sandbox;
  auto path = wire::endpoint_path(kGet, client.config().dialect, {target.sandbox_id});
  if (!path.ok()) return std::nullopt;
  auto answer =
      call(client, {.endpoint = kGet, .path = *std::move(path), .expiry = expiry, .stop = stop});
  if (answer.ok() || answer.error().http_status == 0) return std::nullopt;
  ErrorInfo reason = std::move(answer).error();
  reason.message = fmt::format("websocket {} refused: {}", target.path, reason.message);
  reason.operation.clear();
  return reason;
}

}  // namespace

WebSocketRequest websocket_request(const detail::ClientCore& client, const StreamTarget& target) {
  const ClientOptions& options = client.options();
  return {.url = client.websocket_url(target.path),
          .headers = client.common_headers(true),
          .open_timeout = options.timeouts.websocket_open,
          .keepalive = options.keepalive,
          .max_message_bytes = options.max_message_bytes,
          .max_send_queue_bytes = options.send_buffer_bytes};
}

OpenFailure classify_open_failure(const StreamTarget& target, const TransportFailure& failure) {
  const int status = failure.http_status;
  if (failure.kind != TransportFailureKind::upgrade_refused) {
    ErrorInfo error = support::from_transport(failure);
    error.message = fmt::format("websocket {} failed: {}", target.path, failure.message);
    const bool hopeless = failure.kind == TransportFailureKind::invalid_request ||
                          failure.kind == TransportFailureKind::cancelled ||
                          failure.kind == TransportFailureKind::tls;
    return {std::move(error), !hopeless};
  }
  OpenFailure refusal{refused(ErrorKind::transport, "transport_error", target, status), true};
  if (status == 401 || status == 403) {
    refusal = {refused(ErrorKind::authentication, "unauthorized", target, status), false};
  } else if (status == 429) {
    refusal = {refused(ErrorKind::rate_limit, "rate_limit_exceeded", target, status), false};
  } else if (status == 501) {
    refusal = {refused(ErrorKind::not_implemented, "not_implemented", target, status), false};
  } else if (status == 404 && !target.sandbox_id.empty()) {
    refusal = {refused(ErrorKind::not_found, "sandbox_not_found", target, status), false};
  } else if (status >= 400 && status < 500) {
    refusal = {refused(ErrorKind::server, "websocket_upgrade_error", target, status), false};
  }
  if (!failure.retry_after.empty()) {
    refusal.error.retry_after = wire::parse_retry_after(failure.retry_after);
  }
  return refusal;
}

OpenFailure explain_open_failure(const detail::ClientCore& client, const StreamTarget& target,
                                 const TransportFailure& failure, support::Expiry expiry,
                                 const std::stop_token& stop) {
  OpenFailure refusal = classify_open_failure(target, failure);
  const int status = failure.http_status;
  const bool worth_asking = failure.kind == TransportFailureKind::upgrade_refused &&
                            status >= 400 && status < 500 && status != 401 && status != 403 &&
                            status != 429;
  if (worth_asking) {
    if (auto reason = look_up_reason(client, target, expiry, stop)) {
      refusal.error = *std::move(reason);
    } else {
      refusal.error = refused(ErrorKind::server, "websocket_upgrade_error", target, status);
    }
  }
  return refusal;
}

support::Result<std::shared_ptr<transport::MessageStream>> open_stream(
    const detail::ClientCore& client, const StreamTarget& target, support::Expiry expiry,
    const std::stop_token& stop) {
  using Wait = transport::MessageStream::Wait;
  milliseconds delay = kFirstRetryDelay;
  for (int attempt = 0;; ++attempt) {
    auto stream =
        transport::MessageStream::open(client.websocket(), websocket_request(client, target),
                                       client.options().receive_buffer_bytes);
    // The transport keeps its own, shorter deadline for opening; this one is the caller's.
    const Wait opened = stream->wait_open(expiry, stop);
    if (opened == Wait::ready) return stream;
    if (opened != Wait::closed) {
      stream->abort();
      if (opened == Wait::cancelled)
        return support::cancelled("stopped while the connection was opening");
      return support::timed_out(Deadline::caller,
                                "the deadline of the call passed while the connection was opening");
    }
    OpenFailure failure =
        explain_open_failure(client, target, *stream->close_cause(), expiry, stop);
    client.logger().log(LogLevel::warning, "websocket", failure.error.message);
    if (!failure.worth_retrying || attempt >= client.options().retry.websocket_open_retries ||
        delay >= expiry.remaining(milliseconds::max())) {
      return std::move(failure.error);
    }
    if (!support::sleep_for(delay, stop))
      return support::cancelled("stopped before trying to connect again");
    delay = std::min(delay * 2, kLongestRetryDelay);
  }
}

ErrorInfo stream_cut(const TransportFailure& why) {
  if (why.kind == TransportFailureKind::too_large || why.kind == TransportFailureKind::protocol) {
    return support::from_transport(why);
  }
  std::string reason = why.message;
  if (why.kind == TransportFailureKind::closed && why.close_code != 0) {
    reason =
        fmt::format("the server closed the stream (code {}) before it was over", why.close_code);
  }
  return support::transport_error(std::move(reason));
}

}  // namespace nullspace::inline v0

/// @file
/// The two seams to the network. The SDK brings implementations on libcurl and libwebsockets; an
/// application (or a test) can put its own in ClientOptions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nullspace/export.hpp>

namespace nullspace::inline v0 {

/// Header names and values in order. Names compare without case.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// How a request or a connection failed below the protocol.
enum class TransportFailureKind {
  invalid_request,  ///< The request could not be written down (CR or LF in a header, a URL that is
                    ///< none).
  resolve,          ///< The host name did not resolve.
  connect,          ///< Refused or unreachable: no byte of the request was sent.
  tls,  ///< The handshake failed or the certificate was refused: no byte of the request was sent.
  connect_timeout,  ///< The connection did not open in time: no byte of the request was sent.
  send,             ///< Lost while sending.
  receive,          ///< Lost while waiting for or reading the answer.
  protocol,         ///< The peer does not speak HTTP or WebSocket.
  timeout,          ///< The total deadline passed.
  cancelled,        ///< The stop_token was triggered.
  too_large,        ///< The answer or a message was above the limit.
  upgrade_refused,  ///< WebSocket only: the server answered the upgrade with another status.
  peer_gone,        ///< WebSocket only: the peer stopped answering pings.
  closed            ///< WebSocket only: a close handshake; close_code says which.
};

struct TransportFailure {
  TransportFailureKind kind{TransportFailureKind::receive};
  std::string message{};
  /// Status of a refused upgrade, else 0.
  int http_status{0};
  /// Close code the peer sent, 1005 for none, 1006 for no close frame at all, else 0.
  int close_code{0};
  std::string close_reason{};
  /// The `Retry-After` header of a refused upgrade, as the server wrote it; "" for none.
  std::string retry_after{};
};

struct HttpRequest {
  std::string method{"GET"};
  /// Absolute URL, already encoded.
  std::string url{};
  HttpHeaders headers{};
  std::string body{};
  std::chrono::milliseconds connect_timeout{10'000};
  /// Total time from the call to the last byte of the answer, on the steady clock. 0 = none.
  std::chrono::milliseconds timeout{30'000};
  /// Answers above this are refused with `too_large`.
  std::size_t max_response_bytes{std::size_t{128} << 20};
  /// Do not reuse a pooled connection: such a request is never silently sent twice.
  bool fresh_connection{false};
  std::stop_token stop{};
};

struct HttpResponse {
  int status{0};
  HttpHeaders headers{};
  std::string body{};

  /// First header of that name (compared without case), if any.
  [[nodiscard]] NULLSPACE_EXPORT std::optional<std::string_view> header(
      std::string_view name) const noexcept;
};

using HttpOutcome = std::variant<HttpResponse, TransportFailure>;

/// Sends one request and waits for its answer. Redirects are not followed.
class NULLSPACE_EXPORT HttpTransport {
 public:
  virtual ~HttpTransport();
  /// Blocks the calling thread. Called from many threads at once. Does not throw for anything the
  /// network does.
  [[nodiscard]] virtual HttpOutcome send(const HttpRequest& request) = 0;
};

/// Pings of our own: they find a peer that vanished without a word.
struct KeepAlive {
  /// Time of silence after which a ping is sent, in ms. 0 switches own pings off; the server's are
  /// answered anyway.
  std::chrono::milliseconds interval{15'000};
  /// Pings in a row that may stay unanswered before the connection counts as dead.
  int max_missed{2};
};

struct WebSocketRequest {
  /// `ws://` or `wss://` URL.
  std::string url{};
  HttpHeaders headers{};
  /// TCP, proxy, TLS and upgrade together.
  std::chrono::milliseconds open_timeout{15'000};
  KeepAlive keepalive{};
  /// A message above this closes the connection with 1009.
  std::size_t max_message_bytes{std::size_t{16} << 20};
  /// try_send() refuses above this many queued bytes.
  std::size_t max_send_queue_bytes{std::size_t{4} << 20};
};

/// What happens on a connection. All calls come from the transport's I/O thread, in order; they
/// must not block. on_closed() is the last one and comes exactly once, also when the connection
/// never opened.
class NULLSPACE_EXPORT WebSocketListener {
 public:
  virtual ~WebSocketListener();
  virtual void on_open() = 0;
  /// One whole message; the string is the listener's to keep.
  virtual void on_message(std::string message) = 0;
  /// The same for a binary message. Default: on_message(), for who accepts either.
  virtual void on_binary_message(std::string message);
  /// The send queue has room again after try_send() returned `full`.
  virtual void on_drained() = 0;
  virtual void on_closed(const TransportFailure& why) = 0;
};

enum class SendStatus { queued, full, closed };

/// One connection. Every method may be called from any thread and none blocks.
class NULLSPACE_EXPORT WebSocketConnection {
 public:
  virtual ~WebSocketConnection();
  /// Queues one text message. `full`: nothing was queued; try again after on_drained().
  [[nodiscard]] virtual SendStatus try_send(std::string_view message) = 0;
  /// Queues one binary message; otherwise like try_send(). Default: `closed`, for a transport that
  /// knows text only.
  [[nodiscard]] virtual SendStatus try_send_binary(std::string_view message);
  /// Stops (and resumes) reading from the socket, so that the peer feels the backpressure.
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  /// Sends what is queued, then a close frame. on_closed() follows within a second even when the
  /// peer is silent.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  /// Ends the connection at once, without a close handshake.
  virtual void abort() = 0;
};

/// Opens WebSocket connections.
class NULLSPACE_EXPORT WebSocketTransport {
 public:
  virtual ~WebSocketTransport();
  /// Starts a connection and returns at once. The transport keeps the listener until on_closed()
  /// has returned.
  [[nodiscard]] virtual std::shared_ptr<WebSocketConnection> open(
      WebSocketRequest request, std::shared_ptr<WebSocketListener> listener) = 0;
};

}  // namespace nullspace::inline v0

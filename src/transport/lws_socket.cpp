#include "transport/lws_socket.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "transport/header_check.hpp"
#include "transport/lws_loop.hpp"
#include "transport/lws_session.hpp"

namespace nullspace::inline v0::transport {

namespace {

// What libwebsockets would cut off without a word.
constexpr std::size_t kMaxHost = 120;
constexpr std::size_t kMaxHostThroughProxy = 90;
constexpr std::size_t kMaxTarget = 2000;
constexpr std::size_t kMaxProxyLogin = 90;
// The head of the request shares a buffer of 64 KiB.
constexpr std::size_t kMaxHeaders = std::size_t{60} << 10;

TransportFailure invalid(std::string message) {
  TransportFailure made;
  made.kind = TransportFailureKind::invalid_request;
  made.message = std::move(message);
  return made;
}

std::optional<TransportFailure> check_headers(const HttpHeaders& headers) {
  if (auto fault = find_header_fault(headers)) return invalid(*std::move(fault));
  constexpr std::array kOwnHeaders{"Host",
                                   "Connection",
                                   "Upgrade",
                                   "Content-Length",
                                   "Transfer-Encoding",
                                   "Sec-WebSocket-Key",
                                   "Sec-WebSocket-Version",
                                   "Sec-WebSocket-Extensions"};
  std::size_t total = 0;
  for (const auto& [name, value] : headers) {
    total += name.size() + value.size() + 4;
    for (const char* own : kOwnHeaders) {
      if (equal_without_case(name, own))
        return invalid("the header " + name + " is the transport's own");
    }
  }
  if (total > kMaxHeaders) return invalid("the headers are too long");
  return std::nullopt;
}

// Fills the target, or says why it cannot be one.
std::optional<TransportFailure> prepare(LwsTarget& target, LwsIo& io,
                                        const LwsWebSocketOptions& options,
                                        const Environment& environment) {
  auto url = parse_url(target.request.url);
  if (!url) return invalid(url.error().message);
  target.url = *std::move(url);
  if (target.url.scheme != "ws" && target.url.scheme != "wss") {
    return invalid("invalid URL: the scheme must be ws or wss");
  }
  if (target.url.host_header().size() > kMaxHost)
    return invalid("invalid URL: the host is too long");
  if (target.url.target.size() > kMaxTarget) return invalid("invalid URL: the path is too long");
  if (auto fault = check_headers(target.request.headers)) return fault;

  if (const std::string text = choose_proxy(target.url, options.proxy, environment);
      !text.empty()) {
    auto proxy = parse_proxy(text);
    if (!proxy) return invalid(proxy.error().message);
    if (proxy->scheme != "http") return invalid("WebSockets can only go through an http:// proxy");
    if (proxy->user.size() + proxy->password.size() > kMaxProxyLogin)
      return invalid("the proxy login is too long");
    if (target.url.host.size() > kMaxHostThroughProxy)
      return invalid("invalid URL: the host is too long for a proxy");
    target.proxy = *std::move(proxy);
  }

  target.verify = options.tls.verify;
  if (target.url.secure()) {
    auto tls = io.tls_context(options.tls);
    if (!tls) {
      TransportFailure unusable = invalid(tls.error().message);
      unusable.kind = TransportFailureKind::tls;
      return unusable;
    }
    target.tls = *std::move(tls);
  }
  return std::nullopt;
}

// What the user holds. Its end is the connection's. In a forked child it does nothing: the
// connection is the parent's.
class LwsConnection final : public WebSocketConnection {
 public:
  LwsConnection(std::shared_ptr<LwsIo> io, std::shared_ptr<LwsSession> session)
      : io_(std::move(io)), session_(std::move(session)) {}
  LwsConnection(const LwsConnection&) = delete;
  LwsConnection& operator=(const LwsConnection&) = delete;
  ~LwsConnection() override { abort_session(); }

  SendStatus try_send(std::string_view message) override {
    return usable() ? session_->try_send(message, MessageKind::text) : SendStatus::closed;
  }
  SendStatus try_send_binary(std::string_view message) override {
    return usable() ? session_->try_send(message, MessageKind::binary) : SendStatus::closed;
  }
  void pause_reading() override {
    if (usable()) session_->set_paused(true);
  }
  void resume_reading() override {
    if (usable()) session_->set_paused(false);
  }
  void close(std::uint16_t code, std::string_view reason) override {
    if (usable()) session_->close(code, reason);
  }
  void abort() override { abort_session(); }

 private:
  [[nodiscard]] bool usable() const noexcept { return io_->is_of_this_process(); }
  void abort_session() {
    if (usable()) session_->abort();
  }

  const std::shared_ptr<LwsIo> io_;
  const std::shared_ptr<LwsSession> session_;
};

}  // namespace

LwsWebSocketTransport::LwsWebSocketTransport(std::shared_ptr<Runtime> runtime,
                                             LwsWebSocketOptions options)
    : runtime_(std::move(runtime)),
      options_(std::move(options)),
      environment_(read_proxy_environment()) {}

std::shared_ptr<WebSocketConnection> LwsWebSocketTransport::open(
    WebSocketRequest request, std::shared_ptr<WebSocketListener> listener) {
  const std::shared_ptr<LwsIo> io = runtime_->websocket_loop().io();
  LwsTarget target;
  target.request = std::move(request);
  // On this thread: loading the system's roots takes a while, and other connections must not feel
  // it.
  std::optional<TransportFailure> fault = prepare(target, *io, options_, environment_);
  auto session = std::make_shared<LwsSession>(io, std::move(target), std::move(listener));
  auto connection = std::make_shared<LwsConnection>(io, session);
  session->start(std::move(fault));
  return connection;
}

}  // namespace nullspace::inline v0::transport

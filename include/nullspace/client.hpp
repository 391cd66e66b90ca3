/// @file
/// Client: the key, the address and the connection settings that all handles share.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <nullspace/dialect.hpp>
#include <nullspace/export.hpp>
#include <nullspace/log.hpp>
#include <nullspace/secret.hpp>
#include <nullspace/transport.hpp>
#include <nullspace/version.hpp>

namespace nullspace::inline v0 {

namespace detail {
class ClientCore;
}

/// Runs a task soon, on a thread of the application's choice. Tasks may be run on any thread, but
/// each one once.
using Executor = std::function<void(std::function<void()>)>;

/// How long things may take. All are limits of this client; how long a *command* may run is
/// RunOptions::timeout.
struct Timeouts {
  /// TCP and TLS of one connection.
  std::chrono::milliseconds connect{10'000};
  /// One request from first to last byte, unless the call has a longer one of its own.
  std::chrono::milliseconds request{30'000};
  /// Creating a sandbox, per attempt.
  std::chrono::milliseconds create{120'000};
  /// Hibernate, resume, fork, snapshot, per attempt.
  std::chrono::milliseconds transition{300'000};
  /// Opening one WebSocket: TCP, TLS and upgrade, and again for the first message where one is
  /// awaited.
  std::chrono::milliseconds websocket_open{15'000};
};

/// What is tried again by itself.
struct RetryOptions {
  /// Requests answered 429 (`rate_limit_exceeded` or no code) are repeated this often.
  int rate_limit_retries{3};
  /// Longest `Retry-After` that is waited for; a longer one ends the call with kind rate_limit.
  std::chrono::milliseconds max_retry_after{60'000};
  /// Attempts of one Sandbox::create() whose answer got lost or is still under way. All carry one
  /// Idempotency-Key.
  int create_attempts{30};
  /// Further attempts to open a WebSocket after a network error or a 5xx.
  int websocket_open_retries{2};
};

/// How a stream comes back after a lost connection: subscriptions, attached terminals and live
/// commands alike. The delay before an attempt is a random part of a ceiling that doubles from
/// initial_delay to max_delay; a server's `Retry-After` makes it longer.
///
/// A refusal that would be repeated ends the stream at once, whatever is set here: 401, 403, 404
/// and every other 4xx but 429, 501, a certificate that is not accepted.
struct ReconnectOptions {
  bool enabled{true};
  std::chrono::milliseconds initial_delay{250};
  std::chrono::milliseconds max_delay{5'000};
  /// Attempts of one outage before it gives up; 0 = no limit.
  int max_attempts{0};
  /// Longest outage before it gives up; 0 = no limit.
  std::chrono::milliseconds max_outage{0};
};

/// Which certificates are trusted, for REST and WebSockets alike. Verification of chain and host
/// name is on.
struct TlsOptions {
  /// PEM file with the trusted roots, instead of the system's.
  std::string ca_file{};
  /// Directory of hashed roots (`c_rehash`), instead of the system's.
  std::string ca_directory{};
  /// false accepts any certificate. Only for experiments: whoever is in between reads the key.
  bool verify{true};
};

/// Settings of a Client. Every field has a default; set what you need with designated initializers.
///
/// Where key and address come from, first hit wins:
/// | | key | base URL |
/// |---|---|---|
/// | 1 | `api_key` here | `base_url` here |
/// | 2 | `NULLSPACE_API_KEY` | `NULLSPACE_API_URL`, then `NULLSPACE_BASE_URL` |
/// | 3 | the same names in `.env` of the working directory | likewise, *only with a key from the
/// same file or for a loopback host* | | 4 | `api_key` in `$XDG_CONFIG_HOME/nullspace/config.json`,
/// then `~/.nullspace/config.json` | `base_url`, then `api_url` there | | 5 | Error
/// `missing_api_key` | `http://localhost:3000` |
struct ClientOptions {
  /// A blank key is an error (`missing_api_key`); it does not fall back to the environment.
  std::optional<Secret> api_key{};
  /// Blank means `http://localhost:3000`. A path prefix is kept, trailing slashes are not.
  std::optional<std::string> base_url{};
  /// Default: environment `NULLSPACE_DIALECT` (`sandbox` or `machine`), else sandbox.
  std::optional<Dialect> dialect{};
  Timeouts timeouts{};
  RetryOptions retry{};
  ReconnectOptions reconnect{};
  KeepAlive keepalive{};
  TlsOptions tls{};
  /// Proxy URL (`http://host:port`) for everything; `""` = none. Unset: `https_proxy`, `http_proxy`
  /// and `no_proxy` of the environment, except for loopback hosts.
  std::optional<std::string> proxy{};
  /// Appended to the SDK's own User-Agent.
  std::string user_agent{};
  /// Where callbacks of background streams run. Default: one thread of the SDK's Runtime.
  Executor executor{};
  LogSink log_sink{};
  LogLevel log_level{LogLevel::info};
  /// Allows the key to travel over plain http to a host that is not loopback.
  bool allow_insecure_http{false};
  /// Largest WebSocket message accepted, in bytes; beyond it the stream ends with
  /// `message_too_large`.
  std::size_t max_message_bytes{std::size_t{16} << 20};
  /// Largest REST answer accepted, in bytes.
  std::size_t max_response_bytes{std::size_t{128} << 20};
  /// Unread bytes a stream may hold before its socket is no longer read.
  std::size_t receive_buffer_bytes{std::size_t{1} << 20};
  /// Unsent bytes a stream may hold before sending blocks.
  std::size_t send_buffer_bytes{std::size_t{4} << 20};
  /// false when the application calls `curl_global_init` itself before it creates a Client.
  bool initialize_curl{true};
  /// Replacements for the SDK's own transports, mostly for tests.
  std::shared_ptr<HttpTransport> http_transport{};
  std::shared_ptr<WebSocketTransport> websocket_transport{};
};

/// A configured connection to the service. Small, copyable and thread-safe: copies share
/// everything, and one Client may be used from many threads at once. Handles made from it keep what
/// they need alive.
///
/// The first live Client of a process starts the SDK's threads (one for I/O, one for callbacks),
/// the last one to go, with the handles made from it, joins them.
class NULLSPACE_EXPORT Client {
 public:
  /// Resolves configuration; does no network traffic. Throws Error: `missing_api_key`,
  /// `invalid_request` (URL, a key over plain http, a base URL from `.env` without its key),
  /// `version_mismatch`.
  explicit Client(ClientOptions options = {})
      : Client(std::move(options), kVersionMajor, kVersionMinor) {}
  Client(const Client&);
  Client& operator=(const Client&);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Where requests go, without trailing slash.
  [[nodiscard]] const std::string& base_url() const noexcept;
  [[nodiscard]] Dialect dialect() const noexcept;
  /// `nullspace 0.1.0 -> http://127.0.0.1:3000 (from NULLSPACE_API_URL, key from NULLSPACE_API_KEY,
  /// sandbox dialect)`. For logs and support; holds no secret.
  [[nodiscard]] std::string describe() const;
  /// `GET /healthz`: true when the API process answers with a success. Does not check the key.
  /// Throws nothing but Error `cancelled`; an unreachable server is `false`.
  [[nodiscard]] bool is_healthy() const;

  /// For the SDK's own use.
  [[nodiscard]] const std::shared_ptr<detail::ClientCore>& core() const noexcept { return core_; }
  explicit Client(std::shared_ptr<detail::ClientCore> core) noexcept;

 private:
  Client(ClientOptions options, int header_major, int header_minor);
  std::shared_ptr<detail::ClientCore> core_;
};

}  // namespace nullspace::inline v0

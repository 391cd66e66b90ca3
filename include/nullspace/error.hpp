/// @file
/// The one exception type of the SDK, and the questions a caller asks it.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/export.hpp>
#include <nullspace/json.hpp>

namespace nullspace::inline v0 {

/// What went wrong, coarsely: enough to decide what to do. Error::code() is the exact word.
enum class ErrorKind {
  // The server said no.
  authentication,  ///< Key missing, wrong or expired; edge and preview tokens, too.
  permission,      ///< The key is good, but not for this.
  quota_exceeded,  ///< A quota or the capacity is used up.
  conflict,        ///< The state of the resource does not allow it now (`sandbox_not_ready`,
                   ///< `*_conflict`).
  not_found,       ///< No such sandbox, snapshot, process, session (`*_not_found`).
  rate_limit,      ///< Too many requests; retry_after() says when to come back, if the server told.
  upload,          ///< A file upload failed; detail() has the reason.
  build,           ///< A template build failed; detail() has the phase.
  not_implemented,  ///< This deployment, dialect or local server does not offer the operation.
  server,           ///< Any other code of the server: test code().
  // The client side.
  invalid_request,   ///< An argument was refused locally, before any I/O.
  transport,         ///< Could not connect, or the connection ended before the answer was complete.
  timeout,           ///< A deadline passed; deadline() says which of the three.
  cancelled,         ///< The stop_token was triggered, or the handle was stopped.
  invalid_response,  ///< The server answered something that the protocol does not allow.
  limit_exceeded,    ///< A message or answer was larger than the configured limit.
  callback           ///< A callback of the application threw on a background stream.
};

/// The word for a kind, for example `"rate_limit"`.
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(ErrorKind kind) noexcept;

/// The three times that can run out. They have three names in the options, too.
enum class Deadline {
  connect,  ///< ClientOptions::timeouts.connect / .websocket_open: the connection did not open in
            ///< time.
  caller,   ///< The `deadline` or `timeout` of the call: the caller stopped waiting.
  command   ///< RunOptions::timeout: the server killed the command.
};

[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(Deadline deadline) noexcept;

/// Typed explanation of an upload (`reason` is set) or template build (`phase` is set) failure.
struct ErrorDetail {
  std::string message{};
  std::optional<bool> retryable{};
  std::string request_id{};
  // Upload failures.
  std::string reason{};
  std::string upload_id{};
  std::string path{};
  std::optional<std::int64_t> part_number{};
  // Template failures.
  std::string code{};
  std::string phase{};
  std::string suggested_action{};
  std::optional<std::int64_t> step_index{};
  std::optional<std::int64_t> attempt{};
  std::optional<std::int64_t> max_attempts{};
  std::string cache_subject{};
  std::string build_id{};
  Json details{};
};

/// Everything an Error knows, as plain data.
struct ErrorInfo {
  ErrorKind kind{ErrorKind::server};
  std::string code{"unknown"};
  std::string message{};
  /// What was being done: `POST /v1/sandboxes/sb_1/exec`, or a WebSocket path.
  std::string operation{};
  /// 0 when there was no HTTP answer.
  int http_status{0};
  std::string request_id{};
  /// What the server said about trying again, if it said anything.
  std::optional<bool> retryable{};
  std::optional<std::chrono::milliseconds> retry_after{};
  std::string suggested_action{};
  std::optional<ErrorDetail> detail{};
  /// Free-form object that the server attached (`details`), else null.
  Json details{};
  std::optional<Deadline> deadline{};
  /// Output that arrived before a command's stream broke; nothing that was received is thrown away.
  std::string partial_stdout{};
  std::string partial_stderr{};
  /// The Idempotency-Key of the failed create: passing it again cannot create a second sandbox.
  std::string idempotency_key{};
};

/// Thrown by every call of the SDK that fails. There is no class tree: ask kind() or code(), or
/// just retryable(). Copies are cheap and never throw. No key or token is ever part of the text.
class NULLSPACE_EXPORT Error : public std::exception {
 public:
  explicit Error(ErrorInfo info);
  Error(const Error&) noexcept;
  Error& operator=(const Error&) noexcept;
  ~Error() override;

  /// `<operation>: <message> (<code>, HTTP 409, request req_1). <suggested action>`
  [[nodiscard]] const char* what() const noexcept override;

  [[nodiscard]] ErrorKind kind() const noexcept;
  /// The server's own word (lower case), or one the SDK mints: `transport_error`, `timeout`,
  /// `cancelled`, `invalid_request`, `invalid_response`, `missing_api_key`, `message_too_large`,
  /// ...
  [[nodiscard]] const std::string& code() const noexcept;
  [[nodiscard]] const std::string& message() const noexcept;
  /// Whether the same call may succeed later. What the server said wins; otherwise rate limits,
  /// lost connections and connect time-outs are retryable.
  [[nodiscard]] bool retryable() const noexcept;
  /// How long the server asked to wait, if it did.
  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_after() const noexcept;
  /// HTTP status, 0 when there was no answer.
  [[nodiscard]] int http_status() const noexcept;
  [[nodiscard]] const std::string& request_id() const noexcept;
  [[nodiscard]] const std::string& suggested_action() const noexcept;
  [[nodiscard]] const std::optional<ErrorDetail>& detail() const noexcept;
  /// Which deadline fired, for kind timeout.
  [[nodiscard]] std::optional<Deadline> deadline() const noexcept;
  /// All of it.
  [[nodiscard]] const ErrorInfo& info() const noexcept;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace nullspace::inline v0

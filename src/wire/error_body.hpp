// Error answers: read by the SDK, written by the local server.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/error.hpp>
#include <nullspace/json.hpp>

namespace nullspace::inline v0::wire {

// What an error answer says in its headers. Empty = not there.
struct ErrorHeaders {
  std::string_view request_id{};   // x-request-id
  std::string_view retry_after{};  // retry-after
};

// Flat and nested bodies, typed details, and bodies that are no JSON at all (a proxy's HTML page
// leaves only its status and a short printable excerpt). `operation` and `idempotency_key` are left
// to the caller.
[[nodiscard]] ErrorInfo parse_error(int status, std::string_view body,
                                    const ErrorHeaders& headers = {});

// Which kind a server's code is. Either dialect's spelling; the code is compared without case.
[[nodiscard]] ErrorKind kind_of_code(std::string_view code);

// 429 that may be sent again: a JSON object whose code is absent or `rate_limit_exceeded`.
[[nodiscard]] bool is_retryable_rate_limit(int status, std::string_view body);

// Seconds as a decimal number. Absent, negative, an HTTP date or anything else: one second. There
// is no upper limit here but one day.
[[nodiscard]] std::chrono::milliseconds parse_retry_after(std::string_view value);

// What a server says about a failure.
struct ErrorBody {
  std::string code{};
  std::string message{};
  std::string request_id{};
  std::optional<bool> retryable{};
  std::string suggested_action{};
  Json details{};
  // {"error": {"code": ..., "message": ...}} instead of the flat shape.
  bool nested{false};
};
[[nodiscard]] std::string encode_error(const ErrorBody& body);

}  // namespace nullspace::inline v0::wire

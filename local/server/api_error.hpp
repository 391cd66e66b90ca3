#pragma once

#include <optional>
#include <string>
#include <utility>

#include <nullspace/error.hpp>

namespace nullspace::local {

// A refusal as the protocol words it. Codes with a noun are spelled as in the sandbox dialect; the
// answer uses the noun of the request.
struct ApiError {
  int status = 500;
  std::string code = "internal_error";
  std::string message;
  std::optional<bool> retryable;
  std::string suggested_action;
};

inline ApiError api_error(int status, std::string code, std::string message) {
  ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

inline ApiError invalid_request(std::string message) {
  return api_error(400, "invalid_request", std::move(message));
}

inline ApiError not_found(std::string message) {
  return api_error(404, "not_found", std::move(message));
}

// What a decoder of the wire refused.
inline ApiError refused(const ErrorInfo& info) {
  return api_error(400, info.code, info.message);
}

}  // namespace nullspace::local

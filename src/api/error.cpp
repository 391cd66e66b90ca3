#include <nullspace/error.hpp>

#include <utility>

#include <fmt/format.h>

#include "api/throw.hpp"

namespace nullspace::inline v0 {

struct Error::State {
  ErrorInfo info;
  std::string what;
};

namespace {

std::string describe(const ErrorInfo& info) {
  std::string text;
  if (!info.operation.empty()) text = info.operation + ": ";
  text += info.message.empty() ? std::string(to_string(info.kind)) : info.message;
  text += fmt::format(" ({}", info.code);
  if (info.http_status != 0) text += fmt::format(", HTTP {}", info.http_status);
  if (!info.request_id.empty()) text += fmt::format(", request {}", info.request_id);
  if (!info.idempotency_key.empty())
    text += fmt::format(", idempotency key {}", info.idempotency_key);
  text += ')';
  if (!info.suggested_action.empty()) text += fmt::format(". {}", info.suggested_action);
  return text;
}

}  // namespace

Error::Error(ErrorInfo info) {
  auto state = std::make_shared<State>();
  state->what = describe(info);
  state->info = std::move(info);
  state_ = std::move(state);
}

Error::Error(const Error&) noexcept = default;
Error& Error::operator=(const Error&) noexcept = default;
Error::~Error() = default;

const char* Error::what() const noexcept {
  return state_->what.c_str();
}
ErrorKind Error::kind() const noexcept {
  return state_->info.kind;
}
const std::string& Error::code() const noexcept {
  return state_->info.code;
}
const std::string& Error::message() const noexcept {
  return state_->info.message;
}

bool Error::retryable() const noexcept {
  const ErrorInfo& info = state_->info;
  if (info.retryable) return *info.retryable;
  switch (info.kind) {
    case ErrorKind::rate_limit:
    case ErrorKind::transport:
      return true;
    case ErrorKind::timeout:
      return info.deadline == Deadline::connect;
    default:
      return false;
  }
}

std::optional<std::chrono::milliseconds> Error::retry_after() const noexcept {
  return state_->info.retry_after;
}
int Error::http_status() const noexcept {
  return state_->info.http_status;
}
const std::string& Error::request_id() const noexcept {
  return state_->info.request_id;
}
const std::string& Error::suggested_action() const noexcept {
  return state_->info.suggested_action;
}
const std::optional<ErrorDetail>& Error::detail() const noexcept {
  return state_->info.detail;
}
std::optional<Deadline> Error::deadline() const noexcept {
  return state_->info.deadline;
}
const ErrorInfo& Error::info() const noexcept {
  return state_->info;
}

void throw_error(ErrorInfo info) {
  throw Error(std::move(info));
}

}  // namespace nullspace::inline v0

#include "wire/error_body.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "support/error_info.hpp"
#include "wire/dialect.hpp"
#include "wire/json.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr int kTooManyRequests = 429;
constexpr std::string_view kUnknownCode = "unknown";
constexpr std::string_view kRateLimitCode = "rate_limit_exceeded";

std::string lower_case(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lowered;
}

template <std::size_t N>
bool is_one_of(std::string_view code, const std::array<std::string_view, N>& codes) noexcept {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 3> kKeyCodes{"unauthorized", "unauthenticated",
                                                    "missing_api_key"};
constexpr std::array<std::string_view, 11> kTokenCodes{
    "edge_token_missing",
    "edge_token_expired",
    "edge_token_invalid",
    "edge_token_scope_mismatch",
    "preview_grant_invalid",
    "preview_grant_revoked",
    "preview_proxy_token_missing",
    "preview_proxy_token_expired",
    "preview_proxy_token_invalid",
    "preview_proxy_token_revoked",
    "preview_proxy_token_scope_mismatch",
};
constexpr std::array<std::string_view, 6> kConflictCodes{
    "conflict",         "sandbox_not_ready",     "snapshot_in_use",
    "rebuild_required", "incompatible_snapshot", "volume_busy"};

// Only where the server gave no code at all.
ErrorKind kind_of_status(int status) noexcept {
  switch (status) {
    case 401:
      return ErrorKind::authentication;
    case 403:
      return ErrorKind::permission;
    case 404:
      return ErrorKind::not_found;
    case 409:
      return ErrorKind::conflict;
    case 501:
      return ErrorKind::not_implemented;
    default:
      return ErrorKind::server;
  }
}

// Members of an error object, which are never worth failing for: what has a wrong type counts as
// absent.
struct LenientObject {
  const JsonValue* object{nullptr};

  [[nodiscard]] const JsonValue* find(std::string_view key) const noexcept {
    if (object == nullptr || !object->IsObject()) return nullptr;
    for (const auto& member : object->GetObject()) {
      if (text_of(member.name) == key) return member.value.IsNull() ? nullptr : &member.value;
    }
    return nullptr;
  }
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
    const JsonValue* value = find(key);
    if (value == nullptr || !value->IsString()) return std::nullopt;
    return std::string(text_of(*value));
  }
  [[nodiscard]] std::optional<bool> flag(std::string_view key) const {
    const JsonValue* value = find(key);
    if (value == nullptr || !value->IsBool()) return std::nullopt;
    return value->GetBool();
  }
};

// The two shapes as one: the nested object first, then the body itself.
struct ErrorObjects {
  LenientObject body{};
  LenientObject nested{};

  explicit ErrorObjects(const JsonValue& root) : body{&root} {
    const JsonValue* error = body.find("error");
    if (error != nullptr && error->IsObject()) nested.object = error;
  }
  [[nodiscard]] bool is_nested() const noexcept { return nested.object != nullptr; }
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
    std::optional<std::string> value = nested.text(key);
    return value ? value : body.text(key);
  }
  [[nodiscard]] const JsonValue* find(std::string_view key) const noexcept {
    const JsonValue* value = nested.find(key);
    return value != nullptr ? value : body.find(key);
  }
  [[nodiscard]] std::string code() const {
    const std::string code = lower_case(text("code").value_or(""));
    return code.empty() ? std::string(kUnknownCode) : code;
  }
  [[nodiscard]] std::string message() const {
    const std::optional<std::string> message =
        is_nested() ? nested.text("message") : body.text("error");
    return message.value_or("Unknown error");
  }
  // A nested error is asked alone, as the reference client does.
  [[nodiscard]] std::optional<bool> retryable() const {
    return is_nested() ? nested.flag("retryable") : body.flag("retryable");
  }
};

Json details_of(ObjectReader& reader) {
  const JsonValue* details = reader.object("details");
  return details == nullptr ? Json() : to_public_json(*details);
}

// Strict about the members it knows, indifferent to others; words it does not know are kept.
support::Result<ErrorDetail> decode_detail(const JsonValue& value) {
  ObjectReader reader(value, "error_detail", Blame::server);
  ErrorDetail detail;
  detail.message = reader.required_text("message");
  detail.retryable = reader.required_flag("retryable");
  detail.request_id = reader.text_or_empty("request_id");
  detail.details = details_of(reader);
  if (reader.has("reason")) {
    detail.reason = reader.required_text("reason");
    detail.upload_id = reader.text_or_empty("upload_id");
    detail.path = reader.text_or_empty("path");
    detail.part_number = reader.integer("part_number");
  } else {
    detail.code = reader.required_text("code");
    detail.phase = reader.required_text("phase");
    detail.suggested_action = reader.required_text("suggested_action");
    detail.step_index = reader.integer("step_index");
    detail.attempt = reader.integer("attempt");
    detail.max_attempts = reader.integer("max_attempts");
    detail.cache_subject = reader.text_or_empty("cache_subject");
    detail.build_id = reader.text_or_empty("build_id");
  }
  if (reader.problem()) return *reader.problem();
  return detail;
}

// What may be shown of a body that is no error object: a proxy's page, for example.
std::string excerpt(int status, std::string_view body) {
  constexpr std::size_t kMaxBytes = 200;
  std::string message = "HTTP " + std::to_string(status);
  if (body.empty()) return message + " with an empty body";
  message.append(": ");
  std::size_t taken = 0;
  bool after_space = true;
  for (const char c : body) {
    if (taken == kMaxBytes) break;
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_space && (c < 0x21 || c > 0x7E)) continue;
    if (is_space && after_space) continue;
    message.push_back(is_space ? ' ' : c);
    after_space = is_space;
    ++taken;
  }
  return message;
}

void fill_from_body(ErrorInfo& info, const JsonValue& root) {
  const ErrorObjects objects(root);
  info.code = objects.code();
  info.message = objects.message();
  info.request_id = objects.text("request_id").value_or("");
  info.retryable = objects.retryable();
  info.suggested_action = objects.text("suggested_action").value_or("");
  if (const JsonValue* details = objects.find("details")) info.details = to_public_json(*details);

  if (info.code != kUnknownCode) {
    info.kind = kind_of_code(info.code);
    if (is_one_of(info.code, kKeyCodes)) info.code = "unauthorized";
  } else if (info.http_status == kTooManyRequests) {
    info.kind = ErrorKind::rate_limit;
    info.code = kRateLimitCode;
  } else {
    info.kind = kind_of_status(info.http_status);
  }

  const JsonValue* detail_value = objects.find("error_detail");
  if (detail_value == nullptr) return;
  support::Result<ErrorDetail> detail = decode_detail(*detail_value);
  if (!detail) {
    // What the detail would have decided cannot be known: the answer as a whole is not to be
    // trusted.
    const std::string said = info.message;
    info.kind = ErrorKind::invalid_response;
    info.code = "invalid_response";
    info.message = detail.error().message + " (the server said: " + said + ")";
    return;
  }
  info.detail = std::move(*detail);
  if (info.detail->retryable) info.retryable = info.detail->retryable;
  if (!info.detail->request_id.empty()) info.request_id = info.detail->request_id;
  if (!info.detail->details.is_null()) info.details = info.detail->details;
  if (info.suggested_action.empty()) info.suggested_action = info.detail->suggested_action;
}

}  // namespace

ErrorKind kind_of_code(std::string_view code) {
  const std::string word = canonical_code(lower_case(code));
  if (is_one_of(word, kKeyCodes) || is_one_of(word, kTokenCodes)) return ErrorKind::authentication;
  if (word == "forbidden" || word == "permission_denied" || word.ends_with("_permission_denied")) {
    return ErrorKind::permission;
  }
  if (word == "capacity_exceeded" || word.find("quota") != std::string::npos) {
    return ErrorKind::quota_exceeded;
  }
  if (is_one_of(word, kConflictCodes) || word.ends_with("_conflict")) return ErrorKind::conflict;
  if (word == "not_found" || word.ends_with("_not_found")) return ErrorKind::not_found;
  if (word == "file_upload_error") return ErrorKind::upload;
  if (word == "build_error") return ErrorKind::build;
  if (word == kRateLimitCode) return ErrorKind::rate_limit;
  if (word == "not_implemented") return ErrorKind::not_implemented;
  return ErrorKind::server;
}

ErrorInfo parse_error(int status, std::string_view body, const ErrorHeaders& headers) {
  ErrorInfo info;
  info.http_status = status;
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (document && document->root().IsObject()) {
    fill_from_body(info, document->root());
  } else {
    info.code = kUnknownCode;
    info.kind = kind_of_status(status);
    info.message = excerpt(status, body);
  }
  if (info.request_id.empty()) info.request_id = headers.request_id;
  if (status == kTooManyRequests && !headers.retry_after.empty()) {
    info.retry_after = parse_retry_after(headers.retry_after);
  }
  return info;
}

bool is_retryable_rate_limit(int status, std::string_view body) {
  if (status != kTooManyRequests) return false;
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document || !document->root().IsObject()) return false;
  const std::string code = ErrorObjects(document->root()).code();
  return code == kUnknownCode || code == kRateLimitCode;
}

std::chrono::milliseconds parse_retry_after(std::string_view value) {
  constexpr std::chrono::milliseconds kDefault{1000};
  constexpr double kMaxSeconds = 86'400;
  while (!value.empty() && value.front() == ' ')
    value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ')
    value.remove_suffix(1);
  double seconds = 0;
  const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  const bool is_number = error == std::errc() && rest == value.data() + value.size();
  if (!is_number || !std::isfinite(seconds) || seconds < 0) return kDefault;
  // Rounded up: coming back a moment too early counts as another offence.
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(std::ceil(std::min(seconds, kMaxSeconds) * 1000)));
}

std::string encode_error(const ErrorBody& body) {
  JsonWriter writer;
  writer.begin_object();
  if (body.nested) {
    writer.key("error");
    writer.begin_object();
    writer.text("code", body.code);
    writer.text("message", body.message);
  } else {
    writer.text("error", body.message);
    writer.text("code", body.code);
  }
  if (!body.request_id.empty()) writer.text("request_id", body.request_id);
  if (body.retryable) writer.flag("retryable", *body.retryable);
  if (!body.suggested_action.empty()) writer.text("suggested_action", body.suggested_action);
  if (!body.details.is_null()) {
    writer.key("details");
    writer.json(body.details);
  }
  if (body.nested) writer.end_object();
  writer.end_object();
  return writer.take();
}

}  // namespace nullspace::inline v0::wire

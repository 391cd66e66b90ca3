// Sandboxes over REST: create, read, list, time-out, metrics. The first half is what the SDK sends
// and reads, the second what a server reads and sends. Errors are invalid_response for answers and
// invalid_request for requests; both name the field.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/dialect.hpp>
#include <nullspace/json.hpp>
#include <nullspace/sandbox.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/secret.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

// --- words ---

// unknown for a word this SDK does not know.
[[nodiscard]] SandboxStatus status_from_word(std::string_view word) noexcept;
// "unknown" for SandboxStatus::unknown.
[[nodiscard]] std::string_view status_word(SandboxStatus status) noexcept;
// `pause` and `hibernate` are one; unknown for any other word.
[[nodiscard]] TimeoutAction timeout_action_from_word(std::string_view word) noexcept;
// `destroy` or `hibernate`; "unknown" for TimeoutAction::unknown.
[[nodiscard]] std::string_view timeout_action_word(TimeoutAction action) noexcept;

// --- the SDK's side: requests ---

// Every check that needs no server. Errors: invalid_request.
[[nodiscard]] support::Result<void> validate(const SandboxCreateOptions& options);
// MiB that are sent when the caller gave none.
[[nodiscard]] int default_memory_mb(std::string_view template_id) noexcept;
// `POST {R}`. Takes options that validate() accepts. The idempotency key is a header and not part
// of it.
[[nodiscard]] std::string encode_create_request(const SandboxCreateOptions& options);

// Errors: invalid_request for a time-out below 1 ms or an unknown action.
[[nodiscard]] support::Result<std::string> encode_timeout_request(
    std::chrono::milliseconds timeout, std::optional<TimeoutAction> action = {});

// The query of `GET {R}`, "" when there is nothing to ask for. `fields` is a mask made by
// fields_mask() or "". Errors: invalid_request (page_size, a state that is unknown).
[[nodiscard]] support::Result<std::string> encode_list_query(const SandboxListOptions& options,
                                                             std::string_view fields = {});

// --- the SDK's side: answers ---

struct SandboxAnswer {
  SandboxInfo info{};
  // Only a create answers it.
  std::optional<Secret> traffic_access_token{};
};
// One sandbox object. `default_template` is what was asked for, for answers that do not repeat it.
[[nodiscard]] support::Result<SandboxAnswer> decode_sandbox(std::string_view body,
                                                            std::string_view default_template = {});
// The object of a GET with a field mask, as it is.
[[nodiscard]] support::Result<Json> decode_sandbox_fields(std::string_view body);
// A bare array or an envelope; either is one page.
[[nodiscard]] support::Result<SandboxPage> decode_sandbox_page(std::string_view body);
// The items of a list with a field mask, as they are.
[[nodiscard]] support::Result<std::vector<Json>> decode_sandbox_page_fields(std::string_view body);
// Oldest first.
[[nodiscard]] support::Result<std::vector<SandboxMetrics>> decode_metrics(std::string_view body);

// --- the server's side: requests ---

struct CreateRequest {
  // Not empty: start from this snapshot.
  std::string snapshot_id{};
  std::string template_id{"base"};
  int vcpus{1};
  int memory_mb{256};
  std::optional<int> disk_mb{};
  std::chrono::milliseconds timeout{300'000};
  EnvMap envs{};
  Json::Object metadata{};
  std::optional<NetworkOptions> network{};
  bool internet_access{true};
  // "" = none.
  std::string cwd{};
  std::optional<DesktopOptions> desktop{};
  std::vector<VolumeMount> volumes{};
  bool auto_resume{false};
  // timeout_action and lifecycle.on_timeout, which may not contradict each other; destroy when
  // neither is there.
  TimeoutAction timeout_action{TimeoutAction::destroy};
  std::optional<WarmPoolOptions> warm_pool{};
};
// Everything that a server can refuse without knowing its templates, quotas and volumes.
[[nodiscard]] support::Result<CreateRequest> decode_create_request(std::string_view body);

struct TimeoutRequest {
  std::chrono::milliseconds timeout{0};
  std::optional<TimeoutAction> action{};
};
// timeout_ms must be 1 to 86 400 000 000.
[[nodiscard]] support::Result<TimeoutRequest> decode_timeout_request(std::string_view body);

struct ListRequest {
  // true when there was no query at all: the answer is a bare array then.
  bool bare{true};
  std::optional<int> limit{};  // 1 to 100
  std::string next_token{};
  std::vector<SandboxStatus> states{};
  std::string template_id{};
  Json::Object metadata{};
  std::vector<std::string> fields{};
};
// `query` is what follows the `?`. Errors: invalid_request, or code `invalid_fields` for an unknown
// field.
[[nodiscard]] support::Result<ListRequest> decode_list_query(std::string_view query);
// The value of `fields` of a GET, checked against the fields that exist. Errors: code
// `invalid_fields`.
[[nodiscard]] support::Result<std::vector<std::string>> decode_fields_mask(std::string_view value);

// --- the server's side: answers ---

struct SandboxEncoding {
  Dialect dialect{Dialect::sandbox};
  // Only these members; empty = all.
  std::span<const std::string> fields{};
  // Only for the answer to a create.
  const Secret* traffic_access_token{nullptr};
};
// SandboxInfo::volumes are written into the metadata, where clients look for them. status_text is
// written when the status is unknown.
[[nodiscard]] std::string encode_sandbox(const SandboxInfo& info, const SandboxEncoding& encoding);
[[nodiscard]] std::string encode_sandbox_array(std::span<const SandboxInfo> items,
                                               const SandboxEncoding& encoding);
[[nodiscard]] std::string encode_sandbox_page(const SandboxPage& page,
                                              const SandboxEncoding& encoding);
// Exactly the members that clients allow; missing network figures are null.
[[nodiscard]] std::string encode_metrics(std::span<const SandboxMetrics> samples);

struct TimeoutAnswer {
  std::chrono::milliseconds timeout{0};
  TimeoutAction action{TimeoutAction::destroy};
  std::optional<Timestamp> timeout_at{};
  std::optional<std::chrono::milliseconds> remaining{};
};
[[nodiscard]] std::string encode_timeout_answer(const TimeoutAnswer& answer);
// {"id": ..., "status": "destroyed"}
[[nodiscard]] std::string encode_destroyed(std::string_view id);
// {"status": "ok"}
[[nodiscard]] std::string encode_health();

}  // namespace nullspace::inline v0::wire

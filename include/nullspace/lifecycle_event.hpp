/// @file
/// What happened to a sandbox: one entry of the service's lifecycle log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/export.hpp>
#include <nullspace/json.hpp>
#include <nullspace/sandbox_info.hpp>

namespace nullspace::inline v0 {

/// What was done, or happened, to a sandbox or snapshot.
enum class LifecycleOperation {
  unknown,  ///< A word this SDK does not know; LifecycleEvent::operation_text has it.
  create,
  destroy,
  timeout_updated,
  timeout_expired,
  hibernate,
  snapshot_created,
  resume_from_snapshot,
  fork,
  reconcile  ///< The platform repaired something by itself.
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(LifecycleOperation operation) noexcept;

/// How far the operation had come when the event was written.
enum class LifecycleStatus {
  unknown,  ///< See LifecycleEvent::status_text.
  requested,
  succeeded,
  failed
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(LifecycleStatus status) noexcept;

/// Who may see an event. The public service only ever sends `customer`.
enum class LifecycleAudience { unknown, customer, internal };
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(LifecycleAudience audience) noexcept;

/// On whose behalf it happened.
enum class LifecycleActor { unknown, user, system, reconcile };
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(LifecycleActor actor) noexcept;

/// One event. A plain value; fields that do not apply to the operation are empty.
struct LifecycleEvent {
  /// Opaque and unique: the cursor for resuming (LifecycleSubscribeOptions::after_event_id) and the
  /// key for recognising an event that came twice.
  std::string id{};
  Timestamp occurred_at{};
  LifecycleAudience audience{LifecycleAudience::customer};
  LifecycleOperation operation{LifecycleOperation::unknown};
  LifecycleStatus status{LifecycleStatus::unknown};
  LifecycleActor actor{LifecycleActor::unknown};
  /// The four words as the server wrote them.
  std::string audience_text{};
  std::string operation_text{};
  std::string status_text{};
  std::string actor_text{};
  /// The primary subject. After a fork or resume: the new sandbox.
  std::string sandbox_id{};
  std::string snapshot_id{};
  /// Fork: the parent. Resume: the sandbox that was paused.
  std::string source_sandbox_id{};
  /// Fork and resume: the new sandbox.
  std::string target_sandbox_id{};
  std::string user_id{};
  /// `api`, `manual`, `timeout`, ... An open set.
  std::string reason{};
  /// Why it failed, for LifecycleStatus::failed.
  std::string error_code{};
  std::string error_message{};
  /// Whatever else the service notes, for instance `timeout_action` and `created_via`.
  Json::Object metadata{};

  friend bool operator==(const LifecycleEvent&, const LifecycleEvent&) = default;
};

/// One page of a list of events.
struct LifecyclePage {
  std::vector<LifecycleEvent> events{};
  /// Where the page begins, counted from the list's first event.
  std::int64_t offset{0};
  /// How many events the server put on a page at most; it may be less than what was asked for.
  std::int64_t limit{0};
  bool has_more{false};
};

}  // namespace nullspace::inline v0

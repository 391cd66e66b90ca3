/// @file
/// Webhooks: lifecycle events that the service posts to a URL of yours.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/export.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/sandbox_info.hpp>

namespace nullspace::inline v0 {

/// Where one delivery stands.
enum class DeliveryStatus {
  unknown,
  queued,       ///< Waits for its first or next attempt.
  in_progress,  ///< An attempt is under way.
  succeeded,    ///< The receiver answered 2xx.
  dead_letter   ///< Every attempt failed; it is not tried again.
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(DeliveryStatus status) noexcept;

/// A registration. The signing secret is never handed out again: see has_signing_secret.
struct Webhook {
  std::string id{};
  std::string url{};
  std::vector<LifecycleOperation> operations{};
  bool enabled{true};
  bool has_signing_secret{false};
  Timestamp created_at{};
  Timestamp updated_at{};
  std::optional<Timestamp> last_delivery_at{};
  std::optional<DeliveryStatus> last_delivery_status{};
  std::string last_error{};

  friend bool operator==(const Webhook&, const Webhook&) = default;
};

/// One event on its way to one webhook. It may arrive more than once: a receiver tells by event_id.
struct WebhookDelivery {
  std::string id{};
  std::string webhook_id{};
  std::string event_id{};
  LifecycleOperation operation{LifecycleOperation::unknown};
  LifecycleStatus status{LifecycleStatus::unknown};
  DeliveryStatus delivery_status{DeliveryStatus::unknown};
  int attempt_count{0};
  Timestamp created_at{};
  std::optional<Timestamp> next_attempt_at{};
  std::optional<Timestamp> last_attempt_at{};
  std::optional<int> last_response_status{};
  std::string last_error{};

  friend bool operator==(const WebhookDelivery&, const WebhookDelivery&) = default;
};

/// One POST of one delivery.
struct WebhookAttempt {
  std::string id{};
  std::string delivery_id{};
  /// From 1.
  int attempt_number{0};
  Timestamp attempted_at{};
  std::chrono::milliseconds duration{0};
  /// Absent when there was no answer.
  std::optional<int> response_status{};
  std::string error_code{};
  std::string error_message{};

  friend bool operator==(const WebhookAttempt&, const WebhookAttempt&) = default;
};

/// A delivery with its event and everything that was tried.
struct WebhookDeliveryDetails {
  WebhookDelivery delivery{};
  LifecycleEvent event{};
  std::vector<WebhookAttempt> attempts{};

  friend bool operator==(const WebhookDeliveryDetails&, const WebhookDeliveryDetails&) = default;
};

}  // namespace nullspace::inline v0

/// @file
/// Webhooks: lifecycle events that the service posts to a URL of yours.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/export.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/secret.hpp>

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
  /// The same, one for one, as the server wrote them.
  std::vector<std::string> operation_texts{};
  bool enabled{true};
  bool has_signing_secret{false};
  Timestamp created_at{};
  Timestamp updated_at{};
  std::optional<Timestamp> last_delivery_at{};
  std::optional<DeliveryStatus> last_delivery_status{};
  /// As the server wrote it; empty without one.
  std::string last_delivery_status_text{};
  std::string last_error{};

  friend bool operator==(const Webhook&, const Webhook&) = default;
};

/// A registration to be made (Lifecycle::create_webhook).
struct WebhookCreateOptions {
  /// Where the events are posted: an `https://` URL (`http://` where the server allows it).
  std::string url{};
  /// Which events. At least one.
  std::vector<LifecycleOperation> operations{};
  /// The key of the signatures, UTF-8, not empty. Give the receiver the same: see verify_webhook().
  Secret signing_secret{};
  /// false: nothing is posted before it is enabled.
  bool enabled{true};
  std::stop_token stop{};
};

/// What is to be changed (Lifecycle::update_webhook); the rest stays.
struct WebhookUpdateOptions {
  std::optional<std::string> url{};
  /// Replaces the list. At least one.
  std::optional<std::vector<LifecycleOperation>> operations{};
  /// Replaces the secret at once: let the receiver accept both for a while.
  std::optional<Secret> signing_secret{};
  std::optional<bool> enabled{};
  std::stop_token stop{};
};

/// One event on its way to one webhook. It may arrive more than once: a receiver tells by event_id.
struct WebhookDelivery {
  std::string id{};
  std::string webhook_id{};
  std::string event_id{};
  LifecycleOperation operation{LifecycleOperation::unknown};
  LifecycleStatus status{LifecycleStatus::unknown};
  DeliveryStatus delivery_status{DeliveryStatus::unknown};
  /// The three words as the server wrote them.
  std::string operation_text{};
  std::string status_text{};
  std::string delivery_status_text{};
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

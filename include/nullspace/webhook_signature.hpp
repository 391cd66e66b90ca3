/// @file
/// For the receiver of webhooks: is this request from the service?
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nullspace/export.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/secret.hpp>
#include <nullspace/transport.hpp>

namespace nullspace::inline v0 {

/// What verify_webhook() found. Everything but `verified` is to be answered with a 4xx, and nothing
/// of the request is to be believed.
enum class WebhookVerdict {
  verified,
  missing_header,       ///< One of the five `x-nullspace-*` headers is not there.
  duplicate_header,     ///< One of them is there twice: somebody on the way may have added one.
  unsupported_version,  ///< Signed in a way that this SDK does not know.
  malformed_signature,  ///< The signature is none.
  wrong_signature,      ///< Signed with another secret, or the body was changed on the way.
  empty_secret,         ///< The receiver's own mistake: an empty secret would verify anybody.
  malformed_body,       ///< Signed well, but the body is no lifecycle event.
  mismatched_event      ///< Signed well, but the event's id is not the one that the header names.
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(WebhookVerdict verdict) noexcept;

struct WebhookVerification {
  WebhookVerdict verdict{WebhookVerdict::missing_header};
  /// What is wrong, in words; never holds the secret or a signature. Empty when verified.
  std::string problem{};
  /// The event that was posted. Present only when verified. A delivery may come more than once, and
  /// somebody who recorded one may send it again: tell by LifecycleEvent::id what was handled.
  std::optional<LifecycleEvent> event{};
  /// From the headers, when verified. The signature covers the body only: use these two for logs,
  /// not for decisions.
  std::string webhook_id{};
  std::string delivery_id{};

  [[nodiscard]] bool verified() const noexcept { return verdict == WebhookVerdict::verified; }
  explicit operator bool() const noexcept { return verified(); }
};

/// Checks the signature of a delivery, then reads it. A pure function: no I/O, no clock, any
/// thread; the signature is compared in constant time.
///
/// @param headers  All headers of the request, duplicates included. Names compare without case.
/// @param body     The body's bytes as they arrived: not parsed, not written anew, not trimmed.
/// @param secret   WebhookCreateOptions::signing_secret.
[[nodiscard]] NULLSPACE_EXPORT WebhookVerification verify_webhook(const HttpHeaders& headers,
                                                                  std::string_view body,
                                                                  const Secret& secret);
/// The same with several secrets, of which one must fit: while a secret is replaced, deliveries
/// signed with the old one are still on their way. Every secret must be non-empty.
[[nodiscard]] NULLSPACE_EXPORT WebhookVerification verify_webhook(const HttpHeaders& headers,
                                                                  std::string_view body,
                                                                  std::span<const Secret> secrets);

}  // namespace nullspace::inline v0

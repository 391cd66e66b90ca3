#include <nullspace/webhook_signature.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "support/result.hpp"
#include "wire/lifecycle_messages.hpp"
#include "wire/trim.hpp"
#include "wire/webhook_signature.hpp"

namespace nullspace::inline v0 {

namespace {

WebhookVerification refuse(WebhookVerdict verdict, std::string problem) {
  WebhookVerification refused;
  refused.verdict = verdict;
  refused.problem = std::move(problem);
  return refused;
}

bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// The headers of a delivery, each of which must be there once and say something.
class DeliveryHeaders {
 public:
  explicit DeliveryHeaders(const HttpHeaders& headers) {
    for (const auto& [name, value] : headers) {
      for (std::size_t i = 0; i < kNames.size(); ++i) {
        if (!equals_ignoring_case(name, kNames.at(i))) continue;
        if (values_.at(i)) {
          refuse_first(WebhookVerdict::duplicate_header, kNames.at(i), " is there twice");
        }
        values_.at(i) = wire::trim(value);
      }
    }
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (!values_.at(i) || values_.at(i)->empty()) {
        refuse_first(WebhookVerdict::missing_header, kNames.at(i), " is missing or empty");
      }
    }
  }

  [[nodiscard]] const std::optional<WebhookVerification>& problem() const noexcept {
    return problem_;
  }
  [[nodiscard]] std::string_view webhook_id() const { return value(0); }
  [[nodiscard]] std::string_view delivery_id() const { return value(1); }
  [[nodiscard]] std::string_view event_id() const { return value(2); }
  [[nodiscard]] std::string_view version() const { return value(3); }
  [[nodiscard]] std::string_view signature() const { return value(4); }

 private:
  static constexpr std::array kNames{wire::kWebhookIdHeader, wire::kDeliveryIdHeader,
                                     wire::kEventIdHeader, wire::kSignatureVersionHeader,
                                     wire::kSignatureHeader};

  [[nodiscard]] std::string_view value(std::size_t index) const {
    return values_.at(index).value_or("");
  }

  void refuse_first(WebhookVerdict verdict, std::string_view name, std::string_view what) {
    if (!problem_) problem_ = refuse(verdict, std::string(name) + std::string(what));
  }

  std::array<std::optional<std::string_view>, kNames.size()> values_{};
  std::optional<WebhookVerification> problem_{};
};

}  // namespace

std::string_view to_string(WebhookVerdict verdict) noexcept {
  switch (verdict) {
    case WebhookVerdict::verified:
      return "verified";
    case WebhookVerdict::missing_header:
      return "missing_header";
    case WebhookVerdict::duplicate_header:
      return "duplicate_header";
    case WebhookVerdict::unsupported_version:
      return "unsupported_version";
    case WebhookVerdict::malformed_signature:
      return "malformed_signature";
    case WebhookVerdict::wrong_signature:
      return "wrong_signature";
    case WebhookVerdict::empty_secret:
      return "empty_secret";
    case WebhookVerdict::malformed_body:
      return "malformed_body";
    case WebhookVerdict::mismatched_event:
      return "mismatched_event";
  }
  return "unknown";
}

WebhookVerification verify_webhook(const HttpHeaders& headers, std::string_view body,
                                   const Secret& secret) {
  return verify_webhook(headers, body, std::span(&secret, 1));
}

WebhookVerification verify_webhook(const HttpHeaders& headers, std::string_view body,
                                   std::span<const Secret> secrets) {
  const bool has_empty_secret = std::any_of(secrets.begin(), secrets.end(),
                                            [](const Secret& secret) { return secret.empty(); });
  if (secrets.empty() || has_empty_secret) {
    return refuse(WebhookVerdict::empty_secret, "the receiver has an empty signing secret");
  }
  const DeliveryHeaders delivery(headers);
  if (delivery.problem()) return *delivery.problem();
  if (delivery.version() != wire::kSignatureVersion) {
    return refuse(WebhookVerdict::unsupported_version,
                  "the signature version is not " + std::string(wire::kSignatureVersion));
  }
  switch (wire::match_signature(delivery.signature(), secrets, body)) {
    case wire::SignatureMatch::malformed:
      return refuse(WebhookVerdict::malformed_signature, "the signature is not a SHA-256 in hex");
    case wire::SignatureMatch::differs:
      return refuse(WebhookVerdict::wrong_signature, "the signature does not fit body and secret");
    case wire::SignatureMatch::matches:
      break;
  }
  // Only what is proven to come from the service is parsed.
  support::Result<LifecycleEvent> event = wire::decode_lifecycle_event(body);
  if (!event) return refuse(WebhookVerdict::malformed_body, event.error().message);
  if (event->id != delivery.event_id()) {
    return refuse(WebhookVerdict::mismatched_event,
                  "the event in the body is not the one that the header names");
  }
  WebhookVerification verification;
  verification.verdict = WebhookVerdict::verified;
  verification.event = std::move(*event);
  verification.webhook_id = delivery.webhook_id();
  verification.delivery_id = delivery.delivery_id();
  return verification;
}

}  // namespace nullspace::inline v0

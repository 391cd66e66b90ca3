// Webhooks over REST: registrations, deliveries and attempts. What is posted to the receiver is an
// event: see lifecycle_messages.hpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/dialect.hpp>
#include <nullspace/webhook.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

// --- the SDK's side: requests. Errors: invalid_request ---

[[nodiscard]] support::Result<std::string> encode_webhook_create(
    const WebhookCreateOptions& options);
// Only what is given; {} for nothing.
[[nodiscard]] support::Result<std::string> encode_webhook_update(
    const WebhookUpdateOptions& options);

// --- the SDK's side: answers. Errors: invalid_response ---

[[nodiscard]] support::Result<Webhook> decode_webhook(std::string_view body);
[[nodiscard]] support::Result<std::vector<Webhook>> decode_webhooks(std::string_view body);
[[nodiscard]] support::Result<std::vector<WebhookDelivery>> decode_deliveries(
    std::string_view body);
[[nodiscard]] support::Result<WebhookDeliveryDetails> decode_delivery_details(
    std::string_view body);

// --- the server's side: requests. Errors: invalid_request ---

// Refuses what the SDK's side refuses. An operation that is named twice is there once.
[[nodiscard]] support::Result<WebhookCreateOptions> decode_webhook_create(std::string_view body);
[[nodiscard]] support::Result<WebhookUpdateOptions> decode_webhook_update(std::string_view body);

// --- the server's side: answers ---

[[nodiscard]] std::string encode_webhook(const Webhook& webhook);
[[nodiscard]] std::string encode_webhooks(std::span<const Webhook> webhooks);
[[nodiscard]] std::string encode_deliveries(std::span<const WebhookDelivery> deliveries);
[[nodiscard]] std::string encode_delivery_details(Dialect dialect,
                                                  const WebhookDeliveryDetails& details);

}  // namespace nullspace::inline v0::wire

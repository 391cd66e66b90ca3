#include "local/server/webhook_book.hpp"

#include <algorithm>
#include <utility>

#include "local/server/ids.hpp"

namespace nullspace::local {

namespace {

// Of each webhook; one that is not finished is never forgotten.
constexpr std::size_t kRememberedDeliveries = 1000;

void note(RegisteredWebhook& webhook, const Delivery& delivery) {
  webhook.info.last_delivery_status = delivery.info.delivery_status;
  webhook.info.last_error = delivery.info.last_error;
  if (delivery.info.last_attempt_at) webhook.info.last_delivery_at = delivery.info.last_attempt_at;
}

}  // namespace

WebhookBook::WebhookPtr WebhookBook::add(AccountId account, const WebhookCreateOptions& options,
                                         Timestamp now) {
  auto webhook = std::make_shared<RegisteredWebhook>();
  webhook->account = account;
  webhook->info.id = new_id("wh_");
  webhook->info.url = options.url;
  webhook->info.operations = options.operations;
  webhook->info.enabled = options.enabled;
  webhook->info.has_signing_secret = !options.signing_secret.empty();
  webhook->info.created_at = now;
  webhook->info.updated_at = now;
  webhook->secret = options.signing_secret;
  webhooks_.emplace(++last_sequence_, webhook);
  return webhook;
}

void WebhookBook::update(RegisteredWebhook& webhook, const WebhookUpdateOptions& options,
                         Timestamp now) {
  if (options.url) webhook.info.url = *options.url;
  if (options.operations) webhook.info.operations = *options.operations;
  if (options.enabled) webhook.info.enabled = *options.enabled;
  if (options.signing_secret) {
    webhook.secret = *options.signing_secret;
    webhook.info.has_signing_secret = !webhook.secret.empty();
  }
  webhook.info.updated_at = now;
}

void WebhookBook::remove(const RegisteredWebhook& webhook) {
  std::erase_if(webhooks_, [&webhook](const auto& held) { return held.second.get() == &webhook; });
}

WebhookBook::WebhookPtr WebhookBook::find(AccountId account, const std::string& id) const {
  for (const auto& [sequence, webhook] : webhooks_) {
    if (webhook->account == account && webhook->info.id == id) return webhook;
  }
  return nullptr;
}

std::vector<Webhook> WebhookBook::list(AccountId account) const {
  std::vector<Webhook> infos;
  for (const auto& [sequence, webhook] : webhooks_) {
    if (webhook->account == account) infos.push_back(webhook->info);
  }
  return infos;
}

std::vector<WebhookBook::WebhookPtr> WebhookBook::all() const {
  std::vector<WebhookPtr> webhooks;
  for (const auto& [sequence, webhook] : webhooks_)
    webhooks.push_back(webhook);
  return webhooks;
}

std::vector<WebhookDelivery> WebhookBook::list_deliveries(const RegisteredWebhook& webhook,
                                                          std::size_t offset, std::size_t limit) {
  std::vector<WebhookDelivery> page;
  const auto& deliveries = webhook.deliveries;
  for (std::size_t i = offset; i < deliveries.size() && page.size() < limit; ++i)
    page.push_back(deliveries[deliveries.size() - 1 - i]->info);
  return page;
}

WebhookBook::DeliveryPtr WebhookBook::find_delivery(const RegisteredWebhook& webhook,
                                                    const std::string& id) {
  const auto found = std::find_if(webhook.deliveries.begin(), webhook.deliveries.end(),
                                  [&id](const auto& held) { return held->info.id == id; });
  return found == webhook.deliveries.end() ? nullptr : *found;
}

std::vector<WebhookBook::DeliveryPtr> WebhookBook::enqueue(AccountId account,
                                                           const LoggedEvent& entry,
                                                           Timestamp now) {
  std::vector<DeliveryPtr> made;
  for (const auto& [sequence, webhook] : webhooks_) {
    if (webhook->account != account || !webhook->info.enabled) continue;
    const auto& wanted = webhook->info.operations;
    if (std::find(wanted.begin(), wanted.end(), entry.event.operation) == wanted.end()) continue;
    auto delivery = std::make_shared<Delivery>();
    delivery->info.id = new_id("del_");
    delivery->info.webhook_id = webhook->info.id;
    delivery->info.event_id = entry.event.id;
    delivery->info.operation = entry.event.operation;
    delivery->info.status = entry.event.status;
    delivery->info.delivery_status = DeliveryStatus::queued;
    delivery->info.created_at = now;
    delivery->info.next_attempt_at = now;
    delivery->webhook = webhook;
    delivery->entry = &entry;
    while (webhook->deliveries.size() >= kRememberedDeliveries &&
           webhook->deliveries.front()->finished()) {
      webhook->deliveries.pop_front();
    }
    webhook->deliveries.push_back(delivery);
    note(*webhook, *delivery);
    made.push_back(std::move(delivery));
  }
  return made;
}

void WebhookBook::begin_attempt(Delivery& delivery, Timestamp now) {
  delivery.info.delivery_status = DeliveryStatus::in_progress;
  delivery.info.last_attempt_at = now;
  delivery.info.next_attempt_at.reset();
  ++delivery.info.attempt_count;
  WebhookAttempt attempt;
  attempt.id = new_id("att_");
  attempt.delivery_id = delivery.info.id;
  attempt.attempt_number = delivery.info.attempt_count;
  attempt.attempted_at = now;
  delivery.attempts.push_back(std::move(attempt));
  if (const auto webhook = delivery.webhook.lock()) note(*webhook, delivery);
}

void WebhookBook::finish_attempt(Delivery& delivery, const WebhookPostResult& result,
                                 std::optional<Timestamp> next_attempt_at) {
  WebhookAttempt& attempt = delivery.attempts.back();
  attempt.duration = result.duration;
  attempt.response_status = result.status;
  attempt.error_code = result.error_code;
  attempt.error_message = result.error_message;
  delivery.info.last_response_status = result.status;
  if (result.delivered()) {
    delivery.info.delivery_status = DeliveryStatus::succeeded;
    delivery.info.last_error.clear();
  } else {
    delivery.info.delivery_status =
        next_attempt_at ? DeliveryStatus::queued : DeliveryStatus::dead_letter;
    delivery.info.next_attempt_at = next_attempt_at;
    delivery.info.last_error =
        result.status ? "HTTP " + std::to_string(*result.status) : result.error_message;
  }
  if (const auto webhook = delivery.webhook.lock()) note(*webhook, delivery);
}

}  // namespace nullspace::local

#include <algorithm>
#include <utility>

#include <nullspace/lifecycle.hpp>

#include "api/client_core.hpp"
#include "api/rest.hpp"
#include "api/throw.hpp"
#include "wire/endpoints.hpp"
#include "wire/lifecycle_query.hpp"
#include "wire/webhook_messages.hpp"

namespace nullspace::inline v0 {

namespace {

HttpResponse call_or_throw(const Client& client, wire::Endpoint endpoint,
                           std::initializer_list<std::string_view> ids, std::stop_token stop) {
  return value_or_throw(call(*client.core(), endpoint, ids, std::move(stop)));
}

// A call with a body.
HttpResponse send_or_throw(const Client& client, wire::Endpoint endpoint,
                           std::initializer_list<std::string_view> ids, std::string json,
                           std::stop_token stop) {
  std::string path = value_or_throw(wire::endpoint_path(endpoint, client.dialect(), ids));
  return value_or_throw(call(*client.core(), {.endpoint = endpoint,
                                              .path = std::move(path),
                                              .json = std::move(json),
                                              .stop = std::move(stop)}));
}

}  // namespace

Webhook Lifecycle::create_webhook(WebhookCreateOptions options) const {
  std::string json = value_or_throw(wire::encode_webhook_create(options));
  const HttpResponse answer = send_or_throw(client_, wire::Endpoint::create_webhook, {},
                                            std::move(json), std::move(options.stop));
  return value_or_throw(wire::decode_webhook(answer.body));
}

std::vector<Webhook> Lifecycle::list_webhooks(std::stop_token stop) const {
  const HttpResponse answer =
      call_or_throw(client_, wire::Endpoint::list_webhooks, {}, std::move(stop));
  return value_or_throw(wire::decode_webhooks(answer.body));
}

Webhook Lifecycle::get_webhook(std::string_view webhook_id, std::stop_token stop) const {
  const HttpResponse answer =
      call_or_throw(client_, wire::Endpoint::get_webhook, {webhook_id}, std::move(stop));
  return value_or_throw(wire::decode_webhook(answer.body));
}

Webhook Lifecycle::update_webhook(std::string_view webhook_id, WebhookUpdateOptions options) const {
  std::string json = value_or_throw(wire::encode_webhook_update(options));
  const HttpResponse answer = send_or_throw(client_, wire::Endpoint::update_webhook, {webhook_id},
                                            std::move(json), std::move(options.stop));
  return value_or_throw(wire::decode_webhook(answer.body));
}

void Lifecycle::delete_webhook(std::string_view webhook_id, std::stop_token stop) const {
  (void)call_or_throw(client_, wire::Endpoint::delete_webhook, {webhook_id}, std::move(stop));
}

WebhookDeliveryDetails Lifecycle::get_webhook_delivery(std::string_view webhook_id,
                                                       std::string_view delivery_id,
                                                       std::stop_token stop) const {
  const HttpResponse answer = call_or_throw(client_, wire::Endpoint::get_delivery,
                                            {webhook_id, delivery_id}, std::move(stop));
  return value_or_throw(wire::decode_delivery_details(answer.body));
}

WebhookDeliveryList Lifecycle::list_webhook_deliveries(std::string_view webhook_id,
                                                       WebhookDeliveryListOptions options) const {
  // What makes no sense is refused here, before anything is sent.
  (void)value_or_throw(
      wire::encode_page_query({.offset = options.offset, .limit = options.page_size}));
  (void)value_or_throw(
      wire::endpoint_path(wire::Endpoint::list_deliveries, client_.dialect(), {webhook_id}));
  return {client_, std::string(webhook_id), std::move(options)};
}

WebhookDeliveryList::WebhookDeliveryList(Client client, std::string webhook_id,
                                         WebhookDeliveryListOptions options)
    : client_(std::move(client)),
      webhook_id_(std::move(webhook_id)),
      options_(std::move(options)) {}

std::optional<std::vector<WebhookDelivery>> WebhookDeliveryList::next_page() {
  constexpr wire::Endpoint kList = wire::Endpoint::list_deliveries;
  if (finished_) return std::nullopt;
  std::string query = value_or_throw(
      wire::encode_page_query({.offset = options_.offset, .limit = options_.page_size}));
  std::string path = value_or_throw(wire::endpoint_path(kList, client_.dialect(), {webhook_id_}));
  const HttpResponse answer = value_or_throw(call(*client_.core(), {.endpoint = kList,
                                                                    .path = std::move(path),
                                                                    .query = std::move(query),
                                                                    .stop = options_.stop}));
  auto page = value_or_throw(wire::decode_deliveries(answer.body));
  // The last page is the one that is not full. Servers have a largest page of their own, so that a
  // page may be full with less than what was asked for.
  const auto full =
      static_cast<std::size_t>(std::min(options_.page_size, wire::kDefaultLifecyclePage));
  finished_ = page.size() < full;
  options_.offset += static_cast<std::int64_t>(page.size());
  return page;
}

}  // namespace nullspace::inline v0

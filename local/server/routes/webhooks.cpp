// Webhooks: registrations, and what became of their deliveries.
#include <cstddef>
#include <memory>
#include <string>

#include "local/server/routes/api.hpp"
#include "local/server/webhook_url.hpp"
#include "wire/lifecycle_query.hpp"
#include "wire/webhook_messages.hpp"

namespace nullspace::local {

namespace {

// The webhook that the path names, or the answer that there is none.
WebhookBook::WebhookPtr find_webhook(const Api& api, const RequestPtr& request) {
  const std::string& id = request->ids.front();
  auto webhook = api.webhooks.book().find(request->account, id);
  if (!webhook) request->fail(not_found("webhook " + id + " not found"));
  return webhook;
}

void create(const Api& api, const RequestPtr& request) {
  const auto options = wire::decode_webhook_create(request->http.body);
  if (!options) return request->fail(refused(options.error()));
  if (const auto refusal = refuse_webhook_url(options->url)) return request->fail(*refusal);
  const auto webhook = api.webhooks.register_webhook(request->account, *options);
  request->reply(201, wire::encode_webhook(webhook->info));
}

void list(const Api& api, const RequestPtr& request) {
  request->reply(200, wire::encode_webhooks(api.webhooks.book().list(request->account)));
}

void get(const Api& api, const RequestPtr& request) {
  if (const auto webhook = find_webhook(api, request)) {
    request->reply(200, wire::encode_webhook(webhook->info));
  }
}

void update(const Api& api, const RequestPtr& request) {
  const auto webhook = find_webhook(api, request);
  if (!webhook) return;
  const auto options = wire::decode_webhook_update(request->http.body);
  if (!options) return request->fail(refused(options.error()));
  if (options->url) {
    if (const auto refusal = refuse_webhook_url(*options->url)) return request->fail(*refusal);
  }
  api.webhooks.update(*webhook, *options);
  request->reply(200, wire::encode_webhook(webhook->info));
}

void remove(const Api& api, const RequestPtr& request) {
  const auto webhook = find_webhook(api, request);
  if (!webhook) return;
  api.webhooks.remove(*webhook);
  request->no_content();
}

void list_deliveries(const Api& api, const RequestPtr& request) {
  const auto webhook = find_webhook(api, request);
  if (!webhook) return;
  const auto page = wire::decode_page_query(request->http.target.query_text);
  if (!page) return request->fail(refused(page.error()));
  const auto deliveries = WebhookBook::list_deliveries(
      *webhook, static_cast<std::size_t>(page->offset), static_cast<std::size_t>(page->limit));
  request->reply(200, wire::encode_deliveries(deliveries));
}

void get_delivery(const Api& api, const RequestPtr& request) {
  const auto webhook = find_webhook(api, request);
  if (!webhook) return;
  const std::string& id = request->ids.at(1);
  const auto delivery = WebhookBook::find_delivery(*webhook, id);
  if (!delivery) return request->fail(not_found("delivery " + id + " not found"));
  request->reply(200, wire::encode_delivery_details(
                          delivery->entry->dialect,
                          {delivery->info, delivery->entry->event, delivery->attempts}));
}

}  // namespace

void add_webhook_routes(Router& router, const Api& api) {
  const auto bind = [&api](void (*handler)(const Api&, const RequestPtr&)) {
    return [&api, handler](const RequestPtr& request) { handler(api, request); };
  };
  router.add("POST", "/v1/lifecycle/webhooks", bind(create));
  router.add("GET", "/v1/lifecycle/webhooks", bind(list));
  router.add("GET", "/v1/lifecycle/webhooks/{}", bind(get));
  router.add("PATCH", "/v1/lifecycle/webhooks/{}", bind(update));
  router.add("DELETE", "/v1/lifecycle/webhooks/{}", bind(remove));
  router.add("GET", "/v1/lifecycle/webhooks/{}/deliveries", bind(list_deliveries));
  router.add("GET", "/v1/lifecycle/webhooks/{}/deliveries/{}", bind(get_delivery));
}

}  // namespace nullspace::local

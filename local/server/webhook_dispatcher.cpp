#include "local/server/webhook_dispatcher.hpp"

#include <optional>
#include <string>
#include <utility>

#include "wire/lifecycle_messages.hpp"
#include "wire/webhook_signature.hpp"

namespace nullspace::local {

namespace {

// How long a manual clock waits for an attempt; a little longer than an attempt may take.
constexpr auto kDeliveryPatience = std::chrono::seconds(12);

}  // namespace

WebhookDispatcher::WebhookDispatcher(ServiceClock& clock, WebhookPoster& poster,
                                     std::vector<std::chrono::milliseconds> retry_delays)
    : clock_(clock), poster_(poster), retry_delays_(std::move(retry_delays)) {}

void WebhookDispatcher::on_lifecycle_event(AccountId account, const LoggedEvent& entry) {
  if (stopped_) return;
  for (const auto& delivery : book_.enqueue(account, entry, clock_.wall()))
    due(delivery);
}

void WebhookDispatcher::on_lifecycle_forgotten(AccountId account) {
  for (const auto& webhook : book_.all()) {
    if (webhook->account == account) remove(*webhook);
  }
}

WebhookBook::WebhookPtr WebhookDispatcher::register_webhook(AccountId account,
                                                            const WebhookCreateOptions& options) {
  return book_.add(account, options, clock_.wall());
}

void WebhookDispatcher::update(RegisteredWebhook& webhook, const WebhookUpdateOptions& options) {
  WebhookBook::update(webhook, options, clock_.wall());
  pump();
}

void WebhookDispatcher::remove(const RegisteredWebhook& webhook) {
  for (const auto& delivery : webhook.deliveries) {
    retries_.erase(delivery.get());
    delivery->under_way.reset();
  }
  lanes_.erase(&webhook);
  book_.remove(webhook);
}

void WebhookDispatcher::stop() {
  stopped_ = true;
  retries_.clear();
  lanes_.clear();
  for (const auto& webhook : book_.all()) {
    for (const auto& delivery : webhook->deliveries)
      delivery->under_way.reset();
  }
}

void WebhookDispatcher::due(const std::shared_ptr<Delivery>& delivery) {
  const auto webhook = delivery->webhook.lock();
  if (!webhook) return;
  lanes_[webhook.get()].due.push_back(delivery);
  pump();
}

void WebhookDispatcher::pump() {
  bool any = !stopped_;
  while (any) {
    any = false;
    const auto webhooks = book_.all();
    const std::size_t first = turn_++;
    for (std::size_t i = 0; i < webhooks.size(); ++i) {
      if (under_way_ >= poster_.capacity()) return;
      const auto& webhook = webhooks[(first + i) % webhooks.size()];
      Lane& lane = lanes_[webhook.get()];
      if (!webhook->info.enabled || lane.due.empty()) continue;
      if (lane.under_way >= kAtOncePerWebhook) continue;
      const auto delivery = lane.due.front().lock();
      lane.due.pop_front();
      any = true;
      if (delivery) attempt(*webhook, delivery);
    }
  }
}

void WebhookDispatcher::attempt(const RegisteredWebhook& webhook,
                                const std::shared_ptr<Delivery>& delivery) {
  WebhookBook::begin_attempt(*delivery, clock_.wall());
  delivery->under_way = clock_.hold(kDeliveryPatience);
  ++under_way_;
  ++lanes_[&webhook].under_way;
  WebhookPost post;
  post.url = webhook.info.url;
  post.body = wire::encode_lifecycle_event(delivery->entry->dialect, delivery->entry->event);
  post.headers = {{"content-type", "application/json"},
                  {"user-agent", "nullspace-local"},
                  {std::string(wire::kWebhookIdHeader), webhook.info.id},
                  {std::string(wire::kDeliveryIdHeader), delivery->info.id},
                  {std::string(wire::kEventIdHeader), delivery->info.event_id}};
  if (!webhook.secret.empty()) {
    post.headers.emplace_back(wire::kSignatureVersionHeader, wire::kSignatureVersion);
    post.headers.emplace_back(wire::kSignatureHeader,
                              wire::sign_webhook(webhook.secret, post.body));
  }
  poster_.post(std::move(post), [self = weak_from_this(), attempted = std::weak_ptr(delivery)](
                                    const WebhookPostResult& result) {
    const auto dispatcher = self.lock();
    if (!dispatcher || dispatcher->stopped_) return;
    --dispatcher->under_way_;
    // The webhook may have been deleted meanwhile, and its deliveries with it.
    if (const auto alive = attempted.lock()) dispatcher->attempted(alive, result);
    dispatcher->pump();
  });
}

void WebhookDispatcher::attempted(const std::shared_ptr<Delivery>& delivery,
                                  const WebhookPostResult& result) {
  // Given up at the end, when the next attempt has its time.
  const ClockHold hold = std::exchange(delivery->under_way, nullptr);
  const auto webhook = delivery->webhook.lock();
  if (!webhook) return;
  --lanes_[webhook.get()].under_way;
  const auto made = static_cast<std::size_t>(delivery->info.attempt_count);
  if (result.delivered() || made > retry_delays_.size()) {
    return WebhookBook::finish_attempt(*delivery, result, std::nullopt);
  }
  const std::chrono::milliseconds delay = retry_delays_[made - 1];
  WebhookBook::finish_attempt(*delivery, result, clock_.wall() + delay);
  auto& timer = retries_[delivery.get()];
  timer = std::make_unique<ServiceTimer>(clock_);
  timer->start(delay, [this, again = std::weak_ptr(delivery)] {
    const auto alive = again.lock();
    if (!alive) return;
    retries_.erase(alive.get());
    due(alive);
  });
}

}  // namespace nullspace::local

#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "local/server/lifecycle_journal.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/webhook_book.hpp"

namespace nullspace::local {

// Gets each event to the webhooks that want it: signs, posts, tries again, gives up. Loop's thread
// only.
class WebhookDispatcher : public LifecycleObserver,
                          public std::enable_shared_from_this<WebhookDispatcher> {
 public:
  // `retry_delays`: the waiting time before the second attempt, before the third, and so on; one
  // attempt more than there are delays.
  WebhookDispatcher(ServiceClock& clock, WebhookPoster& poster,
                    std::vector<std::chrono::milliseconds> retry_delays);

  [[nodiscard]] const WebhookBook& book() const { return book_; }

  void on_lifecycle_event(AccountId account, const LoggedEvent& entry) override;
  // The account's webhooks are forgotten as well.
  void on_lifecycle_forgotten(AccountId account) override;
  WebhookBook::WebhookPtr register_webhook(AccountId account, const WebhookCreateOptions& options);
  // What waits while the webhook is disabled goes on when it is enabled.
  void update(RegisteredWebhook& webhook, const WebhookUpdateOptions& options);
  // Drops what waits for it.
  void remove(const RegisteredWebhook& webhook);
  // Nothing is sent any more.
  void stop();

 private:
  // A receiver that is slow must not take every thread.
  static constexpr std::size_t kAtOncePerWebhook = 2;

  struct Lane {
    std::deque<std::weak_ptr<Delivery>> due;
    std::size_t under_way = 0;
  };

  void due(const std::shared_ptr<Delivery>& delivery);
  void pump();
  void attempt(const RegisteredWebhook& webhook, const std::shared_ptr<Delivery>& delivery);
  void attempted(const std::shared_ptr<Delivery>& delivery, const WebhookPostResult& result);

  ServiceClock& clock_;
  WebhookPoster& poster_;
  std::vector<std::chrono::milliseconds> retry_delays_;
  WebhookBook book_;
  std::map<const RegisteredWebhook*, Lane> lanes_;
  std::map<const Delivery*, std::unique_ptr<ServiceTimer>> retries_;
  std::size_t under_way_ = 0;
  std::size_t turn_ = 0;  // where the next round begins, so that none is always the last
  bool stopped_ = false;
};

}  // namespace nullspace::local

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nullspace/secret.hpp>
#include <nullspace/webhook.hpp>

#include "local/server/auth.hpp"
#include "local/server/lifecycle_log.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/webhook_sender.hpp"

namespace nullspace::local {

struct RegisteredWebhook;

// One event on its way to one webhook, with all that was tried.
struct Delivery {
  WebhookDelivery info;
  std::weak_ptr<RegisteredWebhook> webhook;
  const LoggedEvent* entry = nullptr;  // in the log, which outlives it
  std::vector<WebhookAttempt> attempts;
  ClockHold under_way;  // while there is an attempt that somebody waits for

  [[nodiscard]] bool finished() const {
    return info.delivery_status == DeliveryStatus::succeeded ||
           info.delivery_status == DeliveryStatus::dead_letter;
  }
};

struct RegisteredWebhook {
  AccountId account = 0;
  Webhook info;
  Secret secret;
  std::deque<std::shared_ptr<Delivery>> deliveries;  // oldest first
};

// Registrations, and where each delivery stands. Knows no time and sends nothing.
class WebhookBook {
 public:
  using WebhookPtr = std::shared_ptr<RegisteredWebhook>;
  using DeliveryPtr = std::shared_ptr<Delivery>;

  WebhookPtr add(AccountId account, const WebhookCreateOptions& options, Timestamp now);
  static void update(RegisteredWebhook& webhook, const WebhookUpdateOptions& options,
                     Timestamp now);
  void remove(const RegisteredWebhook& webhook);
  [[nodiscard]] WebhookPtr find(AccountId account, const std::string& id) const;
  // Oldest first.
  [[nodiscard]] std::vector<Webhook> list(AccountId account) const;
  [[nodiscard]] std::vector<WebhookPtr> all() const;

  // Newest first.
  [[nodiscard]] static std::vector<WebhookDelivery> list_deliveries(
      const RegisteredWebhook& webhook, std::size_t offset, std::size_t limit);
  [[nodiscard]] static DeliveryPtr find_delivery(const RegisteredWebhook& webhook,
                                                 const std::string& id);

  // A delivery to each enabled webhook of the account that wants the event.
  [[nodiscard]] std::vector<DeliveryPtr> enqueue(AccountId account, const LoggedEvent& entry,
                                                 Timestamp now);

  static void begin_attempt(Delivery& delivery, Timestamp now);
  // What the attempt came to; when it failed, the time of the next one, or none: then that was it.
  static void finish_attempt(Delivery& delivery, const WebhookPostResult& result,
                             std::optional<Timestamp> next_attempt_at);

 private:
  std::map<std::uint64_t, WebhookPtr> webhooks_;  // by age
  std::uint64_t last_sequence_ = 0;
};

}  // namespace nullspace::local

#include "local/server/webhook_book.hpp"

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using namespace std::chrono_literals;
using nullspace::DeliveryStatus;
using nullspace::Dialect;
using nullspace::LifecycleEvent;
using nullspace::LifecycleOperation;
using nullspace::Timestamp;
using nullspace::WebhookCreateOptions;
using nullspace::WebhookUpdateOptions;
using nullspace::local::LifecycleLog;
using nullspace::local::LoggedEvent;
using nullspace::local::WebhookBook;
using nullspace::local::WebhookPostResult;

const Timestamp kNow{std::chrono::hours(480'000)};

WebhookCreateOptions options(std::vector<LifecycleOperation> operations) {
  WebhookCreateOptions made;
  made.url = "https://hooks.example.test/";
  made.operations = std::move(operations);
  made.signing_secret = "whsec";
  return made;
}

struct Events {
  LifecycleLog log;
  const LoggedEvent& add(LifecycleOperation operation) {
    LifecycleEvent event;
    event.operation = operation;
    event.sandbox_id = "sb_1";
    return log.append(Dialect::sandbox, std::move(event), kNow);
  }
};

WebhookPostResult answered(int status) {
  WebhookPostResult result;
  result.status = status;
  result.duration = 12ms;
  return result;
}

}  // namespace

TEST_CASE("registrations are kept by account, in order, and can be changed in part") {
  WebhookBook book;
  const auto first = book.add(1, options({LifecycleOperation::create}), kNow);
  const auto second = book.add(1, options({LifecycleOperation::fork}), kNow);
  book.add(2, options({LifecycleOperation::create}), kNow);
  CHECK(first->info.id.starts_with("wh_"));
  CHECK(first->info.has_signing_secret);
  const auto listed = book.list(1);
  REQUIRE(listed.size() == 2);
  CHECK(listed[0].id == first->info.id);
  CHECK(listed[1].id == second->info.id);
  CHECK(book.find(1, first->info.id) == first);
  CHECK(book.find(2, first->info.id) == nullptr);

  WebhookUpdateOptions change;
  change.enabled = false;
  WebhookBook::update(*first, change, kNow + 1s);
  CHECK_FALSE(first->info.enabled);
  CHECK(first->info.url == "https://hooks.example.test/");
  CHECK(first->info.updated_at == kNow + 1s);
  CHECK(first->info.created_at == kNow);
  change = {};
  change.signing_secret = "other";
  change.operations = {LifecycleOperation::destroy};
  WebhookBook::update(*first, change, kNow + 2s);
  CHECK(first->secret.reveal() == "other");
  CHECK(first->info.operations == std::vector{LifecycleOperation::destroy});
  CHECK_FALSE(first->info.enabled);

  book.remove(*first);
  CHECK(book.find(1, first->info.id) == nullptr);
  CHECK(book.list(1).size() == 1);
}

TEST_CASE("an event goes to enabled webhooks of its account that want it") {
  WebhookBook book;
  Events events;
  const auto wants =
      book.add(1, options({LifecycleOperation::create, LifecycleOperation::destroy}), kNow);
  const auto wants_other = book.add(1, options({LifecycleOperation::fork}), kNow);
  const auto of_other = book.add(2, options({LifecycleOperation::create}), kNow);
  const auto disabled = book.add(1, options({LifecycleOperation::create}), kNow);
  disabled->info.enabled = false;
  const LoggedEvent& entry = events.add(LifecycleOperation::create);
  const auto made = book.enqueue(1, entry, kNow);
  REQUIRE(made.size() == 1);
  CHECK(made[0]->info.id.starts_with("del_"));
  CHECK(made[0]->info.webhook_id == wants->info.id);
  CHECK(made[0]->info.event_id == entry.event.id);
  CHECK(made[0]->info.operation == LifecycleOperation::create);
  CHECK(made[0]->info.delivery_status == DeliveryStatus::queued);
  CHECK(made[0]->info.next_attempt_at == kNow);
  CHECK(made[0]->entry == &entry);
  CHECK(wants->info.last_delivery_status == DeliveryStatus::queued);
  CHECK_FALSE(wants->info.last_delivery_at);
  for (const auto& untouched : {wants_other, of_other, disabled})
    CHECK(untouched->deliveries.empty());
}

TEST_CASE("attempts are written down until one succeeds") {
  WebhookBook book;
  Events events;
  const auto webhook = book.add(1, options({LifecycleOperation::create}), kNow);
  const auto delivery = book.enqueue(1, events.add(LifecycleOperation::create), kNow).at(0);

  WebhookBook::begin_attempt(*delivery, kNow);
  CHECK(delivery->info.delivery_status == DeliveryStatus::in_progress);
  CHECK_FALSE(delivery->info.next_attempt_at);
  CHECK(webhook->info.last_delivery_status == DeliveryStatus::in_progress);
  WebhookBook::finish_attempt(*delivery, answered(503), kNow + 30s);
  CHECK(delivery->info.delivery_status == DeliveryStatus::queued);
  CHECK(delivery->info.next_attempt_at == kNow + 30s);
  CHECK(delivery->info.last_response_status == 503);
  CHECK(delivery->info.last_error == "HTTP 503");
  CHECK_FALSE(delivery->finished());

  WebhookBook::begin_attempt(*delivery, kNow + 30s);
  WebhookPostResult unanswered;
  unanswered.error_code = "connect_failed";
  unanswered.error_message = "refused";
  WebhookBook::finish_attempt(*delivery, unanswered, kNow + 60s);
  CHECK_FALSE(delivery->info.last_response_status);
  CHECK(webhook->info.last_error == "refused");

  WebhookBook::begin_attempt(*delivery, kNow + 60s);
  WebhookBook::finish_attempt(*delivery, answered(204), std::nullopt);
  CHECK(delivery->info.delivery_status == DeliveryStatus::succeeded);
  CHECK(delivery->finished());
  CHECK(delivery->info.last_error.empty());
  CHECK(webhook->info.last_delivery_status == DeliveryStatus::succeeded);
  CHECK(webhook->info.last_delivery_at == kNow + 60s);
  CHECK(webhook->info.last_error.empty());

  REQUIRE(delivery->attempts.size() == 3);
  for (int i = 0; i < 3; ++i) {
    const auto& attempt = delivery->attempts[static_cast<std::size_t>(i)];
    CHECK(attempt.attempt_number == i + 1);
    CHECK(attempt.delivery_id == delivery->info.id);
    CHECK(attempt.attempted_at == kNow + i * 30s);
  }
  CHECK(delivery->attempts[0].response_status == 503);
  CHECK(delivery->attempts[0].duration == 12ms);
  CHECK(delivery->attempts[0].error_code.empty());
  CHECK(delivery->attempts[1].error_code == "connect_failed");
  CHECK(delivery->attempts[1].error_message == "refused");
}

TEST_CASE("without a next attempt a failure is final") {
  WebhookBook book;
  Events events;
  const auto webhook = book.add(1, options({LifecycleOperation::create}), kNow);
  const auto delivery = book.enqueue(1, events.add(LifecycleOperation::create), kNow).at(0);
  WebhookBook::begin_attempt(*delivery, kNow);
  WebhookBook::finish_attempt(*delivery, answered(302), std::nullopt);
  CHECK(delivery->info.delivery_status == DeliveryStatus::dead_letter);
  CHECK_FALSE(delivery->info.next_attempt_at);
  CHECK(webhook->info.last_delivery_status == DeliveryStatus::dead_letter);
  CHECK(webhook->info.last_error == "HTTP 302");
}

TEST_CASE("deliveries are listed newest first") {
  WebhookBook book;
  Events events;
  const auto webhook = book.add(1, options({LifecycleOperation::create}), kNow);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i)
    ids.push_back(book.enqueue(1, events.add(LifecycleOperation::create), kNow).at(0)->info.id);
  auto page = WebhookBook::list_deliveries(*webhook, 0, 2);
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == ids[3]);
  CHECK(page[1].id == ids[2]);
  page = WebhookBook::list_deliveries(*webhook, 3, 50);
  REQUIRE(page.size() == 1);
  CHECK(page[0].id == ids[0]);
  CHECK(WebhookBook::list_deliveries(*webhook, 4, 50).empty());
  CHECK(WebhookBook::find_delivery(*webhook, ids[1])->info.id == ids[1]);
  CHECK(WebhookBook::find_delivery(*webhook, "del_none") == nullptr);
}

TEST_CASE("finished deliveries are forgotten in the end, others never") {
  WebhookBook book;
  Events events;
  const auto webhook = book.add(1, options({LifecycleOperation::create}), kNow);
  const LoggedEvent& entry = events.add(LifecycleOperation::create);
  const auto deliver = [&] {
    auto delivery = book.enqueue(1, entry, kNow).at(0);
    WebhookBook::begin_attempt(*delivery, kNow);
    WebhookBook::finish_attempt(*delivery, answered(200), std::nullopt);
    return delivery->info.id;
  };
  const std::string first = deliver();
  for (int i = 0; i < 1000; ++i)
    deliver();
  CHECK(webhook->deliveries.size() == 1000);
  CHECK(WebhookBook::find_delivery(*webhook, first) == nullptr);
  while (!webhook->deliveries.empty())
    webhook->deliveries.pop_front();
  for (int i = 0; i < 1200; ++i)
    (void)book.enqueue(1, entry, kNow);
  CHECK(webhook->deliveries.size() == 1200);
}

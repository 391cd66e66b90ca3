#include "wire/webhook_messages.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

using namespace std::chrono_literals;
using nullspace::test::contains;
using nullspace::test::json;

namespace {

const std::string kWebhook =
    R"({"id":"wh_8","url":"https://hooks.example.test/ns","operations":["create","destroy"],"enabled":true,"has_signing_secret":true,"created_at":"2026-05-02T08:00:00Z","updated_at":"2026-05-02T08:00:01Z","last_delivery_at":null,"last_delivery_status":null,"last_error":null})";
const std::string kDelivery =
    R"({"id":"del_3","webhook_id":"wh_8","event_id":"evt_500","operation":"create","status":"succeeded","delivery_status":"queued","attempt_count":1,"created_at":"2026-05-02T08:00:03Z","next_attempt_at":"2026-05-02T08:00:33Z","last_attempt_at":"2026-05-02T08:00:03Z","last_response_status":503,"last_error":"HTTP 503"})";
const std::string kEvent =
    R"({"id":"evt_500","occurred_at":"2026-05-02T08:00:02Z","audience":"customer","operation":"create","status":"succeeded","sandbox_id":"sb_7k2","actor_kind":"user","metadata":{}})";
const std::string kAttempt =
    R"({"id":"att_1","delivery_id":"del_3","attempt_number":1,"attempted_at":"2026-05-02T08:00:03Z","duration_ms":210,"response_status":503,"error_code":null,"error_message":null})";
const std::string kDetails =
    R"({"delivery":)" + kDelivery + R"(,"event":)" + kEvent + R"(,"attempts":[)" + kAttempt + "]}";

std::string without(std::string_view text, std::string_view name) {
  Json::Object members = json(text).object();
  REQUIRE(members.erase(std::string(name)) == 1);
  return Json(members).dump();
}

std::string replaced(std::string_view text, std::string_view name, const Json& value) {
  Json::Object members = json(text).object();
  members.insert_or_assign(std::string(name), value);
  return Json(members).dump();
}

template <typename Result>
void refused(const Result& result, std::string_view part,
             std::string_view code = "invalid_response") {
  INFO(part);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == code);
  INFO(result.error().message);
  CHECK(contains(result.error().message, part));
}

WebhookCreateOptions good_create() {
  return {.url = "https://hooks.example.test/ns",
          .operations = {LifecycleOperation::create, LifecycleOperation::destroy},
          .signing_secret = "whsec_4f"};
}

}  // namespace

TEST_CASE("webhook_messages: a registration is asked for as recorded") {
  CHECK(
      *encode_webhook_create(good_create()) ==
      R"({"url":"https://hooks.example.test/ns","operations":["create","destroy"],"signing_secret":"whsec_4f","enabled":true})");
  const auto understood = decode_webhook_create(*encode_webhook_create(good_create()));
  REQUIRE(understood.ok());
  CHECK(understood->url == good_create().url);
  CHECK(understood->operations == good_create().operations);
  CHECK(understood->signing_secret == good_create().signing_secret);
  CHECK(understood->enabled);
  CHECK(*encode_webhook_update({}) == "{}");
  CHECK(*encode_webhook_update({.enabled = false}) == R"({"enabled":false})");
  CHECK(*encode_webhook_update({.url = "http://127.0.0.1:8/x",
                                .operations = std::vector{LifecycleOperation::fork},
                                .signing_secret = Secret("new")}) ==
        R"({"url":"http://127.0.0.1:8/x","operations":["fork"],"signing_secret":"new"})");
}

TEST_CASE("webhook_messages: what is refused before it is sent") {
  for (const std::string_view url :
       {"", "hooks.example.test", "ftp://a/b", "https://", "https:///path", "https://a b/",
        "https://a/\r\nX: y", "https://a/\x01", "https://a/\x7f", "https://a/\xff", "HTTPS//a"}) {
    WebhookCreateOptions options = good_create();
    options.url = url;
    refused(encode_webhook_create(options), "url", "invalid_request");
    refused(encode_webhook_update({.url = std::string(url)}), "url", "invalid_request");
  }
  WebhookCreateOptions options = good_create();
  options.operations.clear();
  refused(encode_webhook_create(options), "operations", "invalid_request");
  options.operations = {LifecycleOperation::create, LifecycleOperation::unknown};
  refused(encode_webhook_create(options), "operations", "invalid_request");
  refused(encode_webhook_update({.operations = std::vector<LifecycleOperation>{}}), "operations",
          "invalid_request");
  for (const std::string_view secret : {"", "\xc3", "a\xffz"}) {
    options = good_create();
    options.signing_secret = secret;
    refused(encode_webhook_create(options), "signing_secret", "invalid_request");
    refused(encode_webhook_update({.signing_secret = Secret(secret)}), "signing_secret",
            "invalid_request");
  }
}

TEST_CASE("webhook_messages: a secret is not repeated in an error") {
  WebhookCreateOptions options = good_create();
  options.signing_secret = "hush-hush\xff";
  CHECK_FALSE(contains(encode_webhook_create(options).error().message, "hush"));
}

TEST_CASE("webhook_messages: what a server refuses") {
  const std::string good = *encode_webhook_create(good_create());
  const auto refuses = [](const std::string& body, std::string_view part) {
    refused(decode_webhook_create(body), part, "invalid_request");
  };
  for (const std::string_view name : {"url", "operations", "signing_secret"}) {
    refuses(without(good, name), name);
    refuses(replaced(good, name, 7), name);
    refused(decode_webhook_update(replaced("{}", name, 7)), name, "invalid_request");
  }
  refuses(replaced(good, "enabled", "yes"), "enabled");
  refuses(replaced(good, "operations", Json::Array{"create", "explode"}), "operations");
  refuses(replaced(good, "operations", Json::Array{"create", 1}), "operations");
  refuses(replaced(good, "operations", Json::Array{}), "operations");
  refuses(replaced(good, "url", "javascript:alert(1)"), "url");
  refuses(replaced(good, "signing_secret", ""), "signing_secret");
  refuses("", "empty");
  refuses("[]", "object");
  refuses("{", "JSON");
  refused(decode_webhook_update("null"), "object", "invalid_request");
}

TEST_CASE("webhook_messages: an update keeps what it does not name") {
  const auto nothing = decode_webhook_update("{}");
  REQUIRE(nothing.ok());
  CHECK_FALSE(nothing->url);
  CHECK_FALSE(nothing->operations);
  CHECK_FALSE(nothing->signing_secret);
  CHECK_FALSE(nothing->enabled);
  const auto some = decode_webhook_update(
      R"({"url":null,"operations":["fork","fork","create"],"signing_secret":"ü","enabled":false})");
  REQUIRE(some.ok());
  CHECK_FALSE(some->url);
  CHECK(some->operations == std::vector{LifecycleOperation::fork, LifecycleOperation::create});
  CHECK(some->signing_secret == Secret("ü"));
  CHECK(some->enabled == false);
}

TEST_CASE("webhook_messages: a registration as recorded") {
  const auto webhook = decode_webhook(kWebhook);
  REQUIRE(webhook.ok());
  CHECK(webhook->id == "wh_8");
  CHECK(webhook->operations ==
        std::vector{LifecycleOperation::create, LifecycleOperation::destroy});
  CHECK(webhook->enabled);
  CHECK(webhook->has_signing_secret);
  CHECK(webhook->updated_at == parse_timestamp("2026-05-02T08:00:01Z"));
  CHECK_FALSE(webhook->last_delivery_at);
  CHECK_FALSE(webhook->last_delivery_status);
  CHECK(webhook->last_error.empty());
  CHECK(json(encode_webhook(*webhook)) ==
        json(replaced(replaced(kWebhook, "created_at", "2026-05-02T08:00:00.000Z"), "updated_at",
                      "2026-05-02T08:00:01.000Z")));

  const auto used = decode_webhook(replaced(
      replaced(replaced(kWebhook, "last_delivery_status", "dead_letter"), "last_error", "HTTP 500"),
      "last_delivery_at", "2026-05-02T09:00:00Z"));
  REQUIRE(used.ok());
  CHECK(used->last_delivery_status == DeliveryStatus::dead_letter);
  CHECK(used->last_error == "HTTP 500");
  CHECK(*decode_webhook(encode_webhook(*used)) == *used);
}

TEST_CASE("webhook_messages: words of a newer server are kept") {
  const auto webhook =
      decode_webhook(replaced(replaced(kWebhook, "operations", Json::Array{"migrate", "fork"}),
                              "last_delivery_status", "parked"));
  REQUIRE(webhook.ok());
  CHECK(webhook->operations == std::vector{LifecycleOperation::unknown, LifecycleOperation::fork});
  CHECK(webhook->operation_texts == std::vector<std::string>{"migrate", "fork"});
  CHECK(webhook->last_delivery_status == DeliveryStatus::unknown);
  CHECK(webhook->last_delivery_status_text == "parked");
  CHECK(*decode_webhook(encode_webhook(*webhook)) == *webhook);

  const auto deliveries =
      decode_deliveries("[" + replaced(kDelivery, "delivery_status", "parked") + "]");
  REQUIRE(deliveries.ok());
  CHECK((*deliveries)[0].delivery_status == DeliveryStatus::unknown);
  CHECK((*deliveries)[0].delivery_status_text == "parked");
  CHECK(*decode_deliveries(encode_deliveries(*deliveries)) == *deliveries);
}

TEST_CASE("webhook_messages: a list of registrations is a bare array") {
  const auto webhooks = decode_webhooks("[" + kWebhook + "," + kWebhook + "]");
  REQUIRE(webhooks.ok());
  CHECK(webhooks->size() == 2);
  CHECK(*decode_webhooks(encode_webhooks(*webhooks)) == *webhooks);
  CHECK(decode_webhooks("[]")->empty());
  refused(decode_webhooks("{}"), "array");
  refused(decode_webhooks("[{}]"), "id");
  refused(decode_webhooks("[1]"), "object");
}

TEST_CASE("webhook_messages: deliveries and their attempts as recorded") {
  const auto details = decode_delivery_details(kDetails);
  REQUIRE(details.ok());
  CHECK(details->delivery.id == "del_3");
  CHECK(details->delivery.delivery_status == DeliveryStatus::queued);
  CHECK(details->delivery.attempt_count == 1);
  CHECK(details->delivery.next_attempt_at == parse_timestamp("2026-05-02T08:00:33Z"));
  CHECK(details->delivery.last_response_status == 503);
  CHECK(details->event.id == "evt_500");
  REQUIRE(details->attempts.size() == 1);
  CHECK(details->attempts[0].duration == 210ms);
  CHECK(details->attempts[0].response_status == 503);
  CHECK(details->attempts[0].error_code.empty());
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    CHECK(*decode_delivery_details(encode_delivery_details(dialect, *details)) == *details);
  }
  const auto list = decode_deliveries("[" + kDelivery + "]");
  REQUIRE(list.ok());
  CHECK((*list)[0] == details->delivery);
  CHECK(*decode_deliveries(encode_deliveries(*list)) == *list);
}

TEST_CASE("webhook_messages: broken answers are refused by their member") {
  for (const std::string_view name :
       {"id", "url", "operations", "enabled", "has_signing_secret", "created_at", "updated_at"}) {
    refused(decode_webhook(without(kWebhook, name)), name);
    refused(decode_webhook(replaced(kWebhook, name, 7)), name);
  }
  refused(decode_webhook(replaced(kWebhook, "last_error", 7)), "last_error");
  for (const std::string_view name : {"id", "webhook_id", "event_id", "operation", "status",
                                      "delivery_status", "attempt_count", "created_at"}) {
    refused(decode_deliveries("[" + without(kDelivery, name) + "]"), name);
  }
  refused(decode_deliveries("[" + replaced(kDelivery, "attempt_count", -1) + "]"), "attempt_count");
  refused(decode_deliveries("[" + replaced(kDelivery, "last_response_status", "x") + "]"),
          "last_response_status");
  refused(decode_deliveries(R"({"deliveries":[]})"), "array");
  for (const std::string_view name : {"delivery", "event", "attempts"}) {
    refused(decode_delivery_details(without(kDetails, name)), name);
    refused(decode_delivery_details(replaced(kDetails, name, "x")), name);
  }
  for (const std::string_view name :
       {"id", "delivery_id", "attempt_number", "attempted_at", "duration_ms"}) {
    refused(decode_delivery_details(
                replaced(kDetails, "attempts", Json::Array{json(without(kAttempt, name))})),
            name);
  }
}

}  // namespace nullspace::inline v0::wire

#include <string>
#include <utility>
#include <vector>

#include <nullspace/lifecycle.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/scripted_events.hpp"

using namespace nullspace::tests;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Lifecycle;
using nullspace::LifecycleOperation;
using nullspace::Secret;
using nullspace::Webhook;
using nullspace::WebhookDelivery;
using nullspace::WebhookDeliveryList;

namespace {

const std::string kBase = "https://api.example.test/prefix/v1/lifecycle/webhooks";

Json webhook_json(bool enabled = true) {
  return Json(Json::Object{{"id", "wh_8"},
                           {"url", "https://hooks.example.test/ns"},
                           {"operations", Json::Array{"create", "destroy"}},
                           {"enabled", enabled},
                           {"has_signing_secret", true},
                           {"created_at", "2026-05-02T08:00:00Z"},
                           {"updated_at", "2026-05-02T08:00:00Z"}});
}

Json delivery_json(int n) {
  return Json(Json::Object{{"id", "del_" + std::to_string(n)},
                           {"webhook_id", "wh_8"},
                           {"event_id", event_id(n)},
                           {"operation", "create"},
                           {"status", "succeeded"},
                           {"delivery_status", "queued"},
                           {"attempt_count", 1},
                           {"created_at", "2026-05-02T08:00:03Z"}});
}

nullspace::HttpResponse deliveries(int first, int last) {
  Json::Array page;
  for (int n = first; n <= last; ++n)
    page.push_back(delivery_json(n));
  return response(200, Json(std::move(page)).dump());
}

}  // namespace

TEST_CASE("webhooks: create, look, change, delete") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  scripted.http->push(response(201, webhook_json().dump()));
  const Webhook made = lifecycle.create_webhook(
      {.url = "https://hooks.example.test/ns",
       .operations = {LifecycleOperation::create, LifecycleOperation::destroy},
       .signing_secret = "whsec_4f"});
  CHECK(made.id == "wh_8");
  CHECK(made.has_signing_secret);
  CHECK(scripted.http->request(0).method == "POST");
  CHECK(scripted.http->request(0).url == kBase);
  CHECK(
      scripted.http->request(0).body ==
      R"({"url":"https://hooks.example.test/ns","operations":["create","destroy"],"signing_secret":"whsec_4f","enabled":true})");

  scripted.http->push(response(200, Json(Json::Array{webhook_json(), webhook_json()}).dump()));
  CHECK(lifecycle.list_webhooks().size() == 2);
  CHECK(scripted.http->request(1).url == kBase);

  scripted.http->push(response(200, webhook_json().dump()));
  CHECK(lifecycle.get_webhook("wh/8") == made);
  CHECK(scripted.http->request(2).url == kBase + "/wh%2F8");

  scripted.http->push(response(200, webhook_json(false).dump()));
  CHECK_FALSE(lifecycle.update_webhook("wh_8", {.enabled = false}).enabled);
  CHECK(scripted.http->request(3).method == "PATCH");
  CHECK(scripted.http->request(3).body == R"({"enabled":false})");

  scripted.http->push(response(GENERATE(200, 204)));
  lifecycle.delete_webhook("wh_8");
  CHECK(scripted.http->request(4).method == "DELETE");
  CHECK(scripted.http->request(4).url == kBase + "/wh_8");
}

TEST_CASE("webhooks: what makes no sense is refused before anything is sent") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  const auto refused = [&](const std::function<void()>& call) {
    CHECK(thrown_by(call).kind() == ErrorKind::invalid_request);
  };
  const std::vector some{LifecycleOperation::create};
  refused([&] { lifecycle.create_webhook({}); });
  refused([&] { lifecycle.create_webhook({.url = "https://a", .signing_secret = "s"}); });
  refused([&] { lifecycle.create_webhook({.url = "https://a", .operations = some}); });
  refused([&] { lifecycle.create_webhook({.operations = some, .signing_secret = "s"}); });
  refused([&] {
    lifecycle.create_webhook(
        {.url = "https://a/\r\nHost: b", .operations = some, .signing_secret = "s"});
  });
  refused(
      [&] { lifecycle.update_webhook("wh_8", {.operations = std::vector<LifecycleOperation>{}}); });
  refused([&] { lifecycle.update_webhook("wh_8", {.signing_secret = Secret()}); });
  for (const char* id : {"", ".", ".."}) {
    refused([&] { (void)lifecycle.get_webhook(id); });
    refused([&] { lifecycle.update_webhook(id, {}); });
    refused([&] { lifecycle.delete_webhook(id); });
    refused([&] { (void)lifecycle.list_webhook_deliveries(id); });
    refused([&] { (void)lifecycle.get_webhook_delivery(id, "del_1"); });
    refused([&] { (void)lifecycle.get_webhook_delivery("wh_8", id); });
  }
  refused([&] { (void)lifecycle.list_webhook_deliveries("wh_8", {.page_size = 0}); });
  refused([&] { (void)lifecycle.list_webhook_deliveries("wh_8", {.offset = -1}); });
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("webhooks: refusals keep their kind, and a delete is not repeated") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  scripted.http->push(response(404, error_body("webhook_not_found")));
  CHECK(thrown_by([&] { (void)lifecycle.get_webhook("x"); }).kind() == ErrorKind::not_found);
  scripted.http->push(response(501, error_body("not_implemented")));
  CHECK(thrown_by([&] { (void)lifecycle.list_webhooks(); }).kind() == ErrorKind::not_implemented);
  scripted.http->push(response(200, "{}"));
  CHECK(thrown_by([&] { (void)lifecycle.get_webhook("x"); }).kind() == ErrorKind::invalid_response);
  scripted.http->forget();
  scripted.http->push(response(429, error_body("rate_limit_exceeded"), {{"Retry-After", "0"}}));
  CHECK(thrown_by([&] { lifecycle.delete_webhook("x"); }).kind() == ErrorKind::rate_limit);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("webhooks: a failed call does not show the secret") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  scripted.http->push(failure(nullspace::TransportFailureKind::receive));
  const Error error = thrown_by([&] {
    lifecycle.create_webhook({.url = "https://hooks.example.test",
                              .operations = {LifecycleOperation::create},
                              .signing_secret = "whsec_do_not_show"});
  });
  CHECK(std::string(error.what()).find("whsec_do_not_show") == std::string::npos);
}

TEST_CASE("webhooks: deliveries go on until a page is not full") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  const auto collect = [](WebhookDeliveryList list) { return list.to_vector().size(); };
  SECTION("a short page") {
    scripted.http->push(deliveries(1, 2));
    scripted.http->push(deliveries(3, 3));
    CHECK(collect(lifecycle.list_webhook_deliveries("wh_8", {.page_size = 2})) == 3);
    CHECK(scripted.http->request(0).url == kBase + "/wh_8/deliveries?offset=0&limit=2");
    CHECK(scripted.http->request(1).url == kBase + "/wh_8/deliveries?offset=2&limit=2");
  }
  SECTION("an empty page") {
    scripted.http->push(deliveries(1, 2));
    scripted.http->push(deliveries(1, 0));
    CHECK(collect(lifecycle.list_webhook_deliveries("wh_8", {.page_size = 2})) == 2);
  }
  SECTION("pages that the server made smaller") {
    scripted.http->push(deliveries(1, 200));
    scripted.http->push(deliveries(201, 203));
    CHECK(collect(lifecycle.list_webhook_deliveries("wh_8", {.page_size = 500})) == 203);
    CHECK(scripted.http->request(1).url == kBase + "/wh_8/deliveries?offset=200&limit=500");
  }
  SECTION("an answer that is none") {
    scripted.http->push(response(200, GENERATE("{}", "[7]", "[{}]", "")));
    CHECK(thrown_by([&] { collect(lifecycle.list_webhook_deliveries("wh_8")); }).kind() ==
          ErrorKind::invalid_response);
  }
}

TEST_CASE("webhooks: one delivery with its event and attempts") {
  const ScriptedClient scripted;
  const Json attempt(Json::Object{{"id", "att_1"},
                                  {"delivery_id", "del_3"},
                                  {"attempt_number", 1},
                                  {"attempted_at", "2026-05-02T08:00:03Z"},
                                  {"duration_ms", 210},
                                  {"response_status", 503}});
  scripted.http->push(response(200, Json(Json::Object{{"delivery", delivery_json(3)},
                                                      {"event", event_json(3)},
                                                      {"attempts", Json::Array{attempt}}})
                                        .dump()));
  const auto details = Lifecycle(scripted.client()).get_webhook_delivery("wh_8", "del_3");
  CHECK(details.delivery.id == "del_3");
  CHECK(details.event.id == "evt_3");
  CHECK(details.attempts.at(0).response_status == 503);
  CHECK(scripted.http->request(0).url == kBase + "/wh_8/deliveries/del_3");
}

#include <nullspace/webhook_signature.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "wire/webhook_signature.hpp"

using nullspace::HttpHeaders;
using nullspace::Json;
using nullspace::Secret;
using nullspace::verify_webhook;
using nullspace::WebhookVerdict;
using nullspace::WebhookVerification;

namespace {

// Signed by another implementation of HMAC; anybody who implements the scheme can use them.
Json::Array vectors() {
  std::ifstream file(NULLSPACE_TEST_VECTORS "/webhook_signatures.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return Json::parse(text).array();
}

std::string text(const Json& value) {
  return value.as_string().value();
}

WebhookVerification verify(const Json& vector) {
  HttpHeaders headers;
  for (const Json& header : vector["headers"].array())
    headers.emplace_back(text(header.array().at(0)), text(header.array().at(1)));
  std::vector<Secret> secrets;
  for (const Json& secret : vector["secrets"].array())
    secrets.emplace_back(text(secret));
  return verify_webhook(headers, text(vector["body"]), secrets);
}

}  // namespace

TEST_CASE("webhook_signature: the shared vectors") {
  std::set<std::string> verdicts;
  for (const Json& vector : vectors()) {
    INFO(text(vector["name"]));
    const WebhookVerification found = verify(vector);
    CHECK(to_string(found.verdict) == text(vector["verdict"]));
    CHECK(found.verified() == (text(vector["verdict"]) == "verified"));
    CHECK(static_cast<bool>(found) == found.verified());
    CHECK(found.event.has_value() == found.verified());
    CHECK(found.problem.empty() == found.verified());
    CHECK(found.webhook_id == (found.verified() ? "wh_8" : ""));
    CHECK(found.delivery_id == (found.verified() ? "del_3" : ""));
    if (found.event) CHECK(found.event->id == "evt_500");
    for (const Json& secret : vector["secrets"].array()) {
      if (text(secret).size() > 3) CHECK(found.problem.find(text(secret)) == std::string::npos);
    }
    verdicts.insert(text(vector["verdict"]));
  }
  CHECK(verdicts.size() == 9);
}

TEST_CASE("webhook_signature: what is signed here is what others sign") {
  for (const Json& vector : vectors()) {
    if (text(vector["verdict"]) != "verified" || vector["secrets"].array().size() != 1) continue;
    INFO(text(vector["name"]));
    std::string expected = text(vector["headers"].array().at(4).array().at(1));
    if (expected.size() != 71 || expected.find_first_of("ABCDEF") != std::string::npos) continue;
    CHECK(nullspace::wire::sign_webhook(text(vector["secrets"].array().at(0)),
                                        text(vector["body"])) == expected);
  }
}

TEST_CASE("webhook_signature: one secret is one of several") {
  const std::string body =
      R"({"id":"evt_1","occurred_at":"2026-05-02T08:00:02Z","audience":"customer","operation":"fork","status":"succeeded","actor_kind":"user"})";
  const Secret secret("s3cret");
  const HttpHeaders headers{{"x-nullspace-webhook-id", "wh_1"},
                            {"x-nullspace-delivery-id", "del_1"},
                            {"x-nullspace-event-id", "evt_1"},
                            {"x-nullspace-signature-version", "v1"},
                            {"x-nullspace-signature", nullspace::wire::sign_webhook(secret, body)}};
  const WebhookVerification good = verify_webhook(headers, body, secret);
  REQUIRE(good);
  CHECK(good.event->operation == nullspace::LifecycleOperation::fork);
  CHECK(verify_webhook(headers, body, Secret("another")).verdict ==
        WebhookVerdict::wrong_signature);
  CHECK(verify_webhook(headers, body, Secret()).verdict == WebhookVerdict::empty_secret);
}

TEST_CASE("webhook_signature: bytes that are no text are signed as they are") {
  std::string body(300, '\0');
  for (std::size_t i = 0; i < body.size(); ++i)
    body[i] = static_cast<char>(i);
  const Secret secret(std::string("a\0b", 3));
  const std::string signature = nullspace::wire::sign_webhook(secret, body);
  const std::vector secrets{secret};
  using nullspace::wire::match_signature;
  using nullspace::wire::SignatureMatch;
  CHECK(match_signature(signature, secrets, body) == SignatureMatch::matches);
  body.back() = 'x';
  CHECK(match_signature(signature, secrets, body) == SignatureMatch::differs);
  const std::vector cut{Secret("a")};
  body.back() = static_cast<char>(299);
  CHECK(match_signature(signature, cut, body) == SignatureMatch::differs);
}

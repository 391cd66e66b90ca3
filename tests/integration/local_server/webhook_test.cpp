// Webhooks: registrations, and real deliveries to a receiver that the test is.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/raw_peer.hpp"

using nullspace::Json;
using nullspace::test::kOtherKey;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::TestServer;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPath = "/v1/lifecycle/webhooks";

nullspace::local::ServerOptions quick_retries() {
  nullspace::local::ServerOptions options;
  options.webhook_retry_delays = {10ms, 20ms};
  return options;
}

struct Posted {
  std::string head;
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

// Answers with the given statuses, one after the other, and then with 200.
class Receiver {
 public:
  explicit Receiver(std::deque<int> statuses = {}) : statuses_(std::move(statuses)) {}

  [[nodiscard]] std::string url() const { return peer_.url("http", "/hook?token=in-the-url"); }
  [[nodiscard]] std::vector<Posted> posted() {
    const std::lock_guard lock(mutex_);
    return posted_;
  }
  [[nodiscard]] std::vector<Posted> wait_for(std::size_t count) {
    REQUIRE(test::eventually([&] { return posted().size() >= count; }));
    return posted();
  }

 private:
  void serve(RawConnection& connection) {
    const auto request = connection.read_request();
    if (!request) return;
    const std::size_t end = request->find("\r\n\r\n") + 4;
    int status = 200;
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back({request->substr(0, end), request->substr(end)});
      if (!statuses_.empty()) {
        status = statuses_.front();
        statuses_.pop_front();
      }
    }
    connection.answer(status, "noted", "Location: /elsewhere\r\n");
  }

  std::mutex mutex_;
  std::deque<int> statuses_;
  std::vector<Posted> posted_;
  RawPeer peer_{[this](RawConnection& connection) { serve(connection); }};
};

Json registration(const std::string& url, Json::Array operations = {"create", "destroy"}) {
  return Json::Object{{"url", url},
                      {"operations", std::move(operations)},
                      {"signing_secret", "whsec_4f"},
                      {"enabled", true}};
}

Json add_webhook(RawClient& client, const Json& body) {
  const RawAnswer answer = client.post(kPath, body);
  INFO(answer.body);
  REQUIRE(answer.status == 201);
  return answer.json();
}

std::string path_of(const Json& webhook) {
  return std::string(kPath) + "/" + webhook["id"].as_string().value();
}

Json::Array deliveries(RawClient& client, const Json& webhook, const std::string& query = "") {
  const RawAnswer answer = client.get(path_of(webhook) + "/deliveries" + query);
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return answer.json().array();
}

bool all_are(const Json::Array& list, const std::string& status) {
  for (const Json& delivery : list) {
    if (delivery["delivery_status"].as_string() != status) return false;
  }
  return !list.empty();
}

std::string hex_hmac(const std::string& key, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", digest.at(i));
    hex += digits.data();
  }
  return hex;
}

}  // namespace

TEST_CASE("a registration is made, read, changed and removed") {
  const TestServer server;
  RawClient client = server.client();
  const Json made = add_webhook(client, registration("https://hooks.example.test/ns"));
  CHECK(made["id"].as_string()->starts_with("wh_"));
  CHECK(made["url"].as_string() == "https://hooks.example.test/ns");
  CHECK(made["operations"] == Json(Json::Array{"create", "destroy"}));
  CHECK(made["enabled"].as_bool() == true);
  CHECK(made["has_signing_secret"].as_bool() == true);
  CHECK(made["created_at"] == made["updated_at"]);
  for (const char* key : {"last_delivery_at", "last_delivery_status", "last_error"})
    CHECK(made[key].is_null());
  CHECK(made["signing_secret"].is_null());

  CHECK(client.get(path_of(made)).json() == made);
  const Json second = add_webhook(client, registration("https://hooks.example.test/2", {"fork"}));
  CHECK(client.get(kPath).json() == Json(Json::Array{made, second}));

  const RawAnswer changed = client.call(
      "PATCH", path_of(made),
      Json(Json::Object{{"enabled", false}, {"operations", Json::Array{"fork"}}}).dump());
  REQUIRE(changed.status == 200);
  CHECK(changed.json()["enabled"].as_bool() == false);
  CHECK(changed.json()["operations"] == Json(Json::Array{"fork"}));
  CHECK(changed.json()["url"] == made["url"]);
  CHECK(client.call("PATCH", path_of(made), "{}").json()["enabled"].as_bool() == false);

  CHECK(client.call("DELETE", path_of(made)).status == 204);
  for (const char* method : {"GET", "PATCH", "DELETE"}) {
    const RawAnswer gone = client.call(method, path_of(made), "{}");
    CHECK(gone.status == 404);
    CHECK(gone.code() == "not_found");
  }
  CHECK(client.get(kPath).json() == Json(Json::Array{second}));
}

TEST_CASE("registrations that make no sense are refused") {
  const TestServer server;
  RawClient client = server.client();
  const Json webhook = add_webhook(client, registration("https://hooks.example.test/ns"));
  const std::vector<std::pair<std::string, Json>> wrong{
      {"url", "http://hooks.example.test/ns"},
      {"url", "ftp://127.0.0.1/"},
      {"url", "hooks"},
      {"url", "https://user:word@example.test/"},
      {"url", "https://example.test/\r\nX-More: 1"},
      {"url", ""},
      {"url", 7},
      {"operations", Json::Array{}},
      {"operations", Json::Array{"explode"}},
      {"operations", Json::Array{1}},
      {"operations", "create"},
      {"signing_secret", ""},
      {"signing_secret", Json::Array{}},
      {"enabled", "yes"}};
  for (const auto& [key, value] : wrong) {
    Json::Object body = registration("https://hooks.example.test/ns").object();
    body[key] = value;
    const Json change(Json::Object{{key, value}});
    INFO(change.dump());
    for (const RawAnswer& answer :
         {client.post(kPath, body), client.call("PATCH", path_of(webhook), change.dump())}) {
      INFO(answer.body);
      CHECK(answer.status == 400);
      CHECK(answer.code() == "invalid_request");
    }
  }
  for (const char* body : {"", "[]", "{", "{}", R"({"url":"https://hooks.example.test/"})"})
    CHECK(client.call("POST", kPath, body).status == 400);
  CHECK(client.get(kPath).json().array().size() == 1);
  CHECK(client.get(path_of(webhook)).json() == webhook);
  CHECK(client.get(std::string(kPath) + "/wh_none/deliveries").status == 404);
  CHECK(client.get(path_of(webhook) + "/deliveries/del_none").status == 404);
  for (const char* query : {"limit=0", "limit=x", "offset=-1"})
    CHECK(client.get(path_of(webhook) + "/deliveries?" + query).status == 400);
}

TEST_CASE("webhooks of another account are unknown") {
  const TestServer server;
  RawClient client = server.client();
  RawClient other = server.client(kOtherKey);
  Receiver receiver;
  const Json webhook = add_webhook(client, registration(receiver.url()));
  CHECK(other.get(path_of(webhook)).status == 404);
  CHECK(other.call("DELETE", path_of(webhook)).status == 404);
  CHECK(other.get(kPath).json() == Json(Json::Array{}));
  other.create();
  client.create();
  const auto posted = receiver.wait_for(1);
  CHECK(deliveries(client, webhook).size() == 1);
}

TEST_CASE("an event arrives, signed, and the delivery says so") {
  const TestServer server;
  RawClient client = server.client();
  Receiver receiver;
  const Json webhook = add_webhook(client, registration(receiver.url()));
  const std::string path = client.create();
  const Posted post = receiver.wait_for(1).front();
  const Json event = client.get(path + "/lifecycle").json()["events"].array()[0];
  CHECK(post.head.starts_with("POST /hook?token=in-the-url HTTP/1.1\r\n"));
  CHECK(post.header("content-type") == "application/json");
  CHECK(Json::parse(post.body) == event);
  CHECK(post.header("x-nullspace-webhook-id") == webhook["id"].as_string());
  CHECK(post.header("x-nullspace-event-id") == event["id"].as_string());
  CHECK(post.header("x-nullspace-signature-version") == "v1");
  CHECK(post.header("x-nullspace-signature") == "sha256=" + hex_hmac("whsec_4f", post.body));

  REQUIRE(test::eventually([&] { return all_are(deliveries(client, webhook), "succeeded"); }));
  const Json delivery = deliveries(client, webhook).at(0);
  CHECK(delivery["id"].as_string() == post.header("x-nullspace-delivery-id"));
  CHECK(delivery["webhook_id"] == webhook["id"]);
  CHECK(delivery["event_id"] == event["id"]);
  CHECK(delivery["operation"].as_string() == "create");
  CHECK(delivery["status"].as_string() == "succeeded");
  CHECK(delivery["attempt_count"].as_int() == 1);
  CHECK(delivery["last_response_status"].as_int() == 200);
  CHECK(delivery["next_attempt_at"].is_null());
  CHECK(delivery["last_error"].is_null());

  const Json details =
      client.get(path_of(webhook) + "/deliveries/" + delivery["id"].as_string().value()).json();
  CHECK(details["delivery"] == delivery);
  CHECK(details["event"] == event);
  REQUIRE(details["attempts"].array().size() == 1);
  const Json& attempt = details["attempts"].array()[0];
  CHECK(attempt["delivery_id"] == delivery["id"]);
  CHECK(attempt["attempt_number"].as_int() == 1);
  CHECK(attempt["response_status"].as_int() == 200);
  CHECK(attempt["duration_ms"].as_int().value_or(-1) >= 0);
  CHECK(attempt["error_code"].is_null());

  const Json after = client.get(path_of(webhook)).json();
  CHECK(after["last_delivery_status"].as_string() == "succeeded");
  CHECK(after["last_delivery_at"] == delivery["last_attempt_at"]);
}

TEST_CASE("a receiver that fails is tried again, and redirects are not followed") {
  const TestServer server(quick_retries());
  RawClient client = server.client();
  Receiver receiver({503, 307});
  const Json webhook = add_webhook(client, registration(receiver.url()));
  client.create();
  const auto posted = receiver.wait_for(3);
  REQUIRE(test::eventually([&] { return all_are(deliveries(client, webhook), "succeeded"); }));
  CHECK(receiver.posted().size() == 3);
  for (const Posted& post : posted) {
    CHECK(post.head.starts_with("POST /hook"));
    CHECK(post.body == posted[0].body);
    CHECK(post.header("x-nullspace-delivery-id") == posted[0].header("x-nullspace-delivery-id"));
  }
  const Json delivery = deliveries(client, webhook).at(0);
  CHECK(delivery["attempt_count"].as_int() == 3);
  const Json details =
      client.get(path_of(webhook) + "/deliveries/" + delivery["id"].as_string().value()).json();
  REQUIRE(details["attempts"].array().size() == 3);
  CHECK(details["attempts"].array()[0]["response_status"].as_int() == 503);
  CHECK(details["attempts"].array()[1]["response_status"].as_int() == 307);
}

TEST_CASE("who never answers well gets a dead letter") {
  const TestServer server(quick_retries());
  RawClient client = server.client();
  Receiver receiver({500, 500, 500});
  const std::string nobody =
      "http://127.0.0.1:" + std::to_string(nullspace::tests::refusing_port()) + "/";
  const Json failing = add_webhook(client, registration(receiver.url()));
  const Json absent = add_webhook(client, registration(nobody));
  client.create();
  for (const Json& webhook : {failing, absent}) {
    REQUIRE(test::eventually([&] { return all_are(deliveries(client, webhook), "dead_letter"); }));
    CHECK(deliveries(client, webhook).at(0)["attempt_count"].as_int() == 3);
    CHECK(deliveries(client, webhook).at(0)["next_attempt_at"].is_null());
    CHECK(client.get(path_of(webhook)).json()["last_delivery_status"].as_string() == "dead_letter");
  }
  CHECK(receiver.posted().size() == 3);
  CHECK(deliveries(client, failing).at(0)["last_error"].as_string() == "HTTP 500");
  const Json unanswered = deliveries(client, absent).at(0);
  CHECK(unanswered["last_response_status"].is_null());
  CHECK_FALSE(unanswered["last_error"].as_string().value_or("").empty());
  const Json details =
      client.get(path_of(absent) + "/deliveries/" + unanswered["id"].as_string().value()).json();
  CHECK(details["attempts"].array()[2]["error_code"].as_string() == "connect_failed");
}

TEST_CASE("disabled webhooks get nothing, of what comes when they are enabled everything") {
  const TestServer server;
  RawClient client = server.client();
  Receiver receiver;
  const Json webhook = add_webhook(client, registration(receiver.url()));
  const auto enable = [&](bool enabled) {
    const Json body(Json::Object{{"enabled", enabled}});
    REQUIRE(client.call("PATCH", path_of(webhook), body.dump()).status == 200);
  };
  enable(false);
  client.create();
  enable(true);
  const std::string path = client.create();
  const auto posted = receiver.wait_for(1);
  CHECK(Json::parse(posted[0].body)["sandbox_id"].as_string() == path.substr(path.rfind('/') + 1));
  CHECK(deliveries(client, webhook).size() == 1);
}

TEST_CASE("a rotated secret signs the next delivery") {
  const TestServer server;
  RawClient client = server.client();
  Receiver receiver;
  const Json webhook = add_webhook(client, registration(receiver.url()));
  const Json body(Json::Object{{"signing_secret", "whsec_new"}});
  const RawAnswer rotated = client.call("PATCH", path_of(webhook), body.dump());
  REQUIRE(rotated.status == 200);
  CHECK(rotated.body.find("whsec") == std::string::npos);
  client.create();
  const Posted post = receiver.wait_for(1).front();
  CHECK(post.header("x-nullspace-signature") == "sha256=" + hex_hmac("whsec_new", post.body));
}

TEST_CASE("deliveries are listed newest first, by pages") {
  const TestServer server;
  RawClient client = server.client();
  Receiver receiver;
  const Json webhook = add_webhook(client, registration(receiver.url(), {"timeout_updated"}));
  const std::string path = client.create();
  for (int i = 0; i < 3; ++i)
    client.post(path + "/timeout", Json::Object{{"timeout_ms", 60'000}});
  const Json::Array all = deliveries(client, webhook);
  REQUIRE(all.size() == 6);
  const Json events = client.get(path + "/lifecycle?operation=timeout_updated").json()["events"];
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i]["event_id"] == events.array()[i]["id"]);
  const Json::Array page = deliveries(client, webhook, "?offset=4&limit=50");
  REQUIRE(page.size() == 2);
  CHECK(page[0]["id"] == all[4]["id"]);
  CHECK(deliveries(client, webhook, "?limit=2").size() == 2);
  CHECK(deliveries(client, webhook, "?offset=6").empty());
}

TEST_CASE("a receiver that says nothing holds up neither the server nor its end") {
  RawPeer silent([](RawConnection& connection) { connection.wait_for_end(); });
  const TestServer server;
  RawClient client = server.client();
  const Json webhook = add_webhook(client, registration(silent.url("http")));
  const Json doomed = add_webhook(client, registration(silent.url("http")));
  client.create();
  REQUIRE(test::eventually([&] { return silent.connections() >= 2; }));
  const std::string path = client.create();
  CHECK(client.shell(path, "echo fine") == "fine\n");
  CHECK(all_are({deliveries(client, webhook).at(1)}, "in_progress"));
  CHECK(client.call("DELETE", path_of(doomed)).status == 204);
}

TEST_CASE("neither secrets nor the URLs of webhooks get into the log") {
  std::mutex mutex;
  std::string log;
  nullspace::local::ServerOptions options;
  options.webhook_retry_delays = {};
  options.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    log.append(line).append("\n");
  };
  {
    const TestServer server(std::move(options));
    RawClient client = server.client();
    Receiver receiver({500});
    const Json webhook = add_webhook(client, registration(receiver.url()));
    client.create();
    REQUIRE(test::eventually([&] { return all_are(deliveries(client, webhook), "dead_letter"); }));
    CHECK(client.get(kPath).body.find("whsec_4f") == std::string::npos);
  }
  CHECK(log.find("POST /v1/lifecycle/webhooks 201") != std::string::npos);
  CHECK(log.find("whsec_4f") == std::string::npos);
  CHECK(log.find("in-the-url") == std::string::npos);
}

TEST_CASE("with a manual clock attempts come when it is moved") {
  nullspace::local::ServerOptions options;
  options.clock = nullspace::local::ClockMode::manual;
  options.webhook_retry_delays = {1h, 24h};
  TestServer server(std::move(options));
  Receiver receiver({500, 503});
  RawClient client = server.client();
  const Json webhook = add_webhook(client, registration(receiver.url(), {"create"}));
  client.create();
  REQUIRE(receiver.wait_for(1).size() == 1);
  server.server.advance_clock(59min);
  CHECK(receiver.posted().size() == 1);
  // An attempt is over before the clock goes on.
  server.server.advance_clock(1min);
  CHECK(receiver.posted().size() == 2);
  server.server.advance_clock(24h);
  CHECK(receiver.posted().size() == 3);
  CHECK(deliveries(client, webhook).at(0)["status"].as_string() == "succeeded");
}

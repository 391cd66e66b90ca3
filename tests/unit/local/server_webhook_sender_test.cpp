#include "local/server/webhook_sender.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/scripted_transport.hpp"

namespace {

using nullspace::TransportFailureKind;
using nullspace::local::EventLoop;
using nullspace::local::WebhookPost;
using nullspace::local::WebhookPostResult;
using nullspace::local::WebhookSender;
using nullspace::tests::ScriptedHttp;

struct Stage {
  std::unique_ptr<EventLoop> loop = EventLoop::create();
  std::shared_ptr<ScriptedHttp> http = std::make_shared<ScriptedHttp>();
  WebhookSender sender{*loop, http};

  // Posts that many and waits for all results.
  std::vector<WebhookPostResult> post(std::size_t count) {
    std::vector<WebhookPostResult> results;
    for (std::size_t i = 0; i < count; ++i) {
      sender.post({"https://hooks.example.test/", {{"x-name", "value"}}, "body"},
                  [&](WebhookPostResult result) {
                    results.push_back(std::move(result));
                    if (results.size() == count) loop->stop();
                  });
    }
    loop->run();
    return results;
  }
};

}  // namespace

TEST_CASE("a post is sent once, without redirects and with a limit to its time") {
  Stage stage;
  stage.http->push(nullspace::tests::response(204));
  const auto results = stage.post(1);
  CHECK(results.at(0).status == 204);
  CHECK(results.at(0).delivered());
  const nullspace::HttpRequest sent = stage.http->request(0);
  CHECK(sent.method == "POST");
  CHECK(sent.url == "https://hooks.example.test/");
  CHECK(sent.body == "body");
  CHECK(nullspace::tests::header(sent.headers, "x-name") == "value");
  CHECK(sent.timeout == std::chrono::seconds(10));
  CHECK(sent.fresh_connection);
}

TEST_CASE("any 2xx is a delivery, nothing else is") {
  for (const int status : {200, 299}) {
    WebhookPostResult result;
    result.status = status;
    CHECK(result.delivered());
  }
  for (const std::optional<int> status :
       {std::optional<int>(), std::optional(199), std::optional(300), std::optional(404)}) {
    WebhookPostResult result;
    result.status = status;
    CHECK_FALSE(result.delivered());
  }
}

TEST_CASE("without an answer there is a reason") {
  const std::vector<std::pair<TransportFailureKind, std::string>> reasons{
      {TransportFailureKind::resolve, "resolve_failed"},
      {TransportFailureKind::connect, "connect_failed"},
      {TransportFailureKind::tls, "tls_failed"},
      {TransportFailureKind::timeout, "timeout"},
      {TransportFailureKind::connect_timeout, "timeout"},
      {TransportFailureKind::receive, "connection_lost"},
      {TransportFailureKind::too_large, "connection_lost"}};
  for (const auto& [kind, code] : reasons) {
    Stage stage;
    stage.http->push(nullspace::tests::failure(kind, "because"));
    const auto results = stage.post(1);
    CHECK_FALSE(results.at(0).status);
    CHECK(results.at(0).error_code == code);
    CHECK(results.at(0).error_message == "because");
  }
}

TEST_CASE("many posts on a few threads") {
  Stage stage;
  stage.http->answer_with(
      [](const nullspace::HttpRequest&) { return nullspace::tests::response(200); });
  CHECK(stage.post(500).size() == 500);
  CHECK(stage.http->count() == 500);
}

TEST_CASE("stop breaks off what is under way, and nobody is called") {
  std::atomic<int> calls{0};
  Stage stage;
  const std::size_t more_than_fit = stage.sender.capacity() + 3;
  for (std::size_t i = 0; i < more_than_fit; ++i) {
    stage.http->push_silence();
    stage.sender.post({"https://hooks.example.test/", {}, ""},
                      [&](const WebhookPostResult&) { ++calls; });
  }
  REQUIRE(stage.http->wait_for_requests(stage.sender.capacity()));
  stage.sender.stop();
  stage.sender.post({"https://hooks.example.test/", {}, ""},
                    [&](const WebhookPostResult&) { ++calls; });
  stage.loop->post([&stage] { stage.loop->stop(); });
  stage.loop->run();
  CHECK(calls == 0);
  CHECK(stage.http->count() == stage.sender.capacity());
}

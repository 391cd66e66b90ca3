#include "local/server/webhook_dispatcher.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "wire/lifecycle_messages.hpp"
#include "wire/webhook_signature.hpp"

namespace {

using namespace std::chrono_literals;
using nullspace::DeliveryStatus;
using nullspace::Dialect;
using nullspace::LifecycleOperation;
using nullspace::Secret;
using nullspace::TimeoutAction;
using nullspace::Timestamp;
using nullspace::WebhookCreateOptions;
using nullspace::WebhookUpdateOptions;
using nullspace::local::EventLoop;
using nullspace::local::LifecycleJournal;
using nullspace::local::ServiceClock;
using nullspace::local::Timer;
using nullspace::local::WebhookBook;
using nullspace::local::WebhookDispatcher;
using nullspace::local::WebhookPost;
using nullspace::local::WebhookPoster;
using nullspace::local::WebhookPostResult;

const Timestamp kNow{std::chrono::hours(480'000)};

// Keeps what is posted until the test says what came of it.
class HeldPoster : public WebhookPoster {
 public:
  void post(WebhookPost post, Done done) override {
    posts.push_back(std::move(post));
    under_way.push_back(std::move(done));
  }
  [[nodiscard]] std::size_t capacity() const override { return 3; }

  // The oldest one that is under way.
  void answer(int status) {
    WebhookPostResult result;
    result.status = status;
    const Done done = std::move(under_way.front());
    under_way.pop_front();
    done(result);
  }

  std::vector<WebhookPost> posts;
  std::deque<Done> under_way;
};

// Answers each post with the next of the statuses, and ends the loop with the last.
class AnsweringPoster : public WebhookPoster {
 public:
  AnsweringPoster(EventLoop& loop, std::deque<int> statuses)
      : loop_(loop), statuses_(std::move(statuses)) {}
  void post(WebhookPost post, Done done) override {
    posts.push_back(std::move(post));
    loop_.post([this, done = std::move(done)] {
      WebhookPostResult result;
      result.status = statuses_.front();
      statuses_.pop_front();
      done(result);
      if (statuses_.empty()) loop_.stop();
    });
  }
  [[nodiscard]] std::size_t capacity() const override { return 3; }

  std::vector<WebhookPost> posts;

 private:
  EventLoop& loop_;
  std::deque<int> statuses_;
};

template <typename Poster>
struct Stage {
  Stage(ServiceClock::Mode mode, std::function<Poster(EventLoop&)> make)
      : clock(*loop, mode), poster(make(*loop)) {
    journal.add_observer(dispatcher);
  }

  WebhookBook::WebhookPtr hook(const std::string& url = "https://hooks.example.test/",
                               const Secret& secret = "whsec") const {
    WebhookCreateOptions options;
    options.url = url;
    options.operations = {LifecycleOperation::create};
    options.signing_secret = secret;
    return dispatcher->register_webhook(1, options);
  }
  void happen(Dialect dialect = Dialect::sandbox) {
    journal.created({1, dialect, "id_1", TimeoutAction::destroy});
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create();
  ServiceClock clock;
  LifecycleJournal journal{[] { return kNow; }};
  Poster poster;
  std::shared_ptr<WebhookDispatcher> dispatcher = std::make_shared<WebhookDispatcher>(
      clock, poster, std::vector<std::chrono::milliseconds>{1ms, 2ms});
};

struct HeldStage : Stage<HeldPoster> {
  HeldStage() : Stage(ServiceClock::Mode::manual, [](EventLoop&) { return HeldPoster(); }) {}
};

struct AnsweringStage : Stage<AnsweringPoster> {
  explicit AnsweringStage(const std::deque<int>& statuses,
                          ServiceClock::Mode mode = ServiceClock::Mode::real)
      : Stage(mode, [&statuses](EventLoop& of) { return AnsweringPoster(of, statuses); }) {}
};

std::optional<std::string> header(const WebhookPost& post, std::string_view name) {
  for (const auto& [key, value] : post.headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

void set_enabled(WebhookDispatcher& dispatcher, const WebhookBook::WebhookPtr& hook, bool enabled) {
  WebhookUpdateOptions change;
  change.enabled = enabled;
  dispatcher.update(*hook, change);
}

}  // namespace

TEST_CASE("a delivery is the event, signed, with the ids in its headers") {
  HeldStage stage;
  const auto hook = stage.hook("https://hooks.example.test/path?x=1");
  stage.happen();
  REQUIRE(stage.poster.posts.size() == 1);
  const WebhookPost& post = stage.poster.posts[0];
  const auto& event = stage.journal.log(1).at(0).event;
  CHECK(post.url == "https://hooks.example.test/path?x=1");
  CHECK(post.body == nullspace::wire::encode_lifecycle_event(Dialect::sandbox, event));
  CHECK(header(post, "content-type") == "application/json");
  CHECK(header(post, "x-nullspace-webhook-id") == hook->info.id);
  CHECK(header(post, "x-nullspace-delivery-id") == hook->deliveries.at(0)->info.id);
  CHECK(header(post, "x-nullspace-event-id") == event.id);
  CHECK(header(post, "x-nullspace-signature-version") == "v1");
  CHECK(header(post, "x-nullspace-signature") == nullspace::wire::sign_webhook("whsec", post.body));
  CHECK(hook->deliveries.at(0)->info.delivery_status == DeliveryStatus::in_progress);
  stage.poster.answer(202);
  CHECK(hook->deliveries.at(0)->info.delivery_status == DeliveryStatus::succeeded);
  CHECK(stage.poster.under_way.empty());
}

TEST_CASE("what fails is tried again, under the same delivery id") {
  AnsweringStage stage({500, 301, 200});
  const auto hook = stage.hook();
  stage.happen();
  stage.loop->run();
  REQUIRE(stage.poster.posts.size() == 3);
  const auto& delivery = *hook->deliveries.at(0);
  for (const WebhookPost& post : stage.poster.posts)
    CHECK(header(post, "x-nullspace-delivery-id") == delivery.info.id);
  CHECK(delivery.info.delivery_status == DeliveryStatus::succeeded);
  CHECK(delivery.info.attempt_count == 3);
}

TEST_CASE("the next attempt waits for the service's clock, which waits for the attempt") {
  AnsweringStage stage({500, 500, 200}, ServiceClock::Mode::manual);
  const auto hook = stage.hook();
  stage.happen();
  const Timestamp begin = stage.clock.wall();
  stage.clock.advance(3ms, [](std::uint64_t) {});
  stage.loop->run();
  const auto& delivery = *hook->deliveries.at(0);
  CHECK(delivery.info.delivery_status == DeliveryStatus::succeeded);
  CHECK(delivery.info.attempt_count == 3);
  CHECK(stage.clock.wall() == begin + 3ms);
}

TEST_CASE("after the last delay a delivery is a dead letter") {
  AnsweringStage stage({500, 404, 503});
  const auto hook = stage.hook("https://hooks.example.test/", Secret());
  stage.happen();
  stage.loop->run();
  const auto& delivery = *hook->deliveries.at(0);
  CHECK(delivery.info.delivery_status == DeliveryStatus::dead_letter);
  CHECK(delivery.info.last_error == "HTTP 503");
  REQUIRE(delivery.attempts.size() == 3);
  CHECK(delivery.attempts[1].response_status == 404);
  // Without a secret there is nothing to sign with.
  CHECK_FALSE(header(stage.poster.posts[0], "x-nullspace-signature"));
  CHECK_FALSE(header(stage.poster.posts[0], "x-nullspace-signature-version"));
}

TEST_CASE("the next attempt is announced") {
  HeldStage stage;
  const auto hook = stage.hook();
  stage.happen();
  stage.poster.answer(500);
  const auto& delivery = *hook->deliveries.at(0);
  CHECK(delivery.info.delivery_status == DeliveryStatus::queued);
  CHECK(delivery.info.next_attempt_at == stage.clock.wall() + 1ms);
}

TEST_CASE("a webhook has two posts at once, all have no more than the poster takes") {
  HeldStage stage;
  const auto first = stage.hook();
  for (int i = 0; i < 4; ++i)
    stage.happen();
  CHECK(stage.poster.posts.size() == 2);
  const auto second = stage.hook("https://second.example.test/");
  stage.happen();
  stage.happen();
  // One more, for the other webhook, and then the poster is full.
  REQUIRE(stage.poster.posts.size() == 3);
  CHECK(stage.poster.posts[2].url == "https://second.example.test/");
  while (!stage.poster.under_way.empty())
    stage.poster.answer(200);
  CHECK(stage.poster.posts.size() == 8);
  for (const auto& hook : {first, second}) {
    for (const auto& delivery : hook->deliveries)
      CHECK(delivery->info.delivery_status == DeliveryStatus::succeeded);
  }
}

TEST_CASE("a disabled webhook gets nothing new, and what waits goes on when it is enabled") {
  HeldStage stage;
  const auto hook = stage.hook();
  for (int i = 0; i < 3; ++i)
    stage.happen();
  set_enabled(*stage.dispatcher, hook, false);
  stage.happen();
  CHECK(hook->deliveries.size() == 3);
  stage.poster.answer(200);
  stage.poster.answer(200);
  CHECK(stage.poster.posts.size() == 2);
  set_enabled(*stage.dispatcher, hook, true);
  CHECK(stage.poster.posts.size() == 3);
}

TEST_CASE("deleting a webhook drops what waits for it") {
  HeldStage stage;
  auto hook = stage.hook();
  for (int i = 0; i < 3; ++i)
    stage.happen();
  stage.poster.answer(500);  // its next attempt waits
  stage.dispatcher->remove(*hook);
  hook.reset();
  while (!stage.poster.under_way.empty())
    stage.poster.answer(200);
  CHECK(stage.poster.posts.size() == 3);
  // There is room again for others.
  stage.hook();
  for (int i = 0; i < 2; ++i)
    stage.happen();
  CHECK(stage.poster.posts.size() == 5);
  stage.loop->post([&stage] { stage.loop->stop(); });
  stage.loop->run();
  CHECK(stage.poster.posts.size() == 5);
}

TEST_CASE("a new URL and a new secret hold for the next attempt") {
  AnsweringStage stage({500, 200});
  const auto hook = stage.hook("https://hooks.example.test/", "old");
  stage.happen(Dialect::machine);
  WebhookUpdateOptions change;
  change.url = "https://new.example.test/";
  change.signing_secret = "new";
  stage.dispatcher->update(*hook, change);
  stage.loop->run();
  REQUIRE(stage.poster.posts.size() == 2);
  const WebhookPost& last = stage.poster.posts[1];
  CHECK(last.url == "https://new.example.test/");
  CHECK(header(last, "x-nullspace-signature") == nullspace::wire::sign_webhook("new", last.body));
  CHECK(last.body.find("\"machine_id\":\"id_1\"") != std::string::npos);
}

TEST_CASE("after stop nothing is posted") {
  HeldStage stage;
  const auto hook = stage.hook();
  for (int i = 0; i < 3; ++i)
    stage.happen();
  stage.dispatcher->stop();
  stage.poster.answer(200);
  stage.happen();
  CHECK(stage.poster.posts.size() == 2);
}

TEST_CASE("with the account its webhooks are forgotten, and what waits for them") {
  HeldStage stage;
  stage.hook();
  for (int i = 0; i < 3; ++i)
    stage.happen();
  stage.journal.forget(2);
  CHECK(stage.dispatcher->book().list(1).size() == 1);
  stage.journal.forget(1);
  CHECK(stage.dispatcher->book().list(1).empty());
  while (!stage.poster.under_way.empty())
    stage.poster.answer(500);
  stage.happen();
  CHECK(stage.poster.posts.size() == 2);
}

TEST_CASE("a clock does not wait for the attempts of a webhook that is gone") {
  HeldStage stage;
  const auto hook = stage.hook();
  stage.happen();
  REQUIRE(stage.poster.under_way.size() == 1);
  bool moved = false;
  stage.clock.advance(1ms, [&](std::uint64_t) {
    moved = true;
    stage.loop->stop();
  });
  SECTION("removed") {
    stage.dispatcher->remove(*hook);
  }
  SECTION("with its account") {
    stage.journal.forget(1);
  }
  SECTION("with the service") {
    stage.dispatcher->stop();
  }
  // Less than the patience with an attempt.
  Timer patience(*stage.loop);
  patience.start(6s, [&] { stage.loop->stop(); });
  stage.loop->run();
  CHECK(moved);
}

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/local_service.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using test::each_dialect;
using test::error_of;
using test::LocalService;
namespace ns = nullspace;

namespace {

// Events as a list of words: `create/succeeded`.
class Heard {
 public:
  void add(const ns::LifecycleEvent& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }
  [[nodiscard]] std::vector<ns::LifecycleEvent> all() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  [[nodiscard]] bool wait_for(std::size_t count) const {
    return test::eventually([&] { return all().size() >= count; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ns::LifecycleEvent> events_;
};

std::vector<std::string> words(const std::vector<ns::LifecycleEvent>& events) {
  std::vector<std::string> found;
  for (const ns::LifecycleEvent& event : events)
    found.push_back(event.operation_text + "/" + event.status_text);
  return found;
}

std::vector<std::string> ids(const std::vector<ns::LifecycleEvent>& events) {
  std::vector<std::string> found;
  for (const ns::LifecycleEvent& event : events)
    found.push_back(event.id);
  return found;
}

using Words = std::vector<std::string>;

const Words kLife{"create/succeeded", "timeout_updated/requested", "timeout_updated/succeeded",
                  "destroy/requested", "destroy/succeeded"};

// A sandbox that was created, got another time-out and was killed.
std::string live_and_die(const ns::Client& client) {
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  sandbox.set_timeout(10min);
  sandbox.kill();
  return sandbox.id();
}

}  // namespace

TEST_CASE("lifecycle: the log by REST, page by page, with filters") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Lifecycle lifecycle(client);
  const std::string first = live_and_die(client);
  const std::string second = live_and_die(client);

  CHECK(words(lifecycle.list_sandbox_events(first, {.oldest_first = true}).to_vector()) == kLife);
  const auto all = lifecycle.list_events({.oldest_first = true, .page_size = 3}).to_vector();
  REQUIRE(all.size() == 10);
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.occurred_at < b.occurred_at; }));
  auto newest_first = ids(lifecycle.list_events({.page_size = 4}).to_vector());
  std::reverse(newest_first.begin(), newest_first.end());
  CHECK(newest_first == ids(all));
  CHECK(ids(lifecycle.list_events({.oldest_first = true, .offset = 8}).to_vector()) ==
        Words{all[8].id, all[9].id});

  const auto destroyed = lifecycle
                             .list_events({.operation = ns::LifecycleOperation::destroy,
                                           .status = ns::LifecycleStatus::succeeded,
                                           .sandbox_id = second})
                             .to_vector();
  REQUIRE(destroyed.size() == 1);
  CHECK(destroyed[0].sandbox_id == second);
  CHECK(destroyed[0].reason == "manual");
  CHECK(lifecycle.list_events({.from = all.back().occurred_at + 1ms}).to_vector().empty());
  CHECK(lifecycle.list_events({.to = all.front().occurred_at}).to_vector().empty());
  CHECK(error_of([&] { (void)lifecycle.list_sandbox_events("sb_none").to_vector(); }).kind() ==
        ns::ErrorKind::not_found);
}

TEST_CASE("lifecycle: a subscription hears what the log has, past and live") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Lifecycle lifecycle(client);
  (void)live_and_die(client);
  Heard everything;
  Heard live_events;
  Heard creations;
  const auto into = [](Heard& heard) {
    return [&heard](const ns::LifecycleEvent& event) { heard.add(event); };
  };
  const ns::Subscription one = lifecycle.subscribe({.on_event = into(everything)});
  const ns::Subscription two =
      lifecycle.subscribe({.live_only = true, .on_event = into(live_events)});
  const ns::Subscription three = lifecycle.subscribe(
      {.operation = ns::LifecycleOperation::create, .on_event = into(creations)});
  const std::string id = live_and_die(client);
  REQUIRE(everything.wait_for(10));
  REQUIRE(live_events.wait_for(5));
  REQUIRE(creations.wait_for(2));
  CHECK(ids(everything.all()) == ids(lifecycle.list_events({.oldest_first = true}).to_vector()));
  CHECK(words(live_events.all()) == kLife);
  CHECK(live_events.all().front().sandbox_id == id);
  CHECK(creations.all().back().sandbox_id == id);
}

TEST_CASE("lifecycle: a subscription goes on after the event that was handled last") {
  const LocalService service;
  const ns::Client client = service.client();
  const ns::Lifecycle lifecycle(client);
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  const std::string cursor = lifecycle.list_events().to_vector().front().id;
  constexpr int kRounds = 150;
  for (int i = 0; i < kRounds; ++i)
    sandbox->set_timeout(10min + std::chrono::seconds(i));
  Heard heard;
  // More has happened than is repeated at once.
  const ns::Subscription live =
      lifecycle.subscribe({.after_event_id = cursor,
                           .replay_limit = 10,
                           .on_event = [&](const ns::LifecycleEvent& event) { heard.add(event); }});
  REQUIRE(heard.wait_for(2 * kRounds));
  auto expected = ids(lifecycle.list_events({.oldest_first = true}).to_vector());
  expected.erase(expected.begin());
  CHECK(ids(heard.all()) == expected);
  CHECK(error_of([&] { (void)lifecycle.subscribe({.after_event_id = "evt_none"}); }).code() ==
        "websocket_error");
}

TEST_CASE("lifecycle: a range of one sandbox's events") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Sandbox other = ns::Sandbox::create(client);
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  std::stop_source source;
  ns::LifecycleStream stream = sandbox.stream_events({.stop = source.get_token()});
  other.kill();
  sandbox.set_timeout(10min);
  sandbox.kill();
  std::vector<ns::LifecycleEvent> events;
  for (const ns::LifecycleEvent& event : stream) {
    events.push_back(event);
    if (events.size() == kLife.size()) source.request_stop();
  }
  CHECK(words(events) == kLife);
  CHECK(ids(events) == ids(sandbox.list_lifecycle({.oldest_first = true}).to_vector()));
}

TEST_CASE("lifecycle: a range that waits is stopped promptly") {
  const LocalService service;
  std::stop_source source;
  ns::LifecycleStream stream = ns::Lifecycle(service.client()).stream({.stop = source.get_token()});
  const std::jthread stopper([&] { source.request_stop(); });
  CHECK_FALSE(stream.next());
}

TEST_CASE("lifecycle: a server that comes back without its log is a gap, and the stream goes on") {
  auto service = std::make_unique<LocalService>();
  const int port = service->server().port();
  ns::ClientOptions options = service->options();
  options.reconnect.initial_delay = 10ms;
  options.reconnect.max_delay = 100ms;
  const ns::Client client(options);
  Heard heard;
  std::mutex mutex;
  std::vector<std::string> gaps;
  std::atomic<bool> reconnecting{false};
  const ns::Subscription live = ns::Lifecycle(client).subscribe(
      {.on_event = [&](const ns::LifecycleEvent& event) { heard.add(event); },
       .on_gap =
           [&](const ns::LifecycleGap& gap) {
             const std::lock_guard lock(mutex);
             gaps.push_back(gap.after_event_id);
           },
       .on_state_change =
           [&](const ns::StateChange& change) {
             if (change.state == ns::StreamState::reconnecting) reconnecting = true;
           }});
  (void)live_and_die(client);
  REQUIRE(heard.wait_for(5));
  const std::string last = heard.all().back().id;
  service->server().stop();
  REQUIRE(test::eventually([&] { return reconnecting.load(); }));

  nullspace::local::Server again(
      {.port = static_cast<std::uint16_t>(port), .api_keys = {options.api_key->reveal()}});
  again.start();
  REQUIRE(test::eventually([&] {
    const std::lock_guard lock(mutex);
    return gaps.size() == 1;
  }));
  CHECK(gaps.front() == last);
  (void)live_and_die(client);
  REQUIRE(heard.wait_for(10));
  const auto all = heard.all();
  CHECK(words({all.begin() + 5, all.end()}) == kLife);
}

TEST_CASE("lifecycle: a wrong key is an error of the call") {
  const LocalService service;
  ns::ClientOptions wrong = service.options();
  wrong.api_key = "wrong";
  const ns::Lifecycle lifecycle{ns::Client(wrong)};
  CHECK(error_of([&] { (void)lifecycle.subscribe({}); }).kind() == ns::ErrorKind::authentication);
  CHECK(error_of([&] { (void)lifecycle.stream(); }).kind() == ns::ErrorKind::authentication);
  CHECK(error_of([&] { (void)lifecycle.list_events().to_vector(); }).kind() ==
        ns::ErrorKind::authentication);
}

TEST_CASE("lifecycle: webhooks are made, looked at, changed and removed") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Lifecycle lifecycle(client);
  CHECK(lifecycle.list_webhooks().empty());
  // A port on which nobody listens: deliveries fail at once.
  const ns::Webhook made = lifecycle.create_webhook({.url = "http://127.0.0.1:1/hook",
                                                     .operations = {ns::LifecycleOperation::create},
                                                     .signing_secret = "whsec_4f"});
  CHECK(made.has_signing_secret);
  CHECK(made.enabled);
  CHECK(lifecycle.get_webhook(made.id).url == made.url);

  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  REQUIRE(test::eventually([&] {
    const auto deliveries = lifecycle.list_webhook_deliveries(made.id).to_vector();
    return deliveries.size() == 1 && deliveries[0].attempt_count == 1 &&
           deliveries[0].delivery_status == ns::DeliveryStatus::queued;
  }));
  const ns::WebhookDelivery delivery = lifecycle.list_webhook_deliveries(made.id).to_vector()[0];
  const auto details = lifecycle.get_webhook_delivery(made.id, delivery.id);
  CHECK(details.event.sandbox_id == sandbox->id());
  CHECK(details.event.id == delivery.event_id);
  REQUIRE(details.attempts.size() == 1);
  CHECK_FALSE(details.attempts[0].response_status);

  CHECK_FALSE(lifecycle.update_webhook(made.id, {.enabled = false}).enabled);
  CHECK(lifecycle.update_webhook(made.id, {.operations = std::vector{ns::LifecycleOperation::fork}})
            .operations == std::vector{ns::LifecycleOperation::fork});
  CHECK(lifecycle.list_webhooks().size() == 1);
  lifecycle.delete_webhook(made.id);
  CHECK(error_of([&] { (void)lifecycle.get_webhook(made.id); }).kind() == ns::ErrorKind::not_found);
  CHECK(error_of([&] { lifecycle.delete_webhook(made.id); }).kind() == ns::ErrorKind::not_found);
}

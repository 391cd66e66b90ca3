// Lifecycle events from a server that breaks off, repeats itself, repeats too little, and keeps no
// list of its events that could be read instead.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::Stage;
namespace ns = nullspace;

namespace {

constexpr int kLogSize = 250;

void come_back_quickly(ns::ClientOptions& options) {
  options.reconnect.initial_delay = 10ms;
  options.reconnect.max_delay = 50ms;
}

// `1`, `2`, ... for events, `gap <cause>` and `error <code>` for what else there is to hear.
class Listener {
 public:
  ns::LifecycleSubscribeOptions options(ns::LifecycleSubscribeOptions options) {
    options.on_event = [this](const ns::LifecycleEvent& event) { keep(event.id.substr(4)); };
    options.on_gap = [this](const ns::LifecycleGap& gap) { keep("gap " + gap.cause.message()); };
    options.on_error = [this](const ns::Error& error) { keep("error " + error.code()); };
    return options;
  }
  [[nodiscard]] bool wait_for(const std::string& word) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return !heard_.empty() && heard_.back() == word; });
  }
  [[nodiscard]] std::vector<std::string> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void keep(std::string word) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(word));
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
};

std::vector<std::string> numbers(int first, int last) {
  std::vector<std::string> words;
  for (int n = first; n <= last; ++n)
    words.push_back(std::to_string(n));
  return words;
}

}  // namespace

TEST_CASE("every event of another server comes once and in order, however it breaks off") {
  Stage stage(come_back_quickly);
  stage.peer.play_lifecycle(
      {"hang-up", "repeat", "close-at-once", "unavailable", "close-1011", "repeat", "hang-up"});
  Listener listener;
  ns::Subscription live =
      ns::Lifecycle(stage.client).subscribe(listener.options({.after_event_id = "evt_0"}));
  REQUIRE(listener.wait_for(std::to_string(kLogSize)));
  CHECK(live.active());
  live.stop();
  CHECK(listener.heard() == numbers(1, kLogSize));
}

TEST_CASE("more events than another server repeats at once are asked for in portions") {
  Stage stage(come_back_quickly);
  Listener listener;
  ns::Subscription live =
      ns::Lifecycle(stage.client)
          .subscribe(listener.options({.after_event_id = "evt_3", .replay_limit = 20}));
  REQUIRE(listener.wait_for(std::to_string(kLogSize)));
  live.stop();
  CHECK(listener.heard() == numbers(4, kLogSize));
}

TEST_CASE("an event that another server forgot is told as a gap") {
  Stage stage(come_back_quickly);
  stage.peer.play_lifecycle({"hang-up", "forgetful"});
  Listener listener;
  ns::Subscription live =
      ns::Lifecycle(stage.client).subscribe(listener.options({.replay_limit = 50}));
  REQUIRE(listener.wait_for(std::to_string(kLogSize)));
  live.stop();
  auto expected = numbers(201, 210);
  expected.emplace_back("gap unknown after_event_id");
  // This peer repeats its last events to everybody who has no cursor.
  for (const std::string& word : numbers(kLogSize - 49, kLogSize)) {
    if (std::stoi(word) > 210) expected.push_back(word);
  }
  CHECK(listener.heard() == expected);
}

TEST_CASE("nonsense of another server is told, and nothing else is lost by it") {
  Stage stage(come_back_quickly);
  stage.peer.play_lifecycle({"nonsense"});
  Listener listener;
  ns::Subscription live =
      ns::Lifecycle(stage.client).subscribe(listener.options({.replay_limit = 50}));
  REQUIRE(listener.wait_for(std::to_string(kLogSize)));
  live.stop();
  auto expected = numbers(201, 201);
  expected.insert(expected.end(), {"error invalid_response", "error websocket_error"});
  for (const std::string& word : numbers(202, kLogSize))
    expected.push_back(word);
  CHECK(listener.heard() == expected);
}

#include "api/lifecycle_position.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_events.hpp"

using namespace nullspace::tests;
using nullspace::Json;
using nullspace::LifecycleEvent;
using nullspace::LifecyclePage;
using nullspace::detail::LifecyclePosition;
using nullspace::wire::kDefaultReplay;
using nullspace::wire::LifecycleScope;
using nullspace::wire::LifecycleSubscribe;

namespace {

LifecyclePosition::Baseline newest(int n) {
  return {.known = true, .newest = {event_id(n), event_time(n)}};
}

// Takes events first to last; how many were new.
int take(LifecyclePosition& position, int first, int last) {
  int fresh = 0;
  for (int n = first; n <= last; ++n)
    fresh += position.take(event_value(n)) ? 1 : 0;
  return fresh;
}

LifecyclePage page_of(int first, int last, bool has_more = false) {
  LifecyclePage page;
  for (int n = first; n <= last; ++n)
    page.events.push_back(event_value(n));
  page.has_more = has_more;
  return page;
}

std::vector<std::string> ids(const std::vector<LifecycleEvent>& events) {
  std::vector<std::string> found;
  for (const LifecycleEvent& event : events)
    found.push_back(event.id);
  return found;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("lifecycle_position: the first connection is asked for what the caller wants") {
  const LifecycleSubscribe wanted{.sandbox_id = "sb_1",
                                  .live_only = false,
                                  .after_event_id = "evt_7",
                                  .replay_limit = 5,
                                  .metadata = {{"k", 1}}};
  const LifecyclePosition position(wanted);
  CHECK(position.request() == wanted);
}

TEST_CASE("lifecycle_position: a cursor with a limit of nothing is still followed") {
  const LifecyclePosition position(
      {.live_only = false, .after_event_id = "evt_7", .replay_limit = 0});
  CHECK(position.request().replay_limit == kDefaultReplay);
}

TEST_CASE("lifecycle_position: the next connection goes on after the last event") {
  LifecyclePosition position({.sandbox_id = "sb_1", .live_only = true, .replay_limit = 3});
  position.set_baseline(newest(1));
  CHECK_FALSE(position.subscribed());
  CHECK(take(position, 2, 4) == 3);
  CHECK(position.request() == LifecycleSubscribe{.sandbox_id = "sb_1",
                                                 .live_only = false,
                                                 .after_event_id = "evt_4",
                                                 .replay_limit = kDefaultReplay});
  CHECK_FALSE(position.subscribed());
  CHECK(take(position, 3, 6) == 2);
  CHECK(position.request().after_event_id == "evt_6");
}

TEST_CASE("lifecycle_position: what comes late does not move the cursor back") {
  LifecyclePosition position({});
  (void)position.subscribed();
  CHECK(position.take(event_value(5)));
  CHECK(position.take(event_value(3)));
  CHECK_FALSE(position.take(event_value(5)));
  CHECK(position.cursor().id == "evt_5");
}

TEST_CASE("lifecycle_position: the event to begin after does not come") {
  LifecyclePosition position({.after_event_id = "evt_7"});
  (void)position.subscribed();
  CHECK(take(position, 7, 8) == 1);
}

TEST_CASE("lifecycle_position: before the first event, the baseline stands in") {
  SECTION("live only") {
    LifecyclePosition position({.live_only = true, .replay_limit = 100});
    position.set_baseline(newest(7));
    CHECK(position.request().after_event_id.empty());
    CHECK(position.request().live_only == true);
    CHECK_FALSE(position.subscribed());
    CHECK(position.request().after_event_id == "evt_7");
    CHECK(position.request().live_only == false);
    CHECK_FALSE(position.subscribed());
    CHECK(take(position, 7, 8) == 1);
  }
  SECTION("no replay") {
    LifecyclePosition position({.live_only = false, .replay_limit = 0});
    position.set_baseline(newest(7));
    (void)position.subscribed();
    CHECK(position.request().after_event_id == "evt_7");
  }
  SECTION("an empty log: whatever there is now is new") {
    LifecyclePosition position({.live_only = true, .replay_limit = 100});
    position.set_baseline({.known = true});
    (void)position.subscribed();
    CHECK(position.request() ==
          LifecycleSubscribe{.live_only = false, .replay_limit = kDefaultReplay});
    CHECK_FALSE(position.subscribed());
    // Only the last ones may be repeated: the log is read first, from its beginning.
    REQUIRE(position.behind());
    CHECK_FALSE(position.next_page(LifecycleScope::account).from);
    CHECK(position.take_page(page_of(1, 150)).size() == 150);
    CHECK_FALSE(position.behind());
    CHECK(take(position, 51, 151) == 1);
  }
  SECTION("with a past that may not have come: it is asked for again") {
    const LifecycleSubscribe wanted{.live_only = false, .replay_limit = 10};
    LifecyclePosition position(wanted);
    position.set_baseline(newest(7));
    (void)position.subscribed();
    CHECK(position.request() == wanted);
    CHECK_FALSE(position.subscribed());
    CHECK(take(position, 5, 14) == 10);
    REQUIRE(position.behind());
    CHECK(position.next_page(LifecycleScope::account).from == event_time(7));
  }
}

TEST_CASE("lifecycle_position: without a baseline nothing is pretended") {
  SECTION("live only: a gap") {
    LifecyclePosition position({.live_only = true, .replay_limit = 100});
    CHECK_FALSE(position.subscribed());
    CHECK(position.request().live_only == true);
    const auto gap = position.subscribed();
    REQUIRE(gap);
    CHECK(gap->id.empty());
    // With an event it has something to hold on to again.
    CHECK(position.take(event_value(9)));
    CHECK(position.request().after_event_id == "evt_9");
    CHECK_FALSE(position.subscribed());
  }
  SECTION("with a past: rather too much") {
    LifecyclePosition position({.live_only = false, .replay_limit = 10});
    (void)position.subscribed();
    CHECK(position.request().replay_limit == kDefaultReplay);
    // And a gap, because more may have been missed than that.
    CHECK(position.subscribed());
    CHECK(take(position, 1, 200) == 200);
    CHECK_FALSE(position.behind());
  }
}

TEST_CASE("lifecycle_position: no more is asked for at once than a server gives") {
  LifecyclePosition position(
      {.live_only = false, .after_event_id = "evt_0", .replay_limit = 1'000'000});
  CHECK(position.request().replay_limit == nullspace::wire::kMaxReplay);
  (void)position.subscribed();
  CHECK(take(position, 1, nullspace::wire::kMaxReplay - 1) == nullspace::wire::kMaxReplay - 1);
  CHECK_FALSE(position.behind());
  CHECK(take(position, nullspace::wire::kMaxReplay, nullspace::wire::kMaxReplay) == 1);
  CHECK(position.behind());
}

TEST_CASE("lifecycle_position: a second gap still knows the last event") {
  LifecyclePosition position({.live_only = false, .replay_limit = 100});
  position.set_baseline({.known = true});
  (void)position.subscribed();
  (void)take(position, 1, 3);
  for (int i = 0; i < 2; ++i) {
    position.forget_cursor();
    const auto gap = position.subscribed();
    REQUIRE(gap);
    CHECK(gap->id == "evt_3");
  }
}

TEST_CASE("lifecycle_position: a cursor that the server forgot is a gap") {
  LifecyclePosition position({.live_only = false, .replay_limit = 100});
  position.set_baseline({.known = true});
  (void)position.subscribed();
  (void)take(position, 1, 3);
  CHECK(position.request().after_event_id == "evt_3");
  position.forget_cursor();
  CHECK(position.request().after_event_id.empty());
  CHECK(position.request().live_only == true);
  const auto gap = position.subscribed();
  REQUIRE(gap);
  CHECK(gap->id == "evt_3");
  CHECK(gap->time == event_time(3));
  // Nothing has come since: the next loss is a gap again.
  CHECK(position.request().live_only == true);
  CHECK(position.subscribed());
  CHECK(position.take(event_value(8)));
  CHECK(position.request().after_event_id == "evt_8");
}

TEST_CASE("lifecycle_position: a replay that is not full is complete") {
  LifecyclePosition position({.after_event_id = "evt_1"});
  (void)position.subscribed();
  (void)take(position, 2, kDefaultReplay);
  CHECK_FALSE(position.behind());
  (void)take(position, 500, 500);
  CHECK(position.behind());
}

TEST_CASE("lifecycle_position: nothing of the past was asked for, so that none can be missing") {
  LifecyclePosition position({.live_only = false, .replay_limit = 3});
  position.set_baseline(newest(500));
  (void)position.subscribed();
  (void)take(position, 498, 900);
  CHECK_FALSE(position.behind());
}

TEST_CASE("lifecycle_position: a full replay is checked against the log, once per connection") {
  LifecyclePosition position({.snapshot_id = "", .live_only = false, .replay_limit = 3});
  (void)position.subscribed();
  (void)take(position, 1, 2);
  (void)position.subscribed();
  (void)take(position, 3, 2 + kDefaultReplay);
  REQUIRE(position.behind());
  auto query = position.next_page(LifecycleScope::account);
  CHECK(query.oldest_first);
  CHECK(query.from == event_time(2));
  CHECK(query.page.offset == 0);

  // The list begins with the instant of the last event that was complete, and repeats.
  LifecyclePage first = page_of(2, 110, true);
  LifecycleEvent sibling = event_value(2);
  sibling.id = "evt_2_older";
  first.events.insert(first.events.begin(), sibling);
  CHECK(ids(position.take_page(first)) == Ids{"evt_103", "evt_104", "evt_105", "evt_106", "evt_107",
                                              "evt_108", "evt_109", "evt_110"});
  REQUIRE(position.behind());
  query = position.next_page(LifecycleScope::account);
  CHECK(query.page.offset == 110);
  CHECK(ids(position.take_page(page_of(111, 112))) == Ids{"evt_111", "evt_112"});
  CHECK_FALSE(position.behind());
  CHECK(position.cursor().id == "evt_112");

  // What the connection still had is known by now.
  CHECK(take(position, 103, 113) == 1);
  CHECK(take(position, 200, 600) == 401);
  CHECK_FALSE(position.behind());
  (void)position.subscribed();
  CHECK(take(position, 601, 700) == 100);
  CHECK(position.behind());
  position.stop_reading_log();
  CHECK_FALSE(position.behind());
}

TEST_CASE("lifecycle_position: a cursor of which only the id is known") {
  LifecyclePosition position({.after_event_id = "evt_1", .replay_limit = 2});
  (void)position.subscribed();
  (void)take(position, 2, 3);
  REQUIRE(position.behind());
  CHECK(position.next_page(LifecycleScope::account).from == event_time(2));
  CHECK(ids(position.take_page(page_of(2, 5))) == Ids{"evt_4", "evt_5"});
  CHECK_FALSE(position.behind());
}

TEST_CASE("lifecycle_position: the log is asked with the filters that it has") {
  const LifecycleSubscribe wanted{.sandbox_id = "sb_1",
                                  .snapshot_id = "snap_1",
                                  .operation = nullspace::LifecycleOperation::hibernate,
                                  .status = nullspace::LifecycleStatus::failed,
                                  .audience = nullspace::LifecycleAudience::customer,
                                  .after_event_id = "evt_1",
                                  .replay_limit = 1,
                                  .metadata = {{"team", "a"}, {"run", 7}}};
  LifecyclePosition position(wanted);
  const auto account = position.filters(LifecycleScope::account);
  CHECK(account.sandbox_id == "sb_1");
  CHECK(account.snapshot_id == "snap_1");
  CHECK(account.audience == nullspace::LifecycleAudience::customer);
  CHECK(account.operation == nullspace::LifecycleOperation::hibernate);
  CHECK(account.status == nullspace::LifecycleStatus::failed);
  const auto sandbox = position.filters(LifecycleScope::sandbox);
  CHECK(sandbox.sandbox_id.empty());
  CHECK(sandbox.snapshot_id.empty());
  CHECK_FALSE(sandbox.audience);
  CHECK(sandbox.operation == nullspace::LifecycleOperation::hibernate);

  // What it has not is looked at here.
  (void)position.subscribed();
  (void)take(position, 2, 2);
  REQUIRE(position.behind());
  LifecyclePage page = page_of(3, 6);
  for (LifecycleEvent& event : page.events) {
    event.snapshot_id = "snap_1";
    event.metadata = {{"team", "a"}, {"run", 7}, {"more", true}};
  }
  page.events[0].snapshot_id = "snap_2";
  page.events[1].metadata.erase("run");
  page.events[2].metadata["run"] = Json("7");
  CHECK(ids(position.take_page(page)) == Ids{"evt_6"});
}

TEST_CASE("lifecycle_position: a log that promises more and gives nothing ends") {
  LifecyclePosition position({.after_event_id = "evt_1", .replay_limit = 1});
  (void)position.subscribed();
  (void)take(position, 2, 2);
  REQUIRE(position.behind());
  CHECK(position.take_page(page_of(1, 0, true)).empty());
  CHECK_FALSE(position.behind());
}

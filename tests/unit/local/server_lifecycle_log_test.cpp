#include "local/server/lifecycle_log.hpp"

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using namespace std::chrono_literals;
using nullspace::Dialect;
using nullspace::Json;
using nullspace::LifecycleEvent;
using nullspace::LifecycleOperation;
using nullspace::LifecycleStatus;
using nullspace::Timestamp;
using nullspace::local::LifecycleFilter;
using nullspace::local::LifecycleLog;
using Order = LifecycleLog::Order;

const Timestamp kStart{std::chrono::hours(480'000)};

LifecycleEvent event(LifecycleOperation operation, std::string sandbox_id,
                     LifecycleStatus status = LifecycleStatus::succeeded) {
  LifecycleEvent made;
  made.operation = operation;
  made.status = status;
  made.sandbox_id = std::move(sandbox_id);
  return made;
}

std::string add(LifecycleLog& log, LifecycleEvent made, Timestamp now = kStart) {
  return log.append(Dialect::sandbox, std::move(made), now).event.id;
}

std::vector<std::string> ids(const LifecycleLog::Page& page) {
  std::vector<std::string> found;
  for (const auto* entry : page.entries)
    found.push_back(entry->event.id);
  return found;
}

}  // namespace

TEST_CASE("events get ids of their own and keep their order when the clock does not") {
  LifecycleLog log;
  std::set<std::string> seen;
  const Timestamp later = kStart + 1s;
  for (const Timestamp now : {kStart, later, kStart, later + 1500us}) {
    const auto& entry = log.append(Dialect::machine, event(LifecycleOperation::create, "m"), now);
    CHECK(entry.event.id.starts_with("evt_"));
    CHECK(entry.dialect == Dialect::machine);
    seen.insert(entry.event.id);
  }
  CHECK(seen.size() == 4);
  CHECK(log.at(1).event.occurred_at == later);
  CHECK(log.at(2).event.occurred_at == later);
  // What is shown of it is what it is.
  CHECK(log.at(3).event.occurred_at == later + 1ms);
}

TEST_CASE("references to events stay good while the log grows") {
  LifecycleLog log;
  const auto& first =
      log.append(Dialect::sandbox, event(LifecycleOperation::create, "sb_first"), kStart);
  for (int i = 0; i < 10'000; ++i)
    add(log, event(LifecycleOperation::create, "sb_more"));
  CHECK(first.event.sandbox_id == "sb_first");
  CHECK(log.find(first.event.id) == LifecycleLog::Position{0});
  CHECK_FALSE(log.find("evt_none"));
  CHECK_FALSE(log.find(""));
}

TEST_CASE("pages in both orders, with an offset, and whether there is more") {
  LifecycleLog log;
  std::vector<std::string> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(add(log, event(LifecycleOperation::create, "sb")));
  const LifecycleFilter any;
  using Ids = std::vector<std::string>;
  auto page = log.list(any, Order::ascending, 0, 2);
  CHECK(ids(page) == Ids{all[0], all[1]});
  CHECK(page.has_more);
  page = log.list(any, Order::descending, 1, 3);
  CHECK(ids(page) == Ids{all[3], all[2], all[1]});
  CHECK(page.has_more);
  page = log.list(any, Order::descending, 3, 2);
  CHECK(ids(page) == Ids{all[1], all[0]});
  CHECK_FALSE(page.has_more);
  page = log.list(any, Order::ascending, 17, 2);
  CHECK(ids(page).empty());
  CHECK_FALSE(page.has_more);
}

TEST_CASE("what is not wanted counts neither as an offset nor as more") {
  LifecycleLog log;
  add(log, event(LifecycleOperation::destroy, "sb"));
  const std::string wanted = add(log, event(LifecycleOperation::create, "sb"));
  add(log, event(LifecycleOperation::destroy, "sb"));
  LifecycleFilter filter;
  filter.operation = LifecycleOperation::create;
  const auto page = log.list(filter, Order::ascending, 0, 1);
  CHECK(ids(page) == std::vector<std::string>{wanted});
  CHECK_FALSE(page.has_more);
}

TEST_CASE("a filter looks at each of its parts") {
  LifecycleEvent made = event(LifecycleOperation::fork, "sb_child", LifecycleStatus::succeeded);
  made.source_sandbox_id = "sb_parent";
  made.target_sandbox_id = "sb_child";
  made.snapshot_id = "snap_1";
  made.occurred_at = kStart;
  made.metadata = {{"created_via", "hibernate"}, {"n", 1}, {"deep", Json::Object{{"a", true}}}};
  LifecycleFilter filter;
  CHECK(filter.matches(made));

  SECTION("operation and status") {
    filter.operation = LifecycleOperation::fork;
    filter.status = LifecycleStatus::succeeded;
    CHECK(filter.matches(made));
    filter.status = LifecycleStatus::failed;
    CHECK_FALSE(filter.matches(made));
    filter.status.reset();
    filter.operation = LifecycleOperation::create;
    CHECK_FALSE(filter.matches(made));
  }
  SECTION("the beginning is included, the end is not") {
    filter.from = kStart;
    filter.to = kStart + 1us;
    CHECK(filter.matches(made));
    filter.from = kStart + 1us;
    filter.to.reset();
    CHECK_FALSE(filter.matches(made));
    filter.from.reset();
    filter.to = kStart;
    CHECK_FALSE(filter.matches(made));
  }
  SECTION("a sandbox as subject, source or target") {
    for (const char* id : {"sb_child", "sb_parent"}) {
      filter.sandbox_id = id;
      CHECK(filter.matches(made));
    }
    filter.sandbox_id = "sb_other";
    CHECK_FALSE(filter.matches(made));
  }
  SECTION("source and target by themselves") {
    filter.source_sandbox_id = "sb_parent";
    filter.target_sandbox_id = "sb_child";
    CHECK(filter.matches(made));
    filter.source_sandbox_id = "sb_child";
    CHECK_FALSE(filter.matches(made));
    filter.source_sandbox_id.clear();
    filter.target_sandbox_id = "sb_parent";
    CHECK_FALSE(filter.matches(made));
  }
  SECTION("a snapshot") {
    filter.snapshot_id = "snap_1";
    CHECK(filter.matches(made));
    filter.snapshot_id = "snap_2";
    CHECK_FALSE(filter.matches(made));
  }
  SECTION("metadata by key and value") {
    filter.metadata = {{"created_via", "hibernate"}, {"deep", Json::Object{{"a", true}}}};
    CHECK(filter.matches(made));
    filter.metadata = {{"n", "1"}};
    CHECK_FALSE(filter.matches(made));
    filter.metadata = {{"missing", nullptr}};
    CHECK_FALSE(filter.matches(made));
    filter.metadata = {{"deep", Json::Object{}}};
    CHECK_FALSE(filter.matches(made));
  }
}

TEST_CASE("a replay begins with the last ones that match") {
  LifecycleLog log;
  for (int i = 0; i < 3; ++i) {
    add(log, event(LifecycleOperation::create, "sb_a"));
    add(log, event(LifecycleOperation::create, "sb_b"));
  }
  LifecycleFilter filter;
  filter.sandbox_id = "sb_a";
  CHECK(log.last_matching(filter, 0) == 6);
  CHECK(log.last_matching(filter, 1) == 4);
  CHECK(log.last_matching(filter, 2) == 2);
  CHECK(log.last_matching(filter, 50) == 0);
  filter.sandbox_id = "sb_b";
  CHECK(log.last_matching(filter, 50) == 1);
  filter.sandbox_id = "sb_none";
  CHECK(log.last_matching(filter, 50) == 6);
}

TEST_CASE("a sandbox or snapshot is known once there is an event about it") {
  LifecycleLog log;
  CHECK_FALSE(log.mentions_sandbox("sb_parent"));
  LifecycleEvent made = event(LifecycleOperation::resume_from_snapshot, "sb_child");
  made.source_sandbox_id = "sb_parent";
  made.snapshot_id = "snap_1";
  add(log, made);
  CHECK(log.mentions_sandbox("sb_parent"));
  CHECK(log.mentions_sandbox("sb_child"));
  CHECK(log.mentions_snapshot("snap_1"));
  CHECK_FALSE(log.mentions_snapshot("sb_child"));
  CHECK_FALSE(log.mentions_sandbox(""));
  CHECK_FALSE(log.mentions_snapshot(""));
}

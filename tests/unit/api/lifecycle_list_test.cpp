#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <nullspace/lifecycle.hpp>
#include <nullspace/sandbox.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/scripted_events.hpp"

using namespace nullspace::tests;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Lifecycle;
using nullspace::LifecycleAudience;
using nullspace::LifecycleEvent;
using nullspace::LifecycleEventList;
using nullspace::LifecycleListOptions;
using nullspace::LifecycleOperation;
using nullspace::LifecycleStatus;

namespace {

std::vector<std::string> ids(LifecycleEventList list) {
  std::vector<std::string> found;
  for (const LifecycleEvent& event : list)
    found.push_back(event.id);
  return found;
}

using Ids = std::vector<std::string>;

constexpr std::string_view kBase = "https://api.example.test/prefix";

}  // namespace

TEST_CASE("nothing of the log is asked before anybody looks") {
  const ScriptedClient scripted;
  const LifecycleEventList list = Lifecycle(scripted.client()).list_events();
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("the log goes on page by page") {
  const ScriptedClient scripted;
  scripted.http->push(event_page(event_range(1, 2), true));
  scripted.http->push(event_page(event_range(3, 4), true));
  scripted.http->push(event_page(event_range(5, 5)));
  CHECK(ids(Lifecycle(scripted.client()).list_events({.oldest_first = true, .page_size = 2})) ==
        Ids{"evt_1", "evt_2", "evt_3", "evt_4", "evt_5"});
  REQUIRE(scripted.http->count() == 3);
  const std::string url = std::string(kBase) + "/v1/lifecycle/events?";
  CHECK(scripted.http->request(0).url == url + "offset=0&limit=2&order=asc");
  CHECK(scripted.http->request(1).url == url + "offset=2&limit=2&order=asc");
  CHECK(scripted.http->request(2).url == url + "offset=4&limit=2&order=asc");
}

TEST_CASE("every filter of the log") {
  const ScriptedClient scripted;
  const Dialect dialect = GENERATE(Dialect::sandbox, Dialect::machine);
  const std::string noun = dialect == Dialect::sandbox ? "sandbox" : "machine";
  const Lifecycle lifecycle(scripted.client(dialect));
  scripted.http->answer_with([](const auto&) { return event_page({}); });
  const LifecycleListOptions narrow{.operation = LifecycleOperation::fork,
                                    .status = LifecycleStatus::failed,
                                    .from = event_time(0),
                                    .to = event_time(60),
                                    .page_size = 5,
                                    .offset = 7};
  const std::string common =
      "offset=7&limit=5&order=desc&operation=fork&status=failed&from=2026-05-02T08%3A00%3A00.000Z"
      "&to=2026-05-02T08%3A01%3A00.000Z";
  SECTION("account") {
    LifecycleListOptions wide = narrow;
    wide.audience = LifecycleAudience::customer;
    wide.sandbox_id = "a";
    wide.snapshot_id = "b";
    wide.source_sandbox_id = "c";
    wide.target_sandbox_id = "d";
    CHECK(lifecycle.list_events(wide).to_vector().empty());
    CHECK(scripted.http->request(0).url ==
          std::string(kBase) + "/v1/lifecycle/events?" + common + "&audience=customer&" + noun +
              "_id=a&snapshot_id=b&source_" + noun + "_id=c&target_" + noun + "_id=d");
  }
  SECTION("sandbox") {
    CHECK(lifecycle.list_sandbox_events("sb/1", narrow).to_vector().empty());
    CHECK(scripted.http->request(0).url == std::string(kBase) + "/v1/" +
                                               (noun == "sandbox" ? "sandboxes" : "machines") +
                                               "/sb%2F1/lifecycle?" + common);
  }
  SECTION("snapshot") {
    CHECK(lifecycle.list_snapshot_events("snap_9", narrow).to_vector().empty());
    CHECK(scripted.http->request(0).url ==
          std::string(kBase) + "/v1/snapshots/snap_9/lifecycle?" + common);
  }
}

TEST_CASE("a sandbox lists its own events") {
  const ScriptedClient scripted;
  const nullspace::Sandbox sandbox = scripted.sandbox();
  scripted.http->push(event_page(event_range(1, 1)));
  CHECK(ids(sandbox.list_lifecycle({.page_size = 3})) == Ids{"evt_1"});
  CHECK(scripted.http->request(0).url ==
        std::string(kBase) + "/v1/sandboxes/sb_1/lifecycle?offset=0&limit=3&order=desc");
}

TEST_CASE("an event that is pushed onto the next page comes once") {
  const ScriptedClient scripted;
  // Newest first: while the first page was read, two more were written.
  scripted.http->push(event_page({event_json(9), event_json(8)}, true));
  scripted.http->push(event_page({event_json(9), event_json(8)}, true));
  scripted.http->push(event_page({event_json(8), event_json(7)}));
  CHECK(ids(Lifecycle(scripted.client()).list_events()) == Ids{"evt_9", "evt_8", "evt_7"});
}

TEST_CASE("a log that promises more and gives nothing is not asked for ever") {
  const ScriptedClient scripted;
  scripted.http->push(event_page(event_range(1, 1), true));
  scripted.http->push(event_page({}, true));
  CHECK(ids(Lifecycle(scripted.client()).list_events()) == Ids{"evt_1"});
  CHECK(scripted.http->count() == 2);
}

TEST_CASE("pages of the log can be taken by hand, and a failed one again") {
  const ScriptedClient scripted;
  LifecycleEventList list = Lifecycle(scripted.client()).list_events({.page_size = 2});
  scripted.http->push(failure(nullspace::TransportFailureKind::receive));
  CHECK_THROWS_AS(list.next_page(), Error);
  scripted.http->push(event_page(event_range(1, 2), true));
  CHECK(list.next_page()->events.size() == 2);
  CHECK(scripted.http->request(0).url == scripted.http->request(1).url);
  scripted.http->push(event_page(event_range(3, 3)));
  CHECK_FALSE(list.next_page()->has_more);
  CHECK_FALSE(list.next_page());
}

TEST_CASE("a list of events that makes no sense is refused before anything is sent") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  const auto refused = [&](const std::function<void()>& call) {
    CHECK(thrown_by(call).kind() == ErrorKind::invalid_request);
  };
  refused([&] { (void)lifecycle.list_events({.page_size = 0}); });
  refused([&] { (void)lifecycle.list_events({.offset = -1}); });
  refused([&] { (void)lifecycle.list_events({.audience = LifecycleAudience::internal}); });
  refused([&] { (void)lifecycle.list_events({.operation = LifecycleOperation::unknown}); });
  refused([&] { (void)lifecycle.list_sandbox_events("sb_1", {.sandbox_id = "sb_2"}); });
  refused([&] {
    (void)lifecycle.list_snapshot_events("s", {.audience = LifecycleAudience::customer});
  });
  for (const char* id : {"", ".", ".."}) {
    refused([&] { (void)lifecycle.list_sandbox_events(id); });
    refused([&] { (void)lifecycle.list_snapshot_events(id); });
  }
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("what the log answers is read with care") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  scripted.http->push(response(
      200, GENERATE("[]", "7", "null", "", "<html>", R"({"events":7})", R"({"events":[{}]})")));
  CHECK(thrown_by([&] { (void)lifecycle.list_events().to_vector(); }).kind() ==
        ErrorKind::invalid_response);
}

TEST_CASE("refusals of the log keep their kind") {
  const ScriptedClient scripted;
  const Lifecycle lifecycle(scripted.client());
  scripted.http->push(response(501, error_body("not_implemented")));
  CHECK(thrown_by([&] { (void)lifecycle.list_events().to_vector(); }).kind() ==
        ErrorKind::not_implemented);
  scripted.http->push(response(404, error_body("sandbox_not_found")));
  CHECK(thrown_by([&] { (void)lifecycle.list_sandbox_events("x").to_vector(); }).kind() ==
        ErrorKind::not_found);
}

TEST_CASE("a stopped list is cancelled") {
  const ScriptedClient scripted;
  std::stop_source source;
  LifecycleEventList list = Lifecycle(scripted.client()).list_events({.stop = source.get_token()});
  scripted.http->push_silence();
  const std::jthread stopper([&] {
    (void)scripted.http->wait_for_requests(1);
    source.request_stop();
  });
  CHECK(thrown_by([&] { (void)list.next_page(); }).kind() == ErrorKind::cancelled);
}

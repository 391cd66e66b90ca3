// What happened to sandboxes, as lists.
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using nullspace::Json;
using nullspace::test::kOtherKey;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

std::string id_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// "create/succeeded" and so on, oldest first.
std::vector<std::string> steps(const Json& page) {
  std::vector<std::string> found;
  for (const Json& event : page["events"].array()) {
    found.push_back(event["operation"].as_string().value() + "/" +
                    event["status"].as_string().value());
  }
  return found;
}

Json lifecycle(RawClient& client, const std::string& path) {
  const RawAnswer answer = client.get(path + "/lifecycle?order=asc");
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return answer.json();
}

const Json& last(const Json& page) {
  return page["events"].array().back();
}

using Steps = std::vector<std::string>;

}  // namespace

TEST_CASE("a life from create to kill, which stays readable") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  client.post(path + "/timeout",
              Json::Object{{"timeout_ms", 60'000}, {"timeout_action", "hibernate"}});
  CHECK(client.call("DELETE", path).status == 200);
  CHECK(client.get(path).status == 404);
  const Json page = lifecycle(client, path);
  CHECK(steps(page) == Steps{"create/succeeded", "timeout_updated/requested",
                             "timeout_updated/succeeded", "destroy/requested",
                             "destroy/succeeded"});
  const Json& created = page["events"].array()[0];
  CHECK(created["id"].as_string()->starts_with("evt_"));
  CHECK(created["audience"].as_string() == "customer");
  CHECK(created["actor_kind"].as_string() == "user");
  CHECK(created["reason"].as_string() == "api");
  CHECK(created["sandbox_id"].as_string() == id_of(path));
  CHECK(created["snapshot_id"].is_null());
  CHECK(created["metadata"] == Json(Json::Object{{"timeout_action", "destroy"}}));
  CHECK(page["events"].array()[2]["metadata"]["timeout_action"].as_string() == "hibernate");
  CHECK(last(page)["reason"].as_string() == "manual");
  CHECK(page["offset"].as_int() == 0);
  CHECK(page["limit"].as_int() == 50);
  CHECK(page["has_more"].as_bool() == false);
}

TEST_CASE("hibernate and resume, seen from the snapshot and from both sandboxes") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const Json snapshot = client.post(path + "/hibernate").json();
  const std::string snapshot_id = snapshot["id"].as_string().value();
  const RawAnswer resumed = client.post("/v1/sandboxes/" + snapshot_id + "/resume");
  REQUIRE(resumed.status == 200);
  const std::string new_id = resumed.json()["id"].as_string().value();

  const Json old_life = lifecycle(client, path);
  CHECK(steps(old_life) == Steps{"create/succeeded", "hibernate/requested", "hibernate/succeeded",
                                 "snapshot_created/succeeded", "resume_from_snapshot/succeeded"});
  CHECK(old_life["events"].array()[3]["metadata"]["created_via"].as_string() == "hibernate");
  const Json new_life = lifecycle(client, "/v1/sandboxes/" + new_id);
  REQUIRE(steps(new_life) == Steps{"resume_from_snapshot/succeeded"});
  const Json& resume = last(new_life);
  CHECK(resume["id"] == last(old_life)["id"]);
  CHECK(resume["sandbox_id"].as_string() == new_id);
  CHECK(resume["target_sandbox_id"].as_string() == new_id);
  CHECK(resume["source_sandbox_id"].as_string() == id_of(path));
  CHECK(resume["snapshot_id"].as_string() == snapshot_id);

  const Json of_snapshot = lifecycle(client, "/v1/snapshots/" + snapshot_id);
  CHECK(steps(of_snapshot) == Steps{"hibernate/succeeded", "snapshot_created/succeeded",
                                    "resume_from_snapshot/succeeded"});
}

TEST_CASE("a machine keeps its id when it is resumed, and is called a machine") {
  const TestServer server;
  RawClient client = server.client();
  const std::string id = client.post("/v1/machines", Json::Object{{"auto_resume", true}})
                             .json()["id"]
                             .as_string()
                             .value();
  const std::string path = "/v1/machines/" + id;
  REQUIRE(client.post(path + "/hibernate").status == 200);
  REQUIRE(client.post(path + "/resume").status == 200);
  Json page = lifecycle(client, path);
  CHECK(steps(page).back() == "resume_from_snapshot/succeeded");
  for (const char* key : {"machine_id", "source_machine_id", "target_machine_id"})
    CHECK(last(page)[key].as_string() == id);
  CHECK(last(page)["sandbox_id"].is_null());
  CHECK(last(page)["reason"].as_string() == "api");
  CHECK_FALSE(last(page)["snapshot_id"].as_string().value_or("").empty());

  // The same when its use wakes it up.
  REQUIRE(client.post(path + "/hibernate").status == 200);
  CHECK(client.shell(path, "echo awake") == "awake\n");
  page = lifecycle(client, path);
  CHECK(steps(page).back() == "resume_from_snapshot/succeeded");
  CHECK(last(page)["actor_kind"].as_string() == "system");
  CHECK(last(page)["reason"].as_string() == "auto_resume");

  const RawAnswer everything = client.get("/v1/lifecycle/events?machine_id=" + id);
  CHECK(everything.json()["events"].array().size() == steps(page).size());
}

TEST_CASE("the end of a timeout, by destruction and by hibernation") {
  const TestServer server;
  RawClient client = server.client();
  const std::string destroyed = client.create({{"timeout_ms", 1000}});
  const std::string hibernated =
      client.create({{"timeout_ms", 1000}, {"timeout_action", "hibernate"}});
  REQUIRE(test::eventually(
      [&] { return steps(lifecycle(client, destroyed)).back() == "destroy/succeeded"; }));
  const Json end = lifecycle(client, destroyed);
  CHECK(steps(end) == Steps{"create/succeeded", "timeout_expired/succeeded", "destroy/requested",
                            "destroy/succeeded"});
  CHECK(end["events"].array()[1]["actor_kind"].as_string() == "system");
  CHECK(end["events"].array()[1]["reason"].as_string() == "timeout");
  CHECK(end["events"].array()[1]["metadata"]["timeout_action"].as_string() == "destroy");

  REQUIRE(test::eventually(
      [&] { return steps(lifecycle(client, hibernated)).back() == "snapshot_created/succeeded"; }));
  const Json sleep = lifecycle(client, hibernated);
  CHECK(steps(sleep) == Steps{"create/succeeded", "timeout_expired/succeeded",
                              "hibernate/requested", "hibernate/succeeded",
                              "snapshot_created/succeeded"});
  const Json& snapshot = last(sleep);
  CHECK(snapshot["metadata"]["created_via"].as_string() == "hibernate");
  CHECK(snapshot["metadata"]["timeout_action"].as_string() == "hibernate");
  CHECK(snapshot["snapshot_id"] == sleep["events"].array()[3]["snapshot_id"]);
}

TEST_CASE("every filter of the account's list") {
  const TestServer server;
  RawClient client = server.client();
  const std::string first = client.create();
  const std::string second = client.create();
  const std::string snapshot_id =
      client.post(first + "/hibernate").json()["id"].as_string().value();
  const std::string resumed =
      client.post("/v1/sandboxes/" + snapshot_id + "/resume").json()["id"].as_string().value();
  const auto count = [&client](const std::string& query) {
    const RawAnswer answer = client.get("/v1/lifecycle/events?" + query);
    INFO(query << ": " << answer.body);
    REQUIRE(answer.status == 200);
    return answer.json()["events"].array().size();
  };
  CHECK(count("") == 6);
  CHECK(count("operation=create") == 2);
  CHECK(count("operation=fork") == 0);
  CHECK(count("status=requested") == 1);
  CHECK(count("status=failed") == 0);
  CHECK(count("audience=customer") == 6);
  CHECK(count("sandbox_id=" + id_of(second)) == 1);
  CHECK(count("sandbox_id=" + id_of(first)) == 5);
  CHECK(count("snapshot_id=" + snapshot_id) == 3);
  CHECK(count("source_sandbox_id=" + id_of(first)) == 1);
  CHECK(count("target_sandbox_id=" + resumed) == 1);
  CHECK(count("target_sandbox_id=" + id_of(first)) == 0);
  CHECK(count("sandbox_id=" + id_of(first) + "&operation=hibernate&status=succeeded") == 1);
  CHECK(count("sandbox_id=sb_none") == 0);
  CHECK(count("from=2000-01-01T00:00:00Z") == 6);
  CHECK(count("to=2000-01-01T00:00:00Z") == 0);
  CHECK(count("from=2000-01-01T02:00:00%2B02:00&to=2999-01-01T00:00:00Z") == 6);
  CHECK(count("unknown=parameter") == 6);

  // As it is shown, so it is compared: from includes it, to does not.
  const Json all = client.get("/v1/lifecycle/events?order=asc").json();
  const std::string time = last(all)["occurred_at"].as_string().value();
  std::size_t before = 0;
  for (const Json& event : all["events"].array())
    before += event["occurred_at"].as_string().value() < time ? 1U : 0U;
  CHECK(count("to=" + time) == before);
  CHECK(count("from=" + time) == all["events"].array().size() - before);
}

TEST_CASE("pages follow each other in either order") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  for (int i = 0; i < 4; ++i)
    client.post(path + "/timeout", Json::Object{{"timeout_ms", 60'000 + i}});
  for (const char* order : {"asc", "desc"}) {
    std::vector<std::string> ids;
    bool more = true;
    while (more) {
      const Json page = client
                            .get(path + "/lifecycle?limit=2&order=" + order +
                                 "&offset=" + std::to_string(ids.size()))
                            .json();
      CHECK(page["limit"].as_int() == 2);
      CHECK(page["offset"].as_int() == static_cast<std::int64_t>(ids.size()));
      for (const Json& event : page["events"].array())
        ids.push_back(event["id"].as_string().value());
      more = page["has_more"].as_bool().value();
      REQUIRE(ids.size() <= 9);
    }
    CHECK(std::set<std::string>(ids.begin(), ids.end()).size() == 9);
    const Json whole = client.get(path + "/lifecycle?order=" + std::string(order)).json();
    CHECK(whole["events"].array()[0]["id"].as_string() == ids.front());
  }
  // The newest come first unless told otherwise.
  CHECK(client.get(path + "/lifecycle").json()["events"] ==
        client.get(path + "/lifecycle?order=desc").json()["events"]);
  CHECK(client.get(path + "/lifecycle?limit=100000").json()["limit"].as_int() == 200);
}

TEST_CASE("queries that make no sense are refused") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  for (const char* query :
       {"limit=0", "limit=-1", "limit=many", "limit=", "offset=-1", "offset=1.5", "order=up",
        "operation=explode", "status=maybe", "from=yesterday", "to=12", "from="}) {
    for (const std::string& route : {std::string("/v1/lifecycle/events"), path + "/lifecycle"}) {
      const RawAnswer answer = client.get(route + "?" + query);
      INFO(route << "?" << query << ": " << answer.body);
      CHECK(answer.status == 400);
      CHECK(answer.code() == "invalid_request");
    }
  }
  for (const char* query : {"audience=internal", "audience=everybody"})
    CHECK(client.get(std::string("/v1/lifecycle/events?") + query).status == 400);
  CHECK(client.get("/v1/lifecycle/events?offset=9223372036854775807")
            .json()["events"]
            .array()
            .empty());
  CHECK(client.post("/v1/lifecycle/events").status == 405);
}

TEST_CASE("what nobody has heard of is not found, and another account's is as unknown") {
  const TestServer server;
  RawClient client = server.client();
  RawClient other = server.client(kOtherKey);
  const std::string path = client.create();
  const std::string snapshot_id = client.post(path + "/hibernate").json()["id"].as_string().value();
  for (RawClient* asking : {&client, &other}) {
    const RawAnswer sandbox = asking->get("/v1/sandboxes/sb_none/lifecycle");
    CHECK(sandbox.status == 404);
    CHECK(sandbox.code() == "sandbox_not_found");
    CHECK(asking->get("/v1/machines/none/lifecycle").code() == "machine_not_found");
    const RawAnswer snapshot = asking->get("/v1/snapshots/snap_none/lifecycle");
    CHECK(snapshot.status == 404);
    CHECK(snapshot.code() == "snapshot_not_found");
  }
  CHECK(other.get(path + "/lifecycle").status == 404);
  CHECK(other.get("/v1/snapshots/" + snapshot_id + "/lifecycle").status == 404);
  CHECK(other.get("/v1/lifecycle/events").json()["events"].array().empty());
  CHECK(
      other.get("/v1/lifecycle/events?sandbox_id=" + id_of(path)).json()["events"].array().empty());
}

TEST_CASE("a sandbox that dies by itself is found dead") {
  // Its processes can only be reached from outside when nothing is between.
  nullspace::local::ServerOptions options;
  options.isolation = nullspace::local::IsolationMode::none;
  const TestServer server(std::move(options));
  RawClient client = server.client();
  const std::string path = client.create();
  // The guest is the parent of what it starts.
  client.post(path + "/exec",
              Json::Object{{"command", "kill -9 $PPID"}, {"shell", true}, {"background", true}});
  REQUIRE(test::eventually(
      [&] { return steps(lifecycle(client, path)).back() == "reconcile/succeeded"; }));
  const Json page = lifecycle(client, path);
  CHECK(last(page)["actor_kind"].as_string() == "reconcile");
  CHECK(client.get(path).json()["status"].as_string() == "error");
}

TEST_CASE("a create that fails leaves its event") {
  const TestServer server;
  RawClient client = server.client();
  const RawAnswer answer = client.post("/v1/sandboxes", Json::Object{{"cwd", "/proc/none"}});
  REQUIRE(answer.status == 400);
  const Json page = client.get("/v1/lifecycle/events").json();
  CHECK(steps(page) == Steps{"create/failed"});
  CHECK(last(page)["error_code"].as_string() == "invalid_request");
  CHECK_FALSE(last(page)["error_message"].as_string().value_or("").empty());
}

TEST_CASE("on a page each event has the names of its own sandbox") {
  const TestServer server;
  RawClient client = server.client();
  const std::string sandbox = id_of(client.create());
  const std::string machine =
      client.post("/v1/machines", Json::Object{}).json()["id"].as_string().value();
  const Json page = client.get("/v1/lifecycle/events?order=asc").json();
  REQUIRE(page["events"].array().size() == 2);
  CHECK(page["events"].array()[0]["sandbox_id"].as_string() == sandbox);
  CHECK(page["events"].array()[1]["machine_id"].as_string() == machine);
  CHECK(page["events"].array()[1]["sandbox_id"].is_null());
  CHECK(page["limit"].as_int().value_or(0) > 0);
  CHECK(page["has_more"].as_bool() == false);
}

// Sandboxes over REST: objects, lists, keys, deadlines, hibernation.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

std::string id_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::vector<std::string> ids_of(const Json& items) {
  std::vector<std::string> ids;
  for (const Json& item : items.array())
    ids.push_back(item["id"].as_string().value());
  return ids;
}

// Asks until the status is there, or time is up.
bool becomes(RawClient& client, const std::string& path, int status,
             std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (client.get(path).status == status) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

std::size_t entries(const std::filesystem::path& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

}  // namespace

TEST_CASE("a create answers with everything, and only a create with the traffic token") {
  const TestServer server;
  RawClient client = server.client();
  const RawAnswer made = client.post(
      "/v1/sandboxes", Json::Object{{"template", "base"},
                                    {"vcpus", 2},
                                    {"memory_mb", 512},
                                    {"disk_mb", 1024},
                                    {"timeout_ms", 60'000},
                                    {"metadata", Json::Object{{"run", 7}, {"team", "search"}}},
                                    {"cwd", "/workspace/repo/"},
                                    {"network", nullptr},
                                    {"warm_pool", Json::Object{{"id", "twp_1"}}}});
  INFO(made.body);
  REQUIRE(made.status == 201);
  const Json object = made.json();
  CHECK(object["id"].as_string()->starts_with("sb_"));
  CHECK(object["status"].as_string() == "running");
  CHECK(object["config"]["vcpus"].as_int() == 2);
  CHECK(object["config"]["memory_mb"].as_int() == 512);
  CHECK(object["metadata"]["run"].as_int() == 7);
  CHECK(object["timeout_ms"].as_int() == 60'000);
  CHECK(object["timeout_at"].as_string() == object["expires_at"].as_string());
  CHECK(object["timeout_action"].as_string() == "destroy");
  CHECK(object["cwd"].as_string() == "/workspace/repo");
  CHECK_FALSE(object["traffic_access_token"].as_string()->empty());
  CHECK(object["warm_pool_checkout"]["source"].as_string() == "cold_create");
  CHECK(object["warm_pool_checkout"]["hit"].as_bool() == false);

  const std::string path = "/v1/sandboxes/" + *object["id"].as_string();
  const Json read = client.get(path).json();
  CHECK_FALSE(read.object().contains("traffic_access_token"));
  CHECK(read["created_at"].as_string() == object["created_at"].as_string());
  CHECK(client.shell(path, "pwd").ends_with("/workspace/repo\n"));
  CHECK(client.get(path + "?fields=status,id").json() ==
        Json(Json::Object{{"id", *object["id"].as_string()}, {"status", "running"}}));
  CHECK(client.get(path + "?fields=nonsense").code() == "invalid_fields");
}

TEST_CASE("the machine dialect has its own words") {
  const TestServer server;
  RawClient client = server.client();
  const RawAnswer made = client.post("/v1/machines", Json::Object{});
  REQUIRE(made.status == 201);
  const std::string id = *made.json()["id"].as_string();
  CHECK(id.starts_with("mch_"));
  CHECK(client.get("/v1/machines/none").code() == "machine_not_found");
  CHECK(client.get("/v1/sandboxes/none").code() == "sandbox_not_found");
  const RawAnswer snapshot = client.post("/v1/machines/" + id + "/hibernate");
  CHECK(snapshot.json()["machine_id"].as_string() == id);
  CHECK(client.post("/v1/machines/" + id + "/exec", Json::Object{{"command", "true"}}).code() ==
        "machine_not_ready");
  // By its own id, and it keeps it.
  const RawAnswer resumed = client.post("/v1/machines/" + id + "/resume");
  CHECK(resumed.status == 200);
  CHECK(resumed.json()["id"].as_string() == id);
}

TEST_CASE("another key is another account") {
  const TestServer server;
  RawClient client = server.client();
  RawClient stranger = server.client(nullspace::test::kOtherKey);
  const std::string path = client.create();
  CHECK(stranger.get(path).code() == "sandbox_not_found");
  CHECK(stranger.call("DELETE", path).status == 404);
  CHECK(stranger.post(path + "/exec", Json::Object{{"command", "true"}}).status == 404);
  CHECK(stranger.get("/v1/sandboxes").body == "[]");
  CHECK(client.get(path).status == 200);
}

TEST_CASE("a create is refused for what is wrong with it") {
  const TestServer server;
  RawClient client = server.client();
  for (const char* body :
       {"", "{", "[]", "null", R"({"template":1})", R"({"vcpus":0})", R"({"vcpus":"2"})",
        R"({"timeout_ms":0})", R"({"timeout_ms":-5})", R"({"timeout_ms":86400000001})",
        R"({"cwd":"relative"})", R"({"cwd":"/workspace/.nullspace"})", R"({"metadata":[]})",
        R"({"envs":{"A":1}})", R"({"envs":{"A=B":"c"}})", R"({"timeout_action":"explode"})",
        R"({"timeout_action":"destroy","lifecycle":{"on_timeout":"pause"}})",
        R"({"auto_resume":true,"timeout_action":"destroy"})", R"({"volumes":[]})"}) {
    CAPTURE(body);
    const RawAnswer answer = client.call("POST", "/v1/sandboxes", body);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid_request");
  }
  std::string deep;
  for (int i = 0; i < 100; ++i)
    deep += "[";
  CHECK(client.call("POST", "/v1/sandboxes", R"({"metadata":{"a":)" + deep).status == 400);
  CHECK(client.get("/v1/sandboxes").body == "[]");
}

TEST_CASE("lists: shapes, filters, pages") {
  const TestServer server;
  RawClient client = server.client();
  CHECK(client.get("/v1/sandboxes").body == "[]");
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.insert(
        made.begin(),
        id_of(client.create(
            {{"metadata", Json::Object{{"i", i % 2}, {"nested", Json::Object{{"a", 1}}}}}})));
  }
  CHECK(ids_of(client.get("/v1/sandboxes").json()) == made);

  std::vector<std::string> seen;
  std::string query = "?limit=2";
  int pages = 0;
  while (true) {
    const Json page = client.get("/v1/sandboxes" + query).json();
    ++pages;
    const auto ids = ids_of(page["items"]);
    CHECK(ids.size() <= 2);
    seen.insert(seen.end(), ids.begin(), ids.end());
    if (page["has_next"].as_bool() != true) break;
    query = "?limit=2&next_token=" + page["next_token"].as_string().value();
    // Neither something new nor something that went away moves the pages.
    if (pages == 1) {
      client.create();
      CHECK(client.call("DELETE", "/v1/sandboxes/" + made[1]).status == 200);
    }
  }
  CHECK(pages == 3);
  CHECK(seen == made);

  // Of the two that match one is gone.
  CHECK(ids_of(client.get("/v1/sandboxes?metadata=%7B%22i%22%3A+1%7D").json()["items"]).size() ==
        1);
  CHECK(ids_of(client.get("/v1/sandboxes?metadata=%7B%22nested%22%3A%7B%22a%22%3A1%7D%7D")
                   .json()["items"])
            .size() == 4);
  CHECK(ids_of(client.get("/v1/sandboxes?template=base%3Ax").json()["items"]).empty());
  CHECK(ids_of(client.get("/v1/sandboxes?state=destroyed").json()["items"]) ==
        std::vector<std::string>{made[1]});
  CHECK(client.get("/v1/sandboxes?limit=1&fields=id").json()["items"].array()[0].object().size() ==
        1);
  for (const char* wrong : {"limit=0", "limit=101", "limit=x", "state=awake", "metadata=1",
                            "metadata=%7B", "next_token=zz"}) {
    CAPTURE(wrong);
    CHECK(client.get(std::string("/v1/sandboxes?") + wrong).code() == "invalid_request");
  }
  CHECK(client.get("/v1/sandboxes?fields=id,x").code() == "invalid_fields");
}

TEST_CASE("an idempotency key makes one sandbox") {
  const TestServer server;
  RawClient client = server.client();
  const nullspace::test::RawHeaders key{{"Idempotency-Key", "4f1c"}};
  const RawAnswer first = client.call("POST", "/v1/sandboxes", R"({"metadata":{"a":1}})", key);
  REQUIRE(first.status == 201);
  const RawAnswer again = client.call("POST", "/v1/sandboxes", R"( {"metadata": {"a": 1}} )", key);
  CHECK(again.status == 201);
  CHECK(again.body == first.body);
  CHECK(again.headers.at("x-request-id") != first.headers.at("x-request-id"));
  const RawAnswer other = client.call("POST", "/v1/sandboxes", R"({"metadata":{"a":2}})", key);
  CHECK(other.status == 409);
  CHECK(other.code() == "conflict");
  RawClient stranger = server.client(nullspace::test::kOtherKey);
  CHECK(stranger.call("POST", "/v1/sandboxes", R"({"metadata":{"a":2}})", key).status == 201);
  CHECK(client.get("/v1/sandboxes").json().array().size() == 1);
}

TEST_CASE("a key whose create is still running says so") {
  const TestServer server;
  RawClient client = server.client();
  nullspace::test::RawSocket two(server.server.port());
  const std::string create =
      "POST /v1/sandboxes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n"
      "Idempotency-Key: same\r\nContent-Length: 2\r\n\r\n{}";
  nullspace::test::RawSocket one(server.server.port());
  one.send(create);
  two.send(create);
  const RawAnswer first = nullspace::test::read_answer(one);
  const RawAnswer second = nullspace::test::read_answer(two);
  std::vector<int> statuses{first.status, second.status};
  std::sort(statuses.begin(), statuses.end());
  // Whichever came first makes it; the other one is told to come back, or comes late enough.
  CHECK(statuses.front() == 201);
  CHECK((statuses.back() == 409 || first.body == second.body));
  CHECK(client.get("/v1/sandboxes").json().array().size() == 1);
}

TEST_CASE("a deadline destroys, and can be moved") {
  const TestServer server;
  RawClient client = server.client();
  const std::string short_lived = client.create({{"timeout_ms", 300}});
  const std::string kept = client.create({{"timeout_ms", 300}});
  const RawAnswer moved = client.post(kept + "/timeout", Json::Object{{"timeout_ms", 60'000}});
  CHECK(moved.status == 200);
  CHECK(moved.json()["timeout_action"].as_string() == "destroy");
  CHECK(becomes(client, short_lived, 404, 1300ms));
  CHECK(client.get(kept).json()["timeout_ms"].as_int() == 60'000);
  for (const char* body : {"{}", R"({"timeout_ms":0})", R"({"timeout_ms":"1"})",
                           R"({"timeout_ms":1,"timeout_action":"pause!"})"}) {
    CAPTURE(body);
    CHECK(client.call("POST", kept + "/timeout", body).code() == "invalid_request");
  }
  CHECK(client.post(short_lived + "/timeout", Json::Object{{"timeout_ms", 5}}).status == 404);
}

TEST_CASE("hibernation keeps what is on disk and ends what runs") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create({{"timeout_ms", 60'000},
                                          {"envs", Json::Object{{"COLOUR", "blue"}}},
                                          {"metadata", Json::Object{{"k", "v"}}}});
  client.shell(path, "echo kept > file; chmod 600 file");
  const RawAnswer daemon =
      client.post(path + "/exec", Json::Object{{"command", "echo $$ > pid; exec sleep 1000"},
                                               {"shell", true},
                                               {"background", true}});
  REQUIRE(daemon.status == 200);
  CHECK(client.shell(path,
                     "until [ -s pid ]; do sleep 0.01; done; kill -0 $(cat pid) && echo runs") ==
        "runs\n");
  const RawAnswer snapshot = client.post(path + "/hibernate");
  REQUIRE(snapshot.status == 200);
  CHECK(snapshot.json()["sandbox_id"].as_string() == id_of(path));
  CHECK(snapshot.json()["size_bytes"].as_int().value_or(0) > 0);
  CHECK(snapshot.json()["metadata"]["k"].as_string() == "v");
  CHECK(snapshot.json().object().size() == 5);
  const std::string snapshot_id = *snapshot.json()["id"].as_string();

  const Json paused = client.get(path).json();
  CHECK(paused["status"].as_string() == "paused");
  CHECK(paused["snapshot_id"].as_string() == snapshot_id);
  CHECK_FALSE(paused.object().contains("timeout_at"));
  CHECK(client.post(path + "/exec", Json::Object{{"command", "true"}}).code() ==
        "sandbox_not_ready");
  CHECK(client.post(path + "/hibernate").status == 409);
  CHECK(client.post(path + "/resume").status == 404);

  const RawAnswer resumed = client.post("/v1/sandboxes/" + snapshot_id + "/resume");
  REQUIRE(resumed.status == 200);
  const std::string next = "/v1/sandboxes/" + *resumed.json()["id"].as_string();
  CHECK(next != path);
  CHECK(client.get(path).status == 404);
  CHECK(client.post("/v1/sandboxes/" + snapshot_id + "/resume").status == 404);
  CHECK(resumed.json()["metadata"]["k"].as_string() == "v");
  CHECK(resumed.json()["timeout_ms"].as_int() == 60'000);
  CHECK(client.shell(next, "cat file; stat -c %a file; echo $COLOUR") == "kept\n600\nblue\n");
  CHECK(client.shell(next, "kill -0 $(cat pid) 2>/dev/null || echo gone") == "gone\n");
}

TEST_CASE("a deadline can hibernate, and use can wake") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path =
      client.create({{"timeout_ms", 300}, {"timeout_action", "hibernate"}, {"auto_resume", true}});
  const std::string asleep = client.create({{"timeout_ms", 300}, {"timeout_action", "hibernate"}});
  for (const std::string& each : {path, asleep}) {
    const auto deadline = std::chrono::steady_clock::now() + 5s;
    while (client.get(each).json()["status"].as_string() != "paused") {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(10ms);
    }
  }
  CHECK(client.shell(path, "echo awake") == "awake\n");
  CHECK(client.get(path).json()["status"].as_string() == "running");
  CHECK(client.post(asleep + "/exec", Json::Object{{"command", "true"}}).status == 409);
  CHECK(client
            .post(path + "/timeout",
                  Json::Object{{"timeout_ms", 60'000}, {"timeout_action", "destroy"}})
            .code() == "invalid_request");
}

TEST_CASE("killing a paused sandbox takes its snapshot with it") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const std::string snapshot = *client.post(path + "/hibernate").json()["id"].as_string();
  const RawAnswer killed = client.call("DELETE", path);
  CHECK(killed.status == 200);
  CHECK(killed.json()["status"].as_string() == "destroyed");
  CHECK(client.call("DELETE", path).code() == "sandbox_not_found");
  CHECK(client.post("/v1/sandboxes/" + snapshot + "/resume").code() == "sandbox_not_found");
}

TEST_CASE("metrics are there at once and have exactly their members") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create({{"vcpus", 3}, {"memory_mb", 1024}, {"disk_mb", 2048}});
  const RawAnswer answer = client.get(path + "/metrics");
  REQUIRE(answer.status == 200);
  REQUIRE_FALSE(answer.json().array().empty());
  const Json sample = answer.json().array().back();
  CHECK(sample.object().size() == 9);
  CHECK(sample["cpu_count"].as_int() == 3);
  CHECK(sample["mem_total_bytes"].as_int() == 1024LL << 20);
  CHECK(sample["disk_total_bytes"].as_int() == 2048LL << 20);
  CHECK(sample["cpu_percent"].as_double().value_or(-1) >= 0);
  CHECK(client.get("/v1/sandboxes/none/metrics").status == 404);
}

TEST_CASE("stopping the server leaves no file behind") {
  const std::filesystem::path parent = std::filesystem::temp_directory_path() /
                                       ("nullspace-local-test-" + std::to_string(::getpid()));
  std::filesystem::create_directory(parent);
  nullspace::local::ServerOptions options;
  options.state_dir = parent / "state";
  {
    TestServer server(options);
    CHECK((std::filesystem::status(options.state_dir).permissions() &
           (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
          std::filesystem::perms::none);
    RawClient client = server.client();
    const std::string path = client.create();
    client.shell(path, "mkdir -p a/b; touch a/b/c; chmod 0 a; (sleep 1000 &) ");
    client.call("DELETE", client.create());
    CHECK_THROWS_AS(TestServer(options), nullspace::local::StartError);
    server.server.stop();
    CHECK_FALSE(std::filesystem::exists(options.state_dir));
  }
  CHECK(entries(parent) == 0);
  std::filesystem::remove(parent);
}

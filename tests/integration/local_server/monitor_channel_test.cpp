// Live figures of an account.
#include <chrono>
#include <string>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using nullspace::test::RawClient;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

std::string id_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Json subscribe(const std::string& id, bool processes = false) {
  return Json::Object{{"type", "monitor_subscribe"},
                      {"id", id},
                      {"interval_ms", 1},  // clamped to half a second
                      {"include_processes", processes}};
}

}  // namespace

TEST_CASE("first everything, then changes, figures and processes") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const auto begun =
      client.post(path + "/exec",
                  Json::Object{{"command", "sleep 1000"}, {"shell", true}, {"background", true}});
  REQUIRE(begun.status == 200);
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send(subscribe("m1", true));
  const Json snapshot = socket.receive();
  CHECK(snapshot["type"].as_string() == "monitor_snapshot");
  CHECK(snapshot["id"].as_string() == "m1");
  REQUIRE(snapshot["sandboxes"].array().size() == 1);
  CHECK(snapshot["sandboxes"].array()[0]["id"].as_string() == id_of(path));

  const Json metrics = socket.receive_type("monitor_metrics");
  CHECK(metrics["sandbox_id"].as_string() == id_of(path));
  CHECK(metrics["metrics"]["cpu_percent"].as_double().value_or(-1) >= 0);
  const Json processes = socket.receive_type("monitor_processes");
  bool listed = false;
  for (const Json& entry : processes["processes"].array()) {
    listed = listed || entry["command"].as_string() == "sleep 1000";
  }
  CHECK(listed);

  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i)
    socket.receive_type("monitor_metrics");
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(took > 900ms);
  CHECK(took < 5s);

  const std::string second = client.create();
  const Json added = socket.receive_type("monitor_update");
  CHECK(added["sandbox_id"].as_string() == id_of(second));
  CHECK(added["sandbox"]["status"].as_string() == "running");
  CHECK(added["removed"].as_bool() == false);
  client.post(second + "/timeout", Json::Object{{"timeout_ms", 77'000}});
  CHECK(socket.receive_type("monitor_update")["sandbox"]["timeout_ms"].as_int() == 77'000);
  client.post(second + "/hibernate");
  CHECK(socket.receive_type("monitor_update")["sandbox"]["status"].as_string() == "paused");
  client.call("DELETE", second);
  const Json removed = socket.receive_type("monitor_update");
  CHECK(removed["removed"].as_bool() == true);
  CHECK(removed["sandbox"].is_null());
}

TEST_CASE("only one's own account") {
  const TestServer server;
  RawClient client = server.client();
  RawClient other = server.client(nullspace::test::kOtherKey);
  other.create();
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send(subscribe("m"));
  CHECK(socket.receive()["sandboxes"].array().empty());
  other.create();
  const std::string own = client.create();
  CHECK(socket.receive()["sandbox_id"].as_string() == id_of(own));
}

TEST_CASE("subscriptions by their ids, and one fewer") {
  const TestServer server;
  RawClient client = server.client();
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send(subscribe("a"));
  socket.send(subscribe("b"));
  CHECK(socket.receive()["id"].as_string() == "a");
  CHECK(socket.receive()["id"].as_string() == "b");
  socket.send(Json::Object{{"type", "monitor_unsubscribe"}, {"id", "a"}});
  // Answered in order: what comes after it knows of the end of `a`.
  socket.send_text("nonsense");
  CHECK(socket.receive_type("monitor_error")["message"].as_string()->find("invalid message") !=
        std::string::npos);
  client.create();
  CHECK(socket.receive_type("monitor_update")["id"].as_string() == "b");
  for (int i = 0; i < 4; ++i)
    CHECK(socket.receive()["id"].as_string() == "b");
}

TEST_CASE("machines are called machines") {
  const TestServer server;
  RawClient client = server.client();
  const auto made = client.post("/v1/machines", Json::Object{});
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send(subscribe("m"));
  CHECK(socket.receive()["machines"].array().size() == 1);
  CHECK(socket.receive_type("monitor_metrics")["machine_id"].as_string() ==
        made.json()["id"].as_string());
}

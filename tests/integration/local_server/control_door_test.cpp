// The paths below /_emu: who may use them, rules and their accounting, dropped connections, reset.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/integration/local_server/fault_support.hpp"
#include "tests/support/eventually.hpp"

using nullspace::Json;
using nullspace::local::ConnectionDrop;
using nullspace::test::FaultyServer;
using nullspace::test::kOtherKey;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::RawSocket;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

// Answered with an error message each time: something to hear from a socket at will.
void provoke(RawWebSocket& socket) {
  socket.send_text("nonsense");
}

std::string id_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::ptrdiff_t trees_below(const std::filesystem::path& state_dir) {
  return std::distance(std::filesystem::directory_iterator(state_dir / "sandboxes"),
                       std::filesystem::directory_iterator());
}

}  // namespace

TEST_CASE("the door is closed unless it was asked for") {
  const TestServer server;
  RawClient client = server.client();
  for (const char* path : {"/_emu/faults", "/_emu/stats", "/_emu/clock", "/_emu/reset", "/_emu"}) {
    CHECK(client.get(path).status == 404);
    CHECK(client.post(path, Json::Object{}).status == 404);
  }
  CHECK(client.call("GET", "/v1/sandboxes", "", {{"x-nullspace-fault", "return-503"}}).status ==
        200);
}

TEST_CASE("the door wants a key and a name of this machine") {
  const FaultyServer server;
  RawClient stranger = server.client("no-key");
  CHECK(stranger.get("/_emu/faults").status == 401);
  CHECK(stranger.post("/_emu/reset").status == 401);
  RawSocket socket(server.server.port());
  socket.send(
      "GET /_emu/faults HTTP/1.1\r\nHost: rebound.example\r\n"
      "Authorization: Bearer first-key\r\n\r\n");
  CHECK(nullspace::test::read_answer(socket).status == 403);
  RawClient client = server.client();
  CHECK(client.get("/_emu/nothing").status == 404);
  CHECK(client.call("PUT", "/_emu/faults").status == 405);
}

TEST_CASE("rules are installed, counted and taken away") {
  const FaultyServer server;
  RawClient client = server.client();
  const RawAnswer made = client.post(
      "/_emu/faults", Json::Object{{"rules", Json::Array{Json::Object{{"id", "busy"},
                                                                      {"fault", "return-503"},
                                                                      {"path", "/v1/sandboxes"},
                                                                      {"skip", 1},
                                                                      {"count", 2},
                                                                      {"retry_after", 7}},
                                                         Json::Object{{"fault", "stall-pong"}}}}});
  CHECK(made.status == 201);
  REQUIRE(made.json()["rules"].array().size() == 2);
  const std::string other_id = made.json()["rules"].array()[1]["id"].as_string().value();

  CHECK(client.get("/v1/sandboxes").status == 200);
  const RawAnswer busy = client.get("/v1/sandboxes");
  CHECK(busy.status == 503);
  CHECK(busy.code() == "service_unavailable");
  CHECK(busy.headers.at("retry-after") == "7");
  CHECK(busy.headers.contains("x-request-id"));
  CHECK(server.client(kOtherKey).get("/v1/sandboxes").status == 200);
  const Json rule = client.get("/_emu/faults").json()["rules"].array().at(0);
  CHECK(rule["id"].as_string() == "busy");
  CHECK(rule["matched"].as_int() == 2);
  CHECK(rule["fired"].as_int() == 1);
  CHECK(rule["remaining"].as_int() == 1);
  CHECK(client.get("/v1/sandboxes").status == 503);
  CHECK(client.get("/v1/sandboxes").status == 200);

  CHECK(server.client(kOtherKey).get("/_emu/faults").json()["rules"].array().empty());
  CHECK(server.client(kOtherKey).call("DELETE", "/_emu/faults/busy").status == 404);
  CHECK(client.call("DELETE", "/_emu/faults/busy").status == 200);
  CHECK(client.call("DELETE", "/_emu/faults/busy").status == 404);
  const Json left = client.get("/_emu/faults").json();
  REQUIRE(left["rules"].array().size() == 1);
  CHECK(left["rules"].array()[0]["id"].as_string() == other_id);
  CHECK(client.call("DELETE", "/_emu/faults").json()["removed"].as_int() == 1);
  CHECK(client.get("/_emu/stats").json()["faults"]["fired"].as_int() == 2);
}

TEST_CASE("rules that are wrong are refused as a whole") {
  const FaultyServer server;
  RawClient client = server.client();
  for (const char* body :
       {"", "nonsense", "[]", "{}", R"({"fault":"return-99"})", R"({"rules":[]})",
        R"({"rules":[{"fault":"return-503"},{"fault":"return-503","count":-1}]})",
        R"({"fault":"return-503","unheard-of":1})"}) {
    CAPTURE(body);
    const RawAnswer answer = client.call("POST", "/_emu/faults", body);
    CHECK(answer.status == 400);
    CHECK_FALSE(answer.json()["error"].as_string().value_or("").empty());
  }
  CHECK(client.post("/_emu/faults", Json::Object{{"id", "a"}, {"fault", "vanish"}}).status == 201);
  CHECK(client.post("/_emu/faults", Json::Object{{"id", "a"}, {"fault", "vanish"}}).status == 409);
  CHECK(client.get("/_emu/faults").json()["rules"].array().size() == 1);
}

TEST_CASE("connections are dropped by channel, by sandbox and by account") {
  FaultyServer server;
  RawClient client = server.client();
  const std::string first = client.create();
  const std::string second = client.create();
  RawWebSocket monitor = server.socket("/v1/monitor/ws");
  RawWebSocket strangers = server.socket("/v1/monitor/ws", kOtherKey);
  RawWebSocket exec = server.socket(first + "/ws?channel=exec");
  RawWebSocket pty = server.socket(first + "/ws?channel=pty");
  RawWebSocket elsewhere = server.socket(second + "/ws?channel=exec");
  for (RawWebSocket* socket : {&monitor, &exec, &pty, &elsewhere, &strangers}) {
    provoke(*socket);
    socket->receive();
  }
  const Json open = client.get("/_emu/stats").json()["websockets"];
  CHECK(open["open"].as_int() == 4);
  CHECK(open["by_channel"]["exec"].as_int() == 2);
  CHECK(open["by_channel"]["monitor"].as_int() == 1);

  const auto drop = [&client](const char* body) {
    return client.call("POST", "/_emu/connections/drop", body).json()["dropped"].as_int();
  };
  CHECK(drop(R"({"channel":"exec","sandbox":"none"})") == 0);
  CHECK(drop(R"({"channel":"pty","how":"close","code":1012})") == 1);
  CHECK(pty.receive_close() == 1012);
  CHECK(server.server.drop_connections({.channel = "control", .sandbox_id = id_of(first)}) == 1);
  CHECK(exec.socket().receive().empty());
  CHECK(exec.socket().was_reset());
  CHECK(drop(R"({"how":"close"})") == 2);
  CHECK(monitor.receive_close() == 1001);
  CHECK(elsewhere.receive_close() == 1001);
  // The other account's goes on.
  provoke(strangers);
  strangers.receive();
  // Without a closing handshake.
  CHECK(server.server.drop_connections({.how = ConnectionDrop::How::close, .close_code = 1006},
                                       1) == 1);
  CHECK(strangers.socket().receive().empty());
  CHECK(strangers.socket().was_reset());
  CHECK(drop("") == 0);
  for (const char* body :
       {"[]", R"({"how":"gently"})", R"({"how":1})", R"({"channel":"none"})", R"({"code":1000})",
        R"({"how":"close","code":99})", R"({"how":"close","code":1005})",
        R"({"how":"close","code":1015})", R"({"how":"close","code":2000})",
        R"({"how":"close","code":65537000})", R"({"sandbox":1})", R"({"what":1})"}) {
    CAPTURE(body);
    CHECK(client.call("POST", "/_emu/connections/drop", body).status == 400);
  }
}

TEST_CASE("a request that is being answered can be dropped") {
  FaultyServer server;
  const std::string sandbox = server.client().create();
  const auto begin = [&] {
    return send_request(server, "POST", sandbox + "/exec",
                        R"({"command":"sleep 1000","shell":true})");
  };
  using How = ConnectionDrop::How;
  const auto drop = [&server](How how) {
    return test::eventually(
        [&] { return server.server.drop_connections({.channel = "http", .how = how}) == 1; });
  };
  RawSocket reset = begin();
  REQUIRE(drop(How::reset));
  CHECK(reset.receive().empty());
  CHECK(reset.was_reset());
  RawSocket closed = begin();
  REQUIRE(drop(How::close));
  CHECK(closed.receive_all().empty());
}

TEST_CASE("what vanished says nothing any more, not even that it ends") {
  FaultyServer server;
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  provoke(socket);
  socket.receive();
  CHECK(server.server.drop_connections({.how = ConnectionDrop::How::vanish}) == 1);
  // It is no socket of the account any more, for whoever asks.
  CHECK(server.client().get("/_emu/stats").json()["websockets"]["open"].as_int() == 0);
  provoke(socket);
  socket.send_frame(0x89, "ping");
  socket.send_frame(0x88, "");
  socket.socket().finish_sending();
  socket.socket().set_patience(300ms);
  CHECK(socket.socket().receive().empty());
  CHECK_FALSE(socket.socket().was_reset());
  // A RST is still possible.
  CHECK(server.server.drop_connections() == 1);
  socket.socket().set_patience(10s);
  CHECK(socket.socket().receive_all().empty());
  CHECK(socket.socket().was_reset());
}

TEST_CASE("a reset ends what vanished, and no other socket") {
  FaultyServer server;
  RawWebSocket vanished = server.socket("/v1/monitor/ws");
  RawWebSocket other = server.socket("/v1/monitor/ws");
  for (RawWebSocket* socket : {&vanished, &other}) {
    provoke(*socket);
    socket->receive();
  }
  server.install("vanish", {{"type", "monitor_error"}, {"count", 1}});
  provoke(vanished);
  REQUIRE(test::eventually([&] {
    return server.client().get("/_emu/stats").json()["websockets"]["open"].as_int() == 1;
  }));
  server.server.reset();
  CHECK(vanished.socket().receive_all().empty());
  CHECK(vanished.socket().was_reset());
  provoke(other);
  CHECK(other.receive()["type"].as_string() == "monitor_error");
}

TEST_CASE("a reset leaves nothing of an account, and another alone") {
  const std::filesystem::path state_dir = std::filesystem::temp_directory_path() /
                                          ("nullspace-reset-test-" + std::to_string(::getpid()));
  nullspace::local::ServerOptions options;
  options.state_dir = state_dir;
  FaultyServer server(options);
  RawClient client = server.client();
  RawClient other = server.client(kOtherKey);
  const std::string others = other.create();
  const std::string path = client.create({{"metadata", Json::Object{{"a", "b"}}}});
  const std::string paused = client.create();
  REQUIRE(client.post(paused + "/hibernate").status == 200);
  REQUIRE(client.call("DELETE", client.create()).status == 200);
  const auto keyed = [&client] {
    return client.call("POST", "/v1/sandboxes", "{}", {{"Idempotency-Key", "same"}})
        .json()["id"]
        .as_string()
        .value();
  };
  const std::string before = keyed();
  CHECK(keyed() == before);
  server.install("return-503", {{"path", "/v1/snapshots"}});
  REQUIRE(client
              .post("/v1/lifecycle/webhooks", Json::Object{{"url", "https://hooks.example.test/"},
                                                           {"operations", Json::Array{"create"}},
                                                           {"signing_secret", "whsec_1"},
                                                           {"enabled", false}})
              .status == 201);
  RawWebSocket monitor = server.socket("/v1/monitor/ws");
  monitor.send(Json::Object{{"type", "monitor_subscribe"}, {"id", "m"}});
  monitor.receive_type("monitor_snapshot");
  RawWebSocket exec = server.socket(path + "/ws?channel=exec");

  const RawAnswer answer = client.post("/_emu/reset");
  CHECK(answer.status == 200);
  CHECK(answer.json()["sandboxes"].as_int() == 3);
  CHECK(answer.json()["rules"].as_int() == 1);
  CHECK(client.get("/v1/sandboxes?state=running,paused,destroyed").json().array().empty());
  CHECK(client.get(path).status == 404);
  CHECK(client.get("/_emu/faults").json()["rules"].array().empty());
  for (int i = 0; i < 3; ++i)
    CHECK(monitor.receive_type("monitor_update")["removed"].as_bool() == true);
  CHECK(exec.receive_close() == 1000);
  CHECK(client.get("/v1/lifecycle/events").json()["events"].array().empty());
  CHECK(client.get("/v1/lifecycle/webhooks").json().array().empty());
  CHECK_FALSE(other.get("/v1/lifecycle/events").json()["events"].array().empty());
  CHECK(keyed() != before);
  CHECK(other.get(others).status == 200);
  CHECK(other.shell(others, "echo alive") == "alive\n");
  // One of the other account, one that was just made.
  CHECK(test::eventually([&] { return trees_below(state_dir) == 2; }));
  server.server.stop();
  CHECK_FALSE(std::filesystem::exists(state_dir / "sandboxes"));
  std::filesystem::remove(state_dir);
}

TEST_CASE("what is being created while all is reset does not stay") {
  const std::filesystem::path state_dir = std::filesystem::temp_directory_path() /
                                          ("nullspace-reset-race-" + std::to_string(::getpid()));
  nullspace::local::ServerOptions options;
  options.state_dir = state_dir;
  FaultyServer server(options);
  RawSocket creating = send_request(server, "POST", "/v1/sandboxes", "{}");
  RawClient client = server.client();
  std::int64_t ended = 0;
  REQUIRE(test::eventually([&] {
    ended += client.post("/_emu/reset").json()["sandboxes"].as_int().value_or(0);
    return ended == 1;
  }));
  CHECK(nullspace::test::read_answer(creating).status == 201);
  CHECK(client.get("/v1/lifecycle/events").json()["events"].array().empty());
  CHECK(client.get("/v1/sandboxes").json().array().empty());
  CHECK(test::eventually([&] { return trees_below(state_dir) == 0; }));
  server.server.stop();
  std::filesystem::remove(state_dir);
}

TEST_CASE("in the server's own process") {
  TestServer server;
  auto& local = server.server;
  const Json made = Json::parse(local.install_faults(R"({"fault":"return-503"})", 1));
  CHECK(made["rules"].array().size() == 1);
  // The header and the paths stay closed, the rules work.
  CHECK(server.client().get("/v1/sandboxes").status == 200);
  CHECK(server.client(kOtherKey).get("/v1/sandboxes").status == 503);
  CHECK(Json::parse(local.faults(1))["rules"].array()[0]["fired"].as_int() == 1);
  CHECK(Json::parse(local.faults())["rules"].array().empty());
  CHECK(local.clear_faults(1) == 1);
  CHECK(server.client(kOtherKey).get("/v1/sandboxes").status == 200);
  RawClient client = server.client();
  client.create();
  local.reset();
  CHECK(client.get("/v1/sandboxes").json().array().empty());

  CHECK_THROWS_AS(local.install_faults("nonsense"), std::invalid_argument);
  CHECK_THROWS_AS(local.install_faults(R"({"fault":"none"})"), std::invalid_argument);
  CHECK_THROWS_AS(local.faults(2), std::invalid_argument);
  CHECK_THROWS_AS(local.drop_connections({.channel = "none"}), std::invalid_argument);
  CHECK_THROWS_AS(local.drop_connections({.how = ConnectionDrop::How::close, .close_code = 99}),
                  std::invalid_argument);
  CHECK_THROWS_AS(local.advance_clock(-1ms), std::invalid_argument);
  CHECK_THROWS_AS(local.advance_clock(1ms), std::logic_error);
  local.stop();
  CHECK_THROWS_AS(local.faults(), std::logic_error);
}

TEST_CASE("what is no JSON is the client's fault") {
  const FaultyServer server;
  RawClient client = server.client();
  for (const char* path : {"/_emu/faults", "/_emu/connections/drop", "/_emu/clock"}) {
    CAPTURE(path);
    const RawAnswer answer = client.call("POST", path, "{");
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid_request");
  }
}

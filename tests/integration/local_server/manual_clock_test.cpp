// A server whose time is moved by hand.
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "tests/integration/local_server/fault_support.hpp"
#include "wire/timestamp.hpp"

using nullspace::Json;
using nullspace::Timestamp;
using nullspace::local::ClockMode;
using nullspace::local::ConnectionDrop;
using nullspace::local::ServerOptions;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

ServerOptions manual(ServerOptions options = {}) {
  options.clock = ClockMode::manual;
  return options;
}

Timestamp time_of(const Json& text) {
  const auto parsed = nullspace::wire::parse_timestamp(text.as_string().value_or(""));
  REQUIRE(parsed);
  return *parsed;
}

std::string status_of(RawClient& client, const std::string& path) {
  return client.get(path).json()["status"].as_string().value_or("none");
}

}  // namespace

TEST_CASE("time is read and moved by request") {
  TestServer server(manual());
  RawClient client = server.client();
  const Json before = client.get("/_emu/clock").json();
  CHECK(before["mode"].as_string() == "manual");
  const Timestamp begin = time_of(before["now"]);
  CHECK(begin == std::chrono::floor<std::chrono::milliseconds>(server.server.now()));
  const RawAnswer moved = client.post("/_emu/clock/advance", Json::Object{{"seconds", 90}});
  CHECK(moved.status == 200);
  CHECK(time_of(moved.json()["now"]) == begin + 90s);
  CHECK(time_of(client.post("/_emu/clock/advance", Json::Object{{"ms", 1500}}).json()["now"]) ==
        begin + 91500ms);
  const Timestamp later = begin + 24h;
  const RawAnswer set =
      client.post("/_emu/clock", Json::Object{{"now", nullspace::wire::format_timestamp(later)}});
  CHECK(set.status == 200);
  CHECK(time_of(client.get("/_emu/clock").json()["now"]) == later);
  CHECK(server.server.advance_clock(0ms) == 0);
  for (const char* body :
       {"", "[]", "{}", R"({"seconds":-1})", R"({"seconds":"1"})", R"({"seconds":1,"ms":1})",
        R"({"hours":1})", R"({"seconds":1e300})", R"({"ms":99999999999999})"}) {
    CAPTURE(body);
    CHECK(client.call("POST", "/_emu/clock/advance", body).status == 400);
  }
  for (const char* body :
       {"{}", R"({"now":7})", R"({"now":"tomorrow"})", R"({"now":"1999-01-01T00:00:00Z"})",
        R"({"now":"9999-01-01T00:00:00Z"})", R"({"now":"0001-01-01T00:00:00Z"})"}) {
    CAPTURE(body);
    CHECK(client.call("POST", "/_emu/clock", body).status == 400);
  }
  CHECK(time_of(client.get("/_emu/clock").json()["now"]) == later);
}

TEST_CASE("a real clock is not moved") {
  const nullspace::test::FaultyServer server;
  RawClient client = server.client();
  CHECK(client.get("/_emu/clock").json()["mode"].as_string() == "real");
  CHECK(client.post("/_emu/clock/advance", Json::Object{{"seconds", 1}}).status == 409);
  for (const char* now : {"2099-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z"})
    CHECK(client.post("/_emu/clock", Json::Object{{"now", now}}).status == 409);
}

TEST_CASE("sandboxes reach their timeout when the clock does") {
  TestServer server(manual());
  RawClient client = server.client();
  const Timestamp begin = std::chrono::floor<std::chrono::milliseconds>(server.server.now());
  const std::string ends = client.create({{"timeout_ms", 60'000}});
  const std::string pauses =
      client.create({{"timeout_ms", 90'000}, {"timeout_action", "hibernate"}});
  const Json info = client.get(ends).json();
  CHECK(time_of(info["created_at"]) == begin);
  CHECK(time_of(info["timeout_at"]) == begin + 60s);
  server.server.advance_clock(59'999ms);
  CHECK(status_of(client, ends) == "running");
  // All that becomes due has happened when the clock has been moved.
  server.server.advance_clock(1ms);
  CHECK(client.get(ends).status == 404);
  CHECK(status_of(client, pauses) == "running");
  client.post("/_emu/clock/advance", Json::Object{{"seconds", 30}});
  CHECK(status_of(client, pauses) == "paused");
  CHECK(client.get(pauses).json()["snapshot_id"].is_string());
}

TEST_CASE("samples are taken, and dated, by the clock") {
  TestServer server(manual());
  RawClient client = server.client();
  const std::string path = client.create({{"timeout_ms", 3'600'000}});
  server.server.advance_clock(10s);
  const Json::Array samples = client.get(path + "/metrics").json().array();
  REQUIRE(samples.size() >= 10);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    CHECK(time_of(samples[i]["timestamp"]) - time_of(samples[i - 1]["timestamp"]) == 1s);
  }
}

TEST_CASE("a subscription ticks once for each interval") {
  TestServer server(manual());
  RawClient client = server.client();
  const std::string path = client.create({{"timeout_ms", 3'600'000}});
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send(Json::Object{{"type", "monitor_subscribe"}, {"id", "m"}, {"interval_ms", 5000}});
  socket.receive_type("monitor_snapshot");
  Timestamp last = time_of(socket.receive_type("monitor_metrics")["metrics"]["timestamp"]);
  server.server.advance_clock(25s);
  socket.send_text("nonsense");
  int ticks = 0;
  while (true) {
    const Json message = socket.receive();
    if (message["type"].as_string() == "monitor_error") break;
    REQUIRE(message["type"].as_string() == "monitor_metrics");
    ++ticks;
    last = time_of(message["metrics"]["timestamp"]);
  }
  CHECK(ticks == 5);
  // A sample may serve for half an interval.
  CHECK(server.server.now() - last <= 2501ms);
}

TEST_CASE("a day of pings, each of them answered") {
  ServerOptions options;
  options.ping_interval = 15s;
  TestServer server(manual(options));
  RawClient client = server.client();
  const std::string path = client.create({{"timeout_ms", 86'400'000}});
  RawWebSocket socket = server.socket(path + "/ws?channel=pty");
  socket.send(Json::parse(R"({"type":"pty_start","id":"p","cols":80,"rows":24})"));
  socket.receive_type("pty_started");
  int code = 0;
  std::thread reader([&] { code = socket.receive_close(); });
  server.server.advance_clock(23h);
  server.server.drop_connections({.how = ConnectionDrop::How::close, .close_code = 4001});
  reader.join();
  CHECK(code == 4001);
  CHECK(socket.pings() == 23 * 240);
}

TEST_CASE("who does not answer two pings is given up") {
  ServerOptions options;
  options.ping_interval = 15s;
  TestServer server(manual(options));
  RawWebSocket socket = server.socket("/v1/monitor/ws");
  socket.send_text("nonsense");
  socket.receive();
  server.server.advance_clock(30s);
  CHECK(server.client().get("/_emu/stats").json()["websockets"]["open"].as_int() == 1);
  server.server.advance_clock(30s);
  CHECK(server.client().get("/_emu/stats").json()["websockets"]["open"].as_int() == 0);
  int pings = 0;
  while (const auto frame = socket.receive_frame()) {
    if (frame->opcode == 0x9) ++pings;
  }
  CHECK(pings >= 2);
}

TEST_CASE("an idempotency key is good for a day") {
  TestServer server(manual());
  RawClient client = server.client();
  const auto create = [&client] {
    return client.call("POST", "/v1/sandboxes", "{}", {{"Idempotency-Key", "same"}})
        .json()["id"]
        .as_string()
        .value();
  };
  const std::string first = create();
  server.server.advance_clock(23h);
  CHECK(create() == first);
  server.server.advance_clock(1h);
  CHECK(create() != first);
}

TEST_CASE("commands take real time") {
  TestServer server(manual());
  RawClient client = server.client();
  const std::string path = client.create();
  CHECK(client.shell(path, "sleep 0.05; echo done") == "done\n");
  const RawAnswer killed =
      client.post(path + "/exec",
                  Json::Object{{"command", "sleep 1000"}, {"shell", true}, {"timeout_secs", 1}});
  CHECK(killed.status == 504);
}

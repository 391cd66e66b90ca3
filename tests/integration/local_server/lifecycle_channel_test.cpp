// What happens to sandboxes, as it happens.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "local/server/channels/lifecycle_channel.hpp"
#include "local/server/faults/fault_book.hpp"
#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using nullspace::test::kOtherKey;
using nullspace::test::RawClient;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;

namespace {

constexpr const char* kPath = "/v1/lifecycle/ws";

std::string id_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

Json subscribe(Json::Object fields = {}) {
  fields.emplace("type", "subscribe");
  return fields;
}

// A socket whose subscription has been acknowledged with that mode.
RawWebSocket subscribed(const TestServer& server, Json::Object fields, const std::string& mode,
                        const std::string& path = kPath) {
  RawWebSocket socket = server.socket(path);
  socket.send(subscribe(std::move(fields)));
  const Json answer = socket.receive();
  REQUIRE(answer["type"].as_string() == "subscribed");
  CHECK(answer["reconnect_mode"].as_string() == mode);
  return socket;
}

Json next_event(RawWebSocket& socket) {
  const Json message = socket.receive();
  REQUIRE(message["type"].as_string() == "event");
  return message["event"];
}

std::string step(const Json& event) {
  return event["operation"].as_string().value() + "/" + event["status"].as_string().value();
}

void touch(RawClient& client, const std::string& path, int times = 1) {
  for (int i = 0; i < times; ++i)
    REQUIRE(client.post(path + "/timeout", Json::Object{{"timeout_ms", 600'000}}).status == 200);
}

std::vector<std::string> logged_ids(RawClient& client, const std::string& query = "") {
  std::vector<std::string> ids;
  bool more = true;
  while (more) {
    const Json page =
        client
            .get("/v1/lifecycle/events?order=asc&limit=200&offset=" + std::to_string(ids.size()) +
                 query)
            .json();
    for (const Json& event : page["events"].array())
      ids.push_back(event["id"].as_string().value());
    more = page["has_more"].as_bool().value();
  }
  return ids;
}

}  // namespace

TEST_CASE("who says nothing about replay sees what happens from now on") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  RawWebSocket socket = subscribed(server, {}, "live_only");
  client.call("DELETE", path);
  CHECK(step(next_event(socket)) == "destroy/requested");
  const Json event = next_event(socket);
  CHECK(step(event) == "destroy/succeeded");
  CHECK(event["sandbox_id"].as_string() == id_of(path));
  CHECK(event["id"].as_string() == logged_ids(client).back());
}

TEST_CASE("the answer repeats the filters") {
  const TestServer server;
  RawWebSocket socket = server.socket(kPath);
  socket.send(subscribe({{"sandbox_id", "sb_x"},
                         {"snapshot_id", "snap_x"},
                         {"operation", "destroy"},
                         {"live_only", true}}));
  const Json subscription = socket.receive()["subscription"];
  CHECK(subscription["audience"].as_string() == "customer");
  CHECK(subscription["sandbox_id"].as_string() == "sb_x");
  CHECK(subscription["snapshot_id"].as_string() == "snap_x");
  CHECK(subscription["operation"].as_string() == "destroy");
}

TEST_CASE("a replay is the last events, oldest first, and goes on live") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  touch(client, path, 2);
  const auto ids = logged_ids(client);
  REQUIRE(ids.size() == 5);
  RawWebSocket socket = subscribed(server, {{"replay_limit", 3}}, "cursor_replay");
  for (std::size_t i = 2; i < 5; ++i)
    CHECK(next_event(socket)["id"].as_string() == ids[i]);
  client.call("DELETE", path);
  CHECK(step(next_event(socket)) == "destroy/requested");

  RawWebSocket whole = subscribed(server, {{"live_only", false}}, "cursor_replay");
  CHECK(next_event(whole)["id"].as_string() == ids[0]);
  RawWebSocket none = subscribed(server, {{"replay_limit", 0}}, "cursor_replay");
  const std::string second = client.create();
  // What the kill had still to say may come first.
  while (true) {
    const Json event = next_event(none);
    if (event["operation"].as_string() == "destroy") continue;
    CHECK(event["sandbox_id"].as_string() == id_of(second));
    break;
  }
}

TEST_CASE("after a cursor comes everything, whatever the limit") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  touch(client, path, 3);
  const auto ids = logged_ids(client);
  REQUIRE(ids.size() == 7);
  RawWebSocket socket =
      subscribed(server, {{"after_event_id", ids[1]}, {"replay_limit", 2}}, "cursor_replay");
  for (std::size_t i = 2; i < 7; ++i)
    CHECK(next_event(socket)["id"].as_string() == ids[i]);
  // After the last one there is nothing but what is new.
  RawWebSocket current = subscribed(server, {{"after_event_id", ids[6]}}, "cursor_replay");
  touch(client, path);
  CHECK(next_event(current)["id"].as_string() == logged_ids(client)[7]);
}

TEST_CASE("the wish for live events wins over a cursor") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const auto ids = logged_ids(client);
  RawWebSocket socket =
      subscribed(server, {{"live_only", true}, {"after_event_id", "evt_none"}}, "live_only");
  touch(client, path);
  CHECK(next_event(socket)["id"].as_string() == logged_ids(client)[ids.size()]);
}

TEST_CASE("a cursor that nobody knows ends the socket") {
  const TestServer server;
  RawClient other = server.client(kOtherKey);
  other.create();
  // Another account's is none either.
  for (const std::string& id : {std::string("evt_none"), logged_ids(other).front()}) {
    RawWebSocket socket = server.socket(kPath);
    socket.send(subscribe({{"after_event_id", id}}));
    const Json answer = socket.receive();
    CHECK(answer["type"].as_string() == "error");
    CHECK(answer["message"].as_string() == "unknown after_event_id");
    CHECK(socket.receive_close() == 1000);
  }
}

TEST_CASE("messages that make no sense are answered, and the socket stays") {
  const TestServer server;
  RawClient client = server.client();
  RawWebSocket socket = server.socket(kPath);
  for (const char* text :
       {"", "nonsense", "[]", "{}", R"({"type":"unsubscribe"})",
        R"({"type":"subscribe","operation":"explode"})", R"({"type":"subscribe","status":7})",
        R"({"type":"subscribe","audience":"internal"})",
        R"({"type":"subscribe","replay_limit":-1})", R"({"type":"subscribe","live_only":"yes"})",
        R"({"type":"subscribe","metadata":[1]})", R"({"type":"subscribe","sandbox_id":{}})"}) {
    INFO(text);
    socket.send_text(text);
    const Json answer = socket.receive();
    CHECK(answer["type"].as_string() == "error");
    CHECK_FALSE(answer["message"].as_string().value_or("").empty());
  }
  socket.send(subscribe());
  CHECK(socket.receive()["type"].as_string() == "subscribed");
  client.create();
  CHECK(step(next_event(socket)) == "create/succeeded");
}

TEST_CASE("without a subscription nothing comes, a refused one leaves the old") {
  const TestServer server;
  RawClient client = server.client();
  RawWebSocket socket = server.socket(kPath);
  client.create();
  socket.send(subscribe({{"operation", "create"}}));
  CHECK(socket.receive()["type"].as_string() == "subscribed");
  socket.send(subscribe({{"operation", "explode"}}));
  CHECK(socket.receive()["type"].as_string() == "error");
  const std::string path = client.create();
  CHECK(next_event(socket)["sandbox_id"].as_string() == id_of(path));
}

TEST_CASE("filters by sandbox, snapshot, operation, status and metadata") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const std::string sleeper = client.create({{"timeout_action", "hibernate"}});
  const std::string snapshot_id = client.post(path + "/hibernate").json()["id"].as_string().value();
  const auto first = [&server](Json::Object filter) {
    filter.emplace("live_only", false);
    RawWebSocket socket = subscribed(server, std::move(filter), "cursor_replay");
    return next_event(socket);
  };
  CHECK(first({{"sandbox_id", id_of(sleeper)}})["sandbox_id"].as_string() == id_of(sleeper));
  CHECK(step(first({{"snapshot_id", snapshot_id}})) == "hibernate/succeeded");
  CHECK(step(first({{"operation", "snapshot_created"}})) == "snapshot_created/succeeded");
  CHECK(step(first({{"status", "requested"}})) == "hibernate/requested");
  CHECK(step(first({{"metadata", Json::Object{{"created_via", "hibernate"}}}})) ==
        "snapshot_created/succeeded");
  CHECK(first({{"metadata", Json::Object{{"timeout_action", "hibernate"}}}})["sandbox_id"]
            .as_string() == id_of(sleeper));
}

TEST_CASE("a later subscribe replaces the filters") {
  const TestServer server;
  RawClient client = server.client();
  const std::string first = client.create();
  const std::string second = client.create();
  RawWebSocket socket = subscribed(server, {{"sandbox_id", id_of(first)}}, "live_only");
  touch(client, first);
  CHECK(next_event(socket)["sandbox_id"].as_string() == id_of(first));
  CHECK(next_event(socket)["sandbox_id"].as_string() == id_of(first));
  socket.send(subscribe({{"sandbox_id", id_of(second)}, {"replay_limit", 1}}));
  CHECK(socket.receive()["type"].as_string() == "subscribed");
  CHECK(step(next_event(socket)) == "create/succeeded");
  touch(client, first);
  touch(client, second);
  CHECK(next_event(socket)["sandbox_id"].as_string() == id_of(second));
}

TEST_CASE("a sandbox's own socket has its events only, also after its end") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const std::string other = client.create();
  RawWebSocket socket =
      subscribed(server, {{"replay_limit", 100}}, "cursor_replay", path + "/lifecycle/ws");
  CHECK(step(next_event(socket)) == "create/succeeded");
  touch(client, other);
  client.call("DELETE", path);
  CHECK(step(next_event(socket)) == "destroy/requested");
  CHECK(step(next_event(socket)) == "destroy/succeeded");
  // Somebody else's cannot be asked for here; its own can.
  socket.send(subscribe({{"sandbox_id", id_of(other)}}));
  CHECK(socket.receive()["type"].as_string() == "error");
  socket.send(subscribe({{"sandbox_id", id_of(path)}, {"replay_limit", 1}}));
  CHECK(socket.receive()["type"].as_string() == "subscribed");
  CHECK(step(next_event(socket)) == "destroy/succeeded");

  RawWebSocket late =
      subscribed(server, {{"live_only", false}}, "cursor_replay", path + "/lifecycle/ws");
  CHECK(step(next_event(late)) == "create/succeeded");
}

TEST_CASE("machines are called machines in their events") {
  const TestServer server;
  RawClient client = server.client();
  RawWebSocket everything = subscribed(server, {}, "live_only");
  const std::string id =
      client.post("/v1/machines", Json::Object{}).json()["id"].as_string().value();
  CHECK(next_event(everything)["machine_id"].as_string() == id);
  RawWebSocket own = subscribed(server, {{"machine_id", id}, {"replay_limit", 5}}, "cursor_replay",
                                "/v1/machines/" + id + "/lifecycle/ws");
  const Json event = next_event(own);
  CHECK(event["machine_id"].as_string() == id);
  CHECK(event["sandbox_id"].is_null());
}

TEST_CASE("the socket of a sandbox that never was is refused") {
  const TestServer server;
  RawClient client = server.client();
  RawClient other = server.client(kOtherKey);
  const std::string path = client.create();
  const nullspace::test::RawHeaders upgrade{{"Connection", "Upgrade"},
                                            {"Upgrade", "websocket"},
                                            {"Sec-WebSocket-Version", "13"},
                                            {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  CHECK(client.call("GET", "/v1/sandboxes/sb_none/lifecycle/ws", "", upgrade).code() ==
        "sandbox_not_found");
  CHECK(other.call("GET", path + "/lifecycle/ws", "", upgrade).status == 404);
  CHECK(client.get(kPath).status == 426);
}

TEST_CASE("accounts do not hear of each other's events") {
  const TestServer server;
  RawClient client = server.client();
  RawClient other = server.client(kOtherKey);
  RawWebSocket socket = subscribed(server, {}, "live_only");
  other.create();
  const std::string path = client.create();
  CHECK(next_event(socket)["sandbox_id"].as_string() == id_of(path));
}

TEST_CASE("a client that does not keep up loses nothing, and others do not wait for it") {
  const TestServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  RawWebSocket slow = server.socket(kPath);
  slow.send(subscribe({{"live_only", true}}));
  RawWebSocket quick = subscribed(server, {{"live_only", true}}, "live_only");
  // Far more than the kernel and the server hold back for one socket.
  constexpr int kTouches = 8000;
  touch(client, path, kTouches);
  for (int i = 0; i < 2 * kTouches; ++i)
    next_event(quick);
  CHECK(slow.receive()["type"].as_string() == "subscribed");
  const auto ids = logged_ids(client);
  REQUIRE(ids.size() == 2 * kTouches + 1);
  std::size_t in_order = 0;
  for (std::size_t i = 1; i < ids.size(); ++i)
    in_order += next_event(slow)["id"].as_string() == ids[i] ? 1U : 0U;
  CHECK(in_order == 2 * kTouches);
}

TEST_CASE("what a client does not take stays in the log and is queued nowhere") {
  namespace server = nullspace::local;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const server::guest::UniqueFd client_end(ends[1]);
  const auto loop = server::EventLoop::create();
  server::LifecycleJournal journal(
      [] { return nullspace::Timestamp(std::chrono::hours(480'000)); });
  const auto channel = std::make_shared<server::LifecycleChannel>(journal, 1, std::nullopt);
  server::ServiceClock clock(*loop, server::ServiceClock::Mode::real);
  server::FaultBook faults;
  const auto session = std::make_shared<server::WebSocketSession>(
      server::ServingContext{*loop, clock, faults, server::Clock::duration::zero()},
      std::make_unique<server::SocketStream>(*loop, server::guest::UniqueFd(ends[0])), channel,
      nullptr, [](server::WebSocketSession&) {});
  session->start({});
  channel->on_message(subscribe({{"live_only", true}}).dump(), false);
  std::size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    journal.created({1, nullspace::Dialect::sandbox, "sb_1", nullspace::TimeoutAction::destroy});
    most = std::max(most, session->queued());
  }
  CHECK(most > 200'000);
  CHECK(most < 300'000);
  session->abort();
}

// What rules and the header do to WebSockets. The monitor's socket answers nonsense with an error
// message each time: something to hear whenever it is wanted.
#include <chrono>
#include <optional>
#include <string>

#include "tests/integration/local_server/fault_support.hpp"
#include "tests/support/eventually.hpp"
#include "wire/utf8.hpp"

using nullspace::Json;
using nullspace::test::FaultyServer;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::RawSocket;
using nullspace::test::RawWebSocket;
using nullspace::test::send_request;
using namespace std::chrono_literals;

namespace {

constexpr const char* kMonitor = "/v1/monitor/ws";

RawWebSocket open_with(const FaultyServer& server, const std::string& fault,
                       const std::string& path = kMonitor) {
  return server.socket(path, nullspace::test::kKey, {{"x-nullspace-fault", fault}});
}

void provoke(RawWebSocket& socket, int times = 1) {
  for (int i = 0; i < times; ++i)
    socket.send_text("nonsense");
}

// The bytes of one answer to nonsense.
std::string one_frame(const FaultyServer& server) {
  RawWebSocket socket = server.socket(kMonitor);
  provoke(socket);
  const auto frame = socket.receive_frame();
  REQUIRE(frame);
  REQUIRE(frame->payload.size() < 126);
  return std::string("\x81") + static_cast<char>(frame->payload.size()) + frame->payload;
}

// How a socket ended, after nothing but messages.
struct End {
  int messages = 0;
  std::optional<int> close_code;
  bool reset = false;
};
End read_to_the_end(RawWebSocket& socket) {
  End end;
  while (const auto frame = socket.receive_frame()) {
    if (frame->opcode == 0x1) ++end.messages;
    if (frame->opcode == 0x8 && frame->payload.size() >= 2) {
      end.close_code = static_cast<unsigned char>(frame->payload[0]) * 256 +
                       static_cast<unsigned char>(frame->payload[1]);
      socket.send_frame(0x88, frame->payload.substr(0, 2));
    }
  }
  end.reset = socket.socket().was_reset();
  return end;
}

void expect_silence(RawWebSocket& socket) {
  socket.socket().set_patience(200ms);
  CHECK(socket.socket().receive().empty());
  CHECK_FALSE(socket.socket().was_reset());
}

}  // namespace

TEST_CASE("an upgrade is refused with a status") {
  FaultyServer server;
  server.install("return-503", {{"channel", "monitor"}, {"count", 1}, {"retry_after", 2}});
  CHECK(server.client().get("/v1/sandboxes").status == 200);
  RawSocket refused = send_request(server, "GET", kMonitor, "", nullspace::test::upgrade_headers());
  const RawAnswer answer = nullspace::test::read_answer(refused);
  CHECK(answer.status == 503);
  CHECK(answer.headers.at("retry-after") == "2");
  RawWebSocket socket = server.socket(kMonitor);
  provoke(socket);
  CHECK(socket.receive()["type"].as_string() == "monitor_error");
}

TEST_CASE("an upgrade is reset, before or in place of its answer") {
  const FaultyServer server;
  for (const char* fault : {"return-reset-connection", "return-reset-connection-before-answer"}) {
    auto headers = nullspace::test::upgrade_headers();
    headers.emplace_back("x-nullspace-fault", fault);
    RawSocket socket = send_request(server, "GET", kMonitor, "", headers);
    CHECK(socket.receive_all().empty());
    CHECK(socket.was_reset());
  }
}

TEST_CASE("a socket ends after so many messages, in each way there is") {
  const FaultyServer server;
  const auto end_of = [&server](const char* fault) {
    RawWebSocket socket = open_with(server, fault);
    provoke(socket, 5);
    return read_to_the_end(socket);
  };
  const End closed = end_of("close-1011-after-2-messages");
  CHECK(closed.messages == 2);
  CHECK(closed.close_code == 1011);
  const End at_once = end_of("close-4000-after-0-messages");
  CHECK(at_once.messages == 0);
  CHECK(at_once.close_code == 4000);
  const End reset = end_of("return-reset-connection-after-3-messages");
  CHECK(reset.messages == 3);
  CHECK_FALSE(reset.close_code);
  CHECK(reset.reset);
  const End abnormal = end_of("close-1006-after-1-messages");
  CHECK(abnormal.messages == 1);
  CHECK_FALSE(abnormal.close_code);
  CHECK(abnormal.reset);
  const End broken = end_of("return-broken-stream-after-4-messages");
  CHECK(broken.messages == 4);
  CHECK_FALSE(broken.close_code);
}

TEST_CASE("a socket ends in place of a message") {
  const FaultyServer server;
  RawWebSocket socket = open_with(server, "close-1001;type=monitor_error;skip=1");
  provoke(socket, 3);
  const End end = read_to_the_end(socket);
  CHECK(end.messages == 1);
  CHECK(end.close_code == 1001);
}

TEST_CASE("a socket is cut at any byte") {
  const FaultyServer server;
  const std::string frame = one_frame(server);
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{2}, frame.size() - 1,
                               frame.size(), frame.size() + 5}) {
    for (const char* fault : {"return-reset-connection", "return-broken-stream"}) {
      CAPTURE(at, fault);
      RawWebSocket socket =
          open_with(server, std::string(fault) + "-after-" + std::to_string(at) + "B");
      provoke(socket, 2);
      const std::string bytes = socket.socket().receive_all();
      CHECK(bytes == (frame + frame).substr(0, at));
    }
  }
}

TEST_CASE("a frame is cut in its middle") {
  const FaultyServer server;
  const std::string frame = one_frame(server);
  RawWebSocket socket = open_with(server, "truncate-frame-after-1-messages");
  provoke(socket, 2);
  const std::string bytes = socket.socket().receive_all();
  CHECK(socket.socket().was_reset());
  CHECK(bytes.size() > frame.size() + 2);
  CHECK(bytes.size() < 2 * frame.size());
  CHECK((frame + frame).starts_with(bytes));
}

TEST_CASE("a peer that vanished is still connected, and says nothing") {
  const FaultyServer server;
  RawWebSocket socket = open_with(server, "vanish-after-1-messages");
  provoke(socket, 3);
  CHECK(socket.receive()["type"].as_string() == "monitor_error");
  socket.send_frame(0x89, "are you there");
  expect_silence(socket);
}

TEST_CASE("pings stay unanswered, messages do not") {
  const FaultyServer server;
  RawWebSocket socket = open_with(server, "stall-pong");
  socket.send_frame(0x89, "a");
  socket.send_frame(0x89, "b");
  provoke(socket);
  const auto frame = socket.receive_frame();
  REQUIRE(frame);
  CHECK(frame->opcode == 0x1);
}

TEST_CASE("the server stops to ping, but not to serve") {
  nullspace::local::ServerOptions options;
  options.ping_interval = 10ms;
  FaultyServer server(options);
  RawWebSocket quiet = open_with(server, "stall-ping");
  RawWebSocket pinged = server.socket(kMonitor);
  for (int pings = 0; pings < 5; ++pings) {
    const auto frame = pinged.receive_frame();
    REQUIRE(frame);
    CHECK(frame->opcode == 0x9);
    pinged.send_frame(0x8A, frame->payload);
  }
  provoke(quiet);
  CHECK(quiet.receive()["type"].as_string() == "monitor_error");
  CHECK(quiet.pings() == 0);
}

TEST_CASE("what is sent to the server is not read") {
  FaultyServer server;
  RawClient client = server.client();
  RawWebSocket socket = server.socket(kMonitor);
  socket.send(Json::Object{{"type", "monitor_subscribe"}, {"id", "m"}});
  CHECK(socket.receive()["type"].as_string() == "monitor_snapshot");
  // Also a socket that is open already.
  server.install("stall-reads");
  provoke(socket);
  for (int i = 0; i < 2; ++i) {
    client.create();
    Json message = socket.receive();
    while (message["type"].as_string() == "monitor_metrics")
      message = socket.receive();
    CHECK(message["type"].as_string() == "monitor_update");
  }
}

TEST_CASE("what the server says does not come") {
  const FaultyServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  RawWebSocket socket = open_with(server, "stall-writes", path + "/ws?channel=exec");
  socket.send(
      Json::parse(R"({"type":"exec_start","id":"e","command":"touch heard","shell":true})"));
  CHECK(test::eventually([&] { return client.shell(path, "ls") == "heard\n"; }));
  expect_silence(socket);
}

TEST_CASE("messages come later, in their order, and before the end") {
  FaultyServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  server.install("delay-messages-for-150ms", {{"channel", "control"}});
  RawWebSocket socket = server.socket(path + "/ws?channel=exec");
  const auto begin = std::chrono::steady_clock::now();
  socket.send(
      Json::parse(R"({"type":"exec_start","id":"e","command":"echo one; exit 3","shell":true})"));
  CHECK(socket.receive()["type"].as_string() == "exec_started");
  CHECK(std::chrono::steady_clock::now() - begin >= 150ms);
  CHECK(socket.receive()["data"].as_string() == "one\n");
  CHECK(socket.receive()["exit_code"].as_int() == 3);
  socket.send(Json::parse(R"({"type":"exec_start","id":"f","command":"sleep 1000","shell":true})"));
  CHECK(socket.receive()["type"].as_string() == "exec_started");
  client.call("DELETE", path);
  CHECK(socket.receive()["type"].as_string() == "error");
  CHECK(socket.receive_close() == 1000);
}

TEST_CASE("messages in fragments") {
  const FaultyServer server;
  const std::string whole = one_frame(server).substr(2);
  RawWebSocket socket = open_with(server, "split-frame");
  provoke(socket);
  std::string message;
  for (int i = 0; i < 3; ++i) {
    const auto frame = socket.receive_frame();
    REQUIRE(frame);
    CHECK(frame->opcode == (i == 0 ? 0x1U : 0x0U));
    CHECK(frame->last == (i == 2));
    message += frame->payload;
  }
  CHECK(message == whole);
}

TEST_CASE("messages twice, or not at all") {
  FaultyServer server;
  const std::string id =
      server.install("duplicate-event", {{"type", "monitor_error"}, {"skip", 1}, {"count", 1}});
  RawWebSocket socket = server.socket(kMonitor);
  socket.send(Json::Object{{"type", "monitor_subscribe"}, {"id", "m"}});
  provoke(socket, 3);
  CHECK(socket.receive()["type"].as_string() == "monitor_snapshot");
  for (int i = 0; i < 4; ++i)
    CHECK(socket.receive()["type"].as_string() == "monitor_error");
  CHECK(server.rule(id)["matched"].as_int() == 3);
  CHECK(server.rule(id)["fired"].as_int() == 1);
  server.server.clear_faults();

  server.install("skip-event", {{"type", "monitor_snapshot"}});
  socket.send(Json::Object{{"type", "monitor_subscribe"}, {"id", "n"}});
  provoke(socket);
  CHECK(socket.receive()["type"].as_string() == "monitor_error");
}

TEST_CASE("lifecycle events twice, or not at all") {
  FaultyServer server;
  server.install("duplicate-event", {{"channel", "lifecycle"}, {"type", "event"}, {"count", 1}});
  server.install("skip-event",
                 {{"channel", "lifecycle"}, {"type", "event"}, {"skip", 1}, {"count", 1}});
  RawClient client = server.client();
  RawWebSocket socket = server.socket("/v1/lifecycle/ws");
  socket.send(Json::Object{{"type", "subscribe"}, {"live_only", true}});
  socket.receive_type("subscribed");
  for (int i = 0; i < 3; ++i)
    client.create();
  const Json logged = client.get("/v1/lifecycle/events?order=asc").json();
  REQUIRE(logged["events"].array().size() == 3);
  // The first one twice. What comes next was not asked of the second rule before, is its first and
  // passes, and the third one does not come.
  for (const std::size_t index : {0U, 0U, 1U}) {
    CHECK(socket.receive()["event"]["id"] == logged["events"].array()[index]["id"]);
  }
  server.server.drop_connections({.how = nullspace::local::ConnectionDrop::How::close});
  CHECK(read_to_the_end(socket).messages == 0);
}

TEST_CASE("messages that are no JSON, or no text") {
  const FaultyServer server;
  RawWebSocket garbage = open_with(server, "garbage-json;count=1");
  provoke(garbage, 2);
  const auto frame = garbage.receive_frame();
  REQUIRE(frame);
  CHECK_THROWS(Json::parse(frame->payload));
  CHECK(nullspace::wire::is_valid_utf8(frame->payload));
  CHECK(garbage.receive()["type"].as_string() == "monitor_error");
  RawWebSocket bad = open_with(server, "bad-utf8");
  provoke(bad);
  const auto broken = bad.receive_frame();
  REQUIRE(broken);
  CHECK(broken->opcode == 0x1);
  CHECK_FALSE(nullspace::wire::is_valid_utf8(broken->payload));
}

TEST_CASE("commands and terminals that never say that they ended") {
  FaultyServer server;
  RawClient client = server.client();
  const std::string path = client.create();
  const std::string id = server.install("drop-exit-frame", {{"sandbox", path.substr(14)}});
  RawWebSocket exec = server.socket(path + "/ws?channel=exec");
  exec.send(Json::parse(R"({"type":"exec_start","id":"e","command":"echo hi","shell":true})"));
  CHECK(exec.receive()["type"].as_string() == "exec_started");
  CHECK(exec.receive()["data"].as_string() == "hi\n");
  REQUIRE(test::eventually([&] { return server.rule(id)["fired"].as_int() == 1; }));
  RawWebSocket pty = server.socket(path + "/ws?channel=pty");
  pty.send(Json::parse(R"({"type":"pty_start","id":"p","cols":80,"rows":24})"));
  const Json started = pty.receive_type("pty_started");
  pty.send(Json::Object{{"type", "pty_input"},
                        {"id", "p"},
                        {"session_id", started["session_id"]},
                        {"data", "exit\n"}});
  REQUIRE(test::eventually([&] { return server.rule(id)["fired"].as_int() == 2; }));
  provoke(exec);
  CHECK(exec.receive()["type"].as_string() == "error");
}

TEST_CASE("a lost end of a command: closed in the place of its exit") {
  const FaultyServer server;
  const std::string path = server.client().create();
  RawWebSocket exec = open_with(server, "close-1000;type=exec_exit", path + "/ws?channel=exec");
  exec.send(Json::parse(R"({"type":"exec_start","id":"e","command":"echo hi","shell":true})"));
  const End end = read_to_the_end(exec);
  CHECK(end.messages == 2);
  CHECK(end.close_code == 1000);
}

TEST_CASE("rules of one channel leave the others alone") {
  FaultyServer server;
  const std::string path = server.client().create();
  server.install("close-1011-after-0-messages", {{"channel", "pty"}});
  RawWebSocket pty = server.socket(path + "/ws?channel=pty");
  CHECK(pty.receive_close() == 1011);
  RawWebSocket exec = server.socket(path + "/ws?channel=exec");
  provoke(exec);
  CHECK(exec.receive()["type"].as_string() == "error");
}

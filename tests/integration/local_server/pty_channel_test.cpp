// Terminals: the WebSocket, and what REST knows of them.
#include <chrono>
#include <string>
#include <thread>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"
#include "wire/base64.hpp"

using nullspace::Json;
using nullspace::test::RawClient;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  TestServer server;
  RawClient client = server.client();
  std::string path = client.create({{"envs", Json::Object{{"COLOUR", "blue"}}}});
  RawWebSocket socket = server.socket(path + "/ws?channel=pty");

  Json start(Json::Object more = {}) {
    more["type"] = "pty_start";
    more["id"] = "pty_1";
    socket.send(more);
    Json message = socket.receive();
    INFO(message.dump());
    REQUIRE(message["type"].as_string() == "pty_started");
    return message;
  }
  static Json input(const std::string& session, const std::string& text) {
    return Json::Object{
        {"type", "pty_input"}, {"id", "pty_1"}, {"session_id", session}, {"data", text}};
  }
};

std::string bytes_of(const Json& message) {
  const auto bytes = nullspace::wire::decode_base64(message["data_base64"].as_string().value());
  REQUIRE(bytes);
  return *bytes;
}

// Output until the text is in it.
std::string output_until(RawWebSocket& socket, const std::string& text) {
  std::string all;
  while (all.find(text) == std::string::npos) {
    const Json message = socket.receive();
    INFO(message.dump());
    REQUIRE(message["type"].as_string() == "pty_output");
    all += bytes_of(message);
  }
  return all;
}

struct Outcome {
  std::string bytes;
  int exit_code = -1;
};

Outcome collect(RawWebSocket& socket) {
  Outcome outcome;
  while (true) {
    const Json message = socket.receive();
    const std::string type = message["type"].as_string().value();
    if (type == "pty_output") outcome.bytes += bytes_of(message);
    if (type == "error") FAIL(message.dump());
    if (type == "pty_exited") {
      outcome.exit_code = static_cast<int>(message["exit_code"].as_int().value());
      return outcome;
    }
  }
}

}  // namespace

TEST_CASE("a shell in a terminal: size, environment, exit code") {
  Fixture fixture;
  const Json started =
      fixture.start({{"cols", 100}, {"rows", 28}, {"envs", Json::Object{{"OWN", "yes"}}}});
  const std::string session = *started["session_id"].as_string();
  CHECK(started["id"].as_string() == "pty_1");
  CHECK(started["cols"].as_int() == 100);
  CHECK(started["rows"].as_int() == 28);
  CHECK(started["pid"].as_int().value_or(0) > 0);
  fixture.socket.send(Fixture::input(
      session, "stty size; echo $TERM-$COLOUR-$OWN; tty | head -c 8; echo; test -t 0 && exit 7\n"));
  const Outcome outcome = collect(fixture.socket);
  INFO(outcome.bytes);
  CHECK(outcome.bytes.find("28 100\r\n") != std::string::npos);
  CHECK(outcome.bytes.find("xterm-256color-blue-yes\r\n") != std::string::npos);
  CHECK(outcome.bytes.find("/dev/pts\r\n") != std::string::npos);
  CHECK(outcome.exit_code == 7);
}

TEST_CASE("a terminal without a size has 120 by 30") {
  Fixture fixture;
  const Json started = fixture.start();
  CHECK(started["cols"].as_int() == 120);
  CHECK(started["rows"].as_int() == 30);
}

TEST_CASE("output comes as exact bytes and as text") {
  Fixture fixture;
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(Fixture::input(session, R"(stty -echo; printf 'X\377\033[1mY\n')"
                                              "\n"));
  std::string all;
  Json message;
  while (all.find("Y\r\n") == std::string::npos || all.find("X\xFF") == std::string::npos) {
    message = fixture.socket.receive_type("pty_output");
    all += bytes_of(message);
    CHECK(message["session_id"].as_string() == session);
  }
  CHECK(all.find("X\xFF\x1B[1mY\r\n") != std::string::npos);
  CHECK(message["data"].as_string()->find("Y\r\n") != std::string::npos);
}

TEST_CASE("input as bytes, the line editor's signals, window changes") {
  Fixture fixture;
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(
      Json::Object{{"type", "pty_input"},
                   {"id", "pty_1"},
                   {"session_id", session},
                   {"data_base64", nullspace::wire::encode_base64("echo in''-cat; cat\n")}});
  // Said by the shell itself: an interrupt before it is up would end it.
  output_until(fixture.socket, "in-cat\r\n");
  // And by cat itself: an interrupt that finds bash on the way to starting it is lost.
  fixture.socket.send(Fixture::input(session, "purr\n"));
  output_until(fixture.socket, "purr\r\npurr\r\n");
  fixture.socket.send(Fixture::input(session, "\x03"));
  // What is typed while the shell still handles the interrupt is thrown away with the line.
  output_until(fixture.socket, "$ ");
  fixture.socket.send(Fixture::input(session, "echo ready''-now\n"));
  output_until(fixture.socket, "ready-now\r\n");
  fixture.socket.send(Json::Object{{"type", "pty_resize"},
                                   {"id", "pty_1"},
                                   {"session_id", session},
                                   {"cols", 77},
                                   {"rows", 22}});
  fixture.socket.send(Fixture::input(session, "stty size\n"));
  output_until(fixture.socket, "22 77\r\n");
  CHECK(fixture.client.get(fixture.path + "/pty/" + session).json()["cols"].as_int() == 77);
}

TEST_CASE("two viewers see one terminal, either may type") {
  Fixture fixture;
  const Json started = fixture.start();
  const std::string session = *started["session_id"].as_string();
  RawWebSocket other = fixture.server.socket(fixture.path + "/ws?channel=pty");
  other.send(Json::Object{{"type", "pty_connect"}, {"id", "other"}, {"session_id", session}});
  CHECK(other.receive()["type"].as_string() == "pty_started");
  RawWebSocket third = fixture.server.socket(fixture.path + "/ws?channel=pty");
  third.send(Json::Object{
      {"type", "pty_connect"}, {"id", "third"}, {"pid", started["pid"].as_int().value()}});
  CHECK(third.receive()["session_id"].as_string() == session);
  other.send(Fixture::input(session, "echo from''-other; exit 3\n"));
  for (RawWebSocket* socket : {&fixture.socket, &other, &third}) {
    const Outcome outcome = collect(*socket);
    CHECK(outcome.bytes.find("from-other\r\n") != std::string::npos);
    CHECK(outcome.exit_code == 3);
  }
}

TEST_CASE("a session survives its socket") {
  Fixture fixture;
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(Fixture::input(session, "MARK=remembered\n"));
  output_until(fixture.socket, "remembered");
  fixture.socket.socket().close();
  RawWebSocket again = fixture.server.socket(fixture.path + "/ws?channel=pty");
  again.send(Json::Object{{"type", "pty_connect"}, {"id", "again"}, {"session_id", session}});
  CHECK(again.receive()["type"].as_string() == "pty_started");
  again.send(Fixture::input(session, "echo it-was-$MARK; exit\n"));
  CHECK(collect(again).bytes.find("it-was-remembered\r\n") != std::string::npos);
}

TEST_CASE("a large output arrives whole, before the exit, and again after a slow start") {
  Fixture fixture;
  fixture.client.shell(fixture.path, "head -c 8000000 /dev/urandom > random");
  const std::string want = fixture.client.shell(fixture.path, "base64 -w0 random");
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.socket().set_receive_buffer(64 << 10);
  fixture.socket.send(Fixture::input(
      session, "exec sh -c \"stty raw -echo; printf 'BE'GIN; cat random; exit 5\"\n"));
  output_until(fixture.socket, "\r\n");
  std::this_thread::sleep_for(300ms);
  const Outcome outcome = collect(fixture.socket);
  const std::size_t begin = outcome.bytes.find("BEGIN");
  REQUIRE(begin != std::string::npos);
  CHECK(outcome.bytes.size() - begin - 5 == 8'000'000);
  CHECK((nullspace::wire::encode_base64(outcome.bytes.substr(begin + 5)) == want));
  CHECK(outcome.exit_code == 5);
}

TEST_CASE("with nobody attached a terminal does not stand still") {
  Fixture fixture;
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(Fixture::input(session, "head -c 3000000 /dev/zero; echo done > finished\n"));
  fixture.socket.receive();
  fixture.socket.socket().close();
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (fixture.client.shell(fixture.path, "cat finished 2>/dev/null; true") != "done\n") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

TEST_CASE("a job that stays behind does not keep a terminal from ending") {
  Fixture fixture;
  const std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(Fixture::input(session, "(trap '' HUP; sleep 1000) & exit 9\n"));
  CHECK(collect(fixture.socket).exit_code == 9);
}

TEST_CASE("kill, over the socket and over REST") {
  Fixture fixture;
  std::string session = *fixture.start()["session_id"].as_string();
  fixture.socket.send(Fixture::input(session, "sleep 1000 & echo $! > pid; echo job-runs; wait\n"));
  output_until(fixture.socket, "job-runs\r\n");
  fixture.socket.send(Json::Object{{"type", "pty_kill"}, {"id", "pty_1"}, {"session_id", session}});
  CHECK(collect(fixture.socket).exit_code == 137);
  CHECK(fixture.client.shell(fixture.path, "kill -0 $(cat pid) 2>/dev/null || echo gone") ==
        "gone\n");

  session = *fixture.start()["session_id"].as_string();
  CHECK(fixture.client.call("DELETE", fixture.path + "/pty/" + session).status == 204);
  CHECK(collect(fixture.socket).exit_code == 137);
  CHECK(fixture.client.get(fixture.path + "/pty").body == "[]");
}

TEST_CASE("sessions over REST") {
  Fixture fixture;
  CHECK(fixture.client.get(fixture.path + "/pty").body == "[]");
  const Json started = fixture.start({{"cols", 90}, {"rows", 20}});
  const std::string session = *started["session_id"].as_string();
  const Json listed = fixture.client.get(fixture.path + "/pty").json();
  REQUIRE(listed.array().size() == 1);
  CHECK(listed.array()[0] == fixture.client.get(fixture.path + "/pty/" + session).json());
  CHECK(listed.array()[0]["pid"].as_int() == started["pid"].as_int());
  const std::string one = fixture.path + "/pty/" + session;
  CHECK(fixture.client.post(one + "/resize", Json::Object{{"cols", 65'535}, {"rows", 1}}).status ==
        204);
  CHECK(fixture.client.get(one).json()["cols"].as_int() == 65'535);
  for (const char* body : {"", "{}", R"({"cols":0,"rows":1})", R"({"cols":65536,"rows":1})",
                           R"({"cols":1.5,"rows":1})", R"({"cols":80})"}) {
    CAPTURE(body);
    CHECK(fixture.client.call("POST", one + "/resize", body).code() == "invalid_request");
  }
  const std::string unknown = fixture.path + "/pty/ses_none";
  CHECK(fixture.client.get(unknown).code() == "not_found");
  CHECK(fixture.client.call("DELETE", unknown).code() == "not_found");
  CHECK(fixture.client.post(unknown + "/resize", Json::Object{{"cols", 1}, {"rows", 1}}).code() ==
        "not_found");
}

TEST_CASE("terminal messages that are refused") {
  Fixture fixture;
  for (const char* text :
       {R"({"type":"pty_start","id":"x","cols":0})",
        R"({"type":"pty_start","id":"x","rows":70000})",
        R"({"type":"pty_start","id":"x","cwd":"relative"})", R"({"type":"pty_connect","id":"x"})",
        R"({"type":"pty_connect","id":"x","session_id":"s","pid":1})",
        R"({"type":"pty_input","id":"x","session_id":"s"})",
        R"({"type":"pty_input","id":"x","session_id":"s","data":"a","data_base64":"YQ=="})",
        R"({"type":"pty_input","id":"x","session_id":"s","data_base64":"YQ"})",
        R"({"type":"pty_resize","id":"x","session_id":"s","cols":0,"rows":1})"}) {
    CAPTURE(text);
    fixture.socket.send_text(text);
    const Json answer = fixture.socket.receive();
    CHECK(answer["type"].as_string() == "error");
    CHECK(answer["id"].as_string() == "x");
    CHECK(answer["code"].as_string() == "invalid_request");
  }
  for (const char* text :
       {R"({"type":"pty_connect","id":"x","session_id":"ses_none"})",
        R"({"type":"pty_connect","id":"x","pid":999999})",
        R"({"type":"pty_input","id":"x","session_id":"ses_none","data":"a"})",
        R"({"type":"pty_resize","id":"x","session_id":"ses_none","cols":1,"rows":1})",
        R"({"type":"pty_kill","id":"x","session_id":"ses_none"})"}) {
    CAPTURE(text);
    fixture.socket.send_text(text);
    CHECK(fixture.socket.receive()["code"].as_string() == "not_found");
  }
  fixture.socket.send_text(R"({"type":"pty_start","id":"x","cwd":"/no/such/directory"})");
  CHECK(fixture.socket.receive()["code"].as_string() == "invalid_request");
}

// Commands over the WebSocket.
#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using nullspace::test::RawClient;
using nullspace::test::RawWebSocket;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  explicit Fixture(nullspace::local::ServerOptions options = {}) : server(std::move(options)) {}
  TestServer server;
  RawClient client = server.client();
  std::string path = client.create();
  RawWebSocket socket = server.socket(path + "/ws?channel=exec");

  static Json start(const std::string& id, const std::string& command, int timeout_secs = 30) {
    return Json::Object{{"type", "exec_start"},  {"id", id},      {"command", command},
                        {"args", Json::Array{}}, {"shell", true}, {"timeout_secs", timeout_secs}};
  }
  static Json about(const std::string& type, const std::string& id, int pid) {
    return Json::Object{{"type", type}, {"id", id}, {"pid", pid}};
  }
  int started(const std::string& id) {
    const Json message = socket.receive();
    INFO(message.dump());
    REQUIRE(message["type"].as_string() == "exec_started");
    REQUIRE(message["id"].as_string() == id);
    return static_cast<int>(message["pid"].as_int().value());
  }
};

struct Outcome {
  std::string out;
  std::string err;
  Json last;
  std::size_t largest = 0;
};

// Until the terminal message of the only stream.
Outcome collect(RawWebSocket& socket) {
  Outcome outcome;
  while (true) {
    outcome.last = socket.receive();
    const std::string type = outcome.last["type"].as_string().value_or("");
    const std::string data = outcome.last["data"].as_string().value_or("");
    outcome.largest = std::max(outcome.largest, data.size());
    if (type == "exec_stdout") {
      outcome.out += data;
    } else if (type == "exec_stderr") {
      outcome.err += data;
    } else {
      return outcome;
    }
  }
}

}  // namespace

TEST_CASE("started, output, exit: in this order and with their ids") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("exec_1", "echo out; echo err >&2; exit 4"));
  const int pid = fixture.started("exec_1");
  const Outcome outcome = collect(fixture.socket);
  CHECK(outcome.out == "out\n");
  CHECK(outcome.err == "err\n");
  CHECK(outcome.last["type"].as_string() == "exec_exit");
  CHECK(outcome.last["id"].as_string() == "exec_1");
  CHECK(outcome.last["pid"].as_int() == pid);
  CHECK(outcome.last["exit_code"].as_int() == 4);
  // The command stays known to REST.
  const Json logs =
      fixture.client.get(fixture.path + "/processes/" + std::to_string(pid) + "/logs").json();
  CHECK(logs["stdout"].as_string() == "out\n");
  CHECK(logs["exit_code"].as_int() == 4);
}

TEST_CASE("a missing program says so the way a shell does") {
  Fixture fixture;
  fixture.socket.send(
      Json::Object{{"type", "exec_start"}, {"id", "a"}, {"command", "no-such-program"}});
  fixture.started("a");
  const Outcome outcome = collect(fixture.socket);
  CHECK(outcome.err.find("not found") != std::string::npos);
  CHECK(outcome.last["exit_code"].as_int() == 127);
}

TEST_CASE("several commands share a socket") {
  Fixture fixture;
  for (int i = 0; i < 8; ++i) {
    fixture.socket.send(Fixture::start(
        "m" + std::to_string(i), "echo " + std::to_string(i) + "; exit " + std::to_string(i)));
  }
  std::map<std::string, std::string> seen;
  int ended = 0;
  while (ended < 8) {
    const Json message = fixture.socket.receive();
    std::string& trace = seen[message["id"].as_string().value()];
    const std::string type = message["type"].as_string().value();
    if (type == "exec_started") trace += "s";
    if (type == "exec_stdout") trace += message["data"].as_string().value();
    if (type == "exec_exit") {
      trace += "e" + std::to_string(message["exit_code"].as_int().value());
      ++ended;
    }
  }
  for (int i = 0; i < 8; ++i) {
    const std::string number = std::to_string(i);
    CHECK(seen["m" + number] == "s" + number + "\ne" + number);
  }
}

TEST_CASE("an id in use is refused, a used one is free again") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("a", "sleep 1000"));
  const int pid = fixture.started("a");
  fixture.socket.send(Fixture::start("a", "true"));
  CHECK(fixture.socket.receive()["code"].as_string() == "invalid_request");
  fixture.socket.send(Fixture::about("exec_kill", "a", pid));
  CHECK(collect(fixture.socket).last["exit_code"].as_int() == 137);
  fixture.socket.send(Fixture::start("a", "true"));
  fixture.started("a");
  CHECK(collect(fixture.socket).last["exit_code"].as_int() == 0);
}

TEST_CASE("input, its end, and what is too much for a pipe at once") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("w", "wc -c"));
  const int pid = fixture.started("w");
  Json data = Fixture::about("exec_stdin", "w", pid);
  for (int i = 0; i < 8; ++i) {
    Json::Object message = data.object();
    message["data"] = std::string(500'000, 'x');
    fixture.socket.send(message);
  }
  fixture.socket.send(Fixture::about("exec_stdin_close", "w", pid));
  const Outcome outcome = collect(fixture.socket);
  CHECK(outcome.out == "4000000\n");
  CHECK(outcome.last["exit_code"].as_int() == 0);
}

TEST_CASE("the timeout ends with an error after the output") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("t", "echo before; sleep 1000", 1));
  fixture.started("t");
  const Outcome outcome = collect(fixture.socket);
  CHECK(outcome.out == "before\n");
  CHECK(outcome.last["type"].as_string() == "error");
  CHECK(outcome.last["code"].as_string() == "exec_timeout");
  CHECK(outcome.last["message"].as_string()->find("1 s") != std::string::npos);
}

TEST_CASE("a command survives its socket, and another one attaches") {
  Fixture fixture;
  fixture.socket.send(
      Fixture::start("a", "echo early; while [ ! -e go ]; do sleep 0.02; done; echo late; exit 6"));
  const int pid = fixture.started("a");
  CHECK(fixture.socket.receive()["data"].as_string() == "early\n");
  fixture.socket.socket().close();

  RawWebSocket one = fixture.server.socket(fixture.path + "/ws?channel=exec");
  RawWebSocket two = fixture.server.socket(fixture.path + "/ws");
  one.send(Fixture::about("exec_connect", "c1", pid));
  two.send(Fixture::about("exec_connect", "c2", pid));
  CHECK(one.receive()["type"].as_string() == "exec_started");
  CHECK(two.receive()["pid"].as_int() == pid);
  fixture.client.shell(fixture.path, "touch go");
  for (RawWebSocket* socket : {&one, &two}) {
    const Outcome outcome = collect(*socket);
    CHECK(outcome.out == "late\n");
    CHECK(outcome.last["exit_code"].as_int() == 6);
  }
  one.send(Fixture::about("exec_connect", "c3", pid));
  const Json refused = one.receive();
  CHECK(refused["type"].as_string() == "error");
  CHECK(refused["id"].as_string() == "c3");
  CHECK(refused["code"].as_string() == "not_found");
}

TEST_CASE("characters arrive whole and in pieces that clients can take") {
  Fixture fixture;
  fixture.socket.send(Fixture::start(
      "u",
      R"(printf '\303'; sleep 0.1; printf '\244 \342\202'; sleep 0.1; printf '\254 \377\303')"));
  fixture.started("u");
  CHECK(collect(fixture.socket).out == "\xC3\xA4 \xE2\x82\xAC \xEF\xBF\xBD\xEF\xBF\xBD");

  fixture.socket.send(
      Fixture::start("v", "yes \xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC | head -c 3000000"));
  fixture.started("v");
  const Outcome outcome = collect(fixture.socket);
  CHECK(outcome.out.size() == 3'000'000);
  CHECK(outcome.largest <= 65'536);
  CHECK(outcome.out.find("\xEF\xBF\xBD") == std::string::npos);
}

TEST_CASE("all output comes before the exit, however fast it goes") {
  Fixture fixture;
  for (int i = 0; i < 20; ++i) {
    fixture.socket.send(Fixture::start("q", "seq 1 20000"));
    fixture.started("q");
    const Outcome outcome = collect(fixture.socket);
    CHECK(outcome.out.size() == 108'894);
    CHECK(outcome.out.ends_with("\n20000\n"));
  }
}

TEST_CASE("a client that does not read holds its command back, not the server") {
  Fixture fixture;
  RawWebSocket slow = fixture.server.socket(fixture.path + "/ws?channel=exec");
  slow.socket().set_receive_buffer(64 << 10);
  slow.send(Fixture::start(
      "s", "head -c 50000000 /dev/zero | tr '\\0' y; echo >&2; echo done > finished"));
  CHECK(slow.receive()["type"].as_string() == "exec_started");
  // Others are served meanwhile, and the command cannot get to its end.
  for (int i = 0; i < 20; ++i)
    CHECK(fixture.client.shell(fixture.path, "cat finished 2>&1 | head -c 4") == "cat:");
  const Outcome outcome = collect(slow);
  CHECK(outcome.out.size() == 50'000'000);
  CHECK(outcome.last["exit_code"].as_int() == 0);
}

TEST_CASE("with nobody attached a command does not stand still") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("a", "head -c 30000000 /dev/zero; echo done > finished"));
  fixture.started("a");
  fixture.socket.socket().close();
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (fixture.client.shell(fixture.path, "cat finished 2>/dev/null; true") != "done\n") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

TEST_CASE("messages that cannot be understood leave the socket open") {
  Fixture fixture;
  for (const char* text :
       {"nonsense", "", "[]", "{}", "null", R"({"type":1,"id":"a"})", R"({"type":"exec_start"})",
        R"({"type":"unheard_of","id":"a"})", R"({"type":"exec_start","id":"a"})",
        R"({"type":"exec_start","id":"a","command":"x","timeout_secs":0})",
        R"({"type":"exec_start","id":"a","command":"x","shell":true,"args":["y"]})",
        R"({"type":"exec_stdin","id":"a","pid":"1","data":"x"})",
        R"({"type":"exec_connect","id":"a","pid":-1})"}) {
    CAPTURE(text);
    fixture.socket.send_text(text);
    const Json answer = fixture.socket.receive();
    CHECK(answer["type"].as_string() == "error");
    CHECK(answer["message"].as_string()->find("invalid message") != std::string::npos);
  }
  fixture.socket.send_text(std::string(100'000, '['));
  CHECK(fixture.socket.receive()["type"].as_string() == "error");
  fixture.socket.send(Json::Object{
      {"type", "exec_start"}, {"id", "b"}, {"command", "x"}, {"cwd", "/no/such/directory"}});
  CHECK(fixture.socket.receive()["code"].as_string() == "invalid_request");
  fixture.socket.send(Fixture::start("c", "echo fine"));
  fixture.started("c");
  CHECK(collect(fixture.socket).out == "fine\n");
  // JSON in a binary message is JSON.
  fixture.socket.send_frame(0x82, Fixture::start("d", "echo binary").dump());
  fixture.started("d");
  CHECK(collect(fixture.socket).out == "binary\n");
}

TEST_CASE("frames that break the protocol end the connection with their code") {
  Fixture fixture;
  const auto code_after = [&](const std::string& bytes) {
    RawWebSocket socket = fixture.server.socket(fixture.path + "/ws");
    socket.send_bytes(bytes);
    return socket.receive_close();
  };
  CHECK(code_after("\x81\x02{}") == 1002);
  CHECK(code_after(std::string("\x81\x82\0\0\0\0\xFF\xFF", 8)) == 1007);
  RawWebSocket socket = fixture.server.socket(fixture.path + "/ws");
  socket.send_text(std::string(std::size_t{17} << 20U, ' '));
  CHECK(socket.receive_close() == 1009);
  RawWebSocket large = fixture.server.socket(fixture.path + "/ws");
  large.send_text(std::string(std::size_t{16} << 20U, ' '));
  CHECK(large.receive()["type"].as_string() == "error");
}

TEST_CASE("pings come, and a client that does not answer them is given up") {
  nullspace::local::ServerOptions options;
  options.ping_interval = 100ms;
  Fixture fixture(options);
  RawWebSocket quiet = fixture.server.socket(fixture.path + "/ws");
  quiet.answer_pings(false);
  CHECK(quiet.receive_close() == 0);
  CHECK(quiet.pings() == 2);

  // A fresh one: the fixture's own was not listened to meanwhile, and has been given up like the
  // quiet one.
  RawWebSocket lively = fixture.server.socket(fixture.path + "/ws");
  lively.send(Fixture::start("p", "sleep 1; echo still here"));
  CHECK(lively.receive()["type"].as_string() == "exec_started");
  CHECK(collect(lively).out == "still here\n");
  CHECK(lively.pings() >= 3);
}

TEST_CASE("the end of a sandbox reaches everybody attached") {
  Fixture fixture;
  RawWebSocket idle = fixture.server.socket(fixture.path + "/ws");
  fixture.socket.send(Fixture::start("a", "sleep 1000"));
  fixture.started("a");
  CHECK(fixture.client.call("DELETE", fixture.path).status == 200);
  const Json message = fixture.socket.receive();
  CHECK(message["type"].as_string() == "error");
  CHECK(message["id"].as_string() == "a");
  CHECK(message["code"].as_string() == "sandbox_not_found");
  CHECK(fixture.socket.receive_close() == 1000);
  CHECK(idle.receive_close() == 1000);
}

TEST_CASE("a server that stops says goodbye") {
  Fixture fixture;
  fixture.socket.send(Fixture::start("a", "sleep 1000"));
  fixture.started("a");
  std::thread stopper([&] { fixture.server.server.stop(); });
  CHECK(fixture.socket.receive_close() == 1001);
  stopper.join();
}

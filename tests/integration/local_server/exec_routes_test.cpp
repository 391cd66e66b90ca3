// Commands and processes over REST.
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using nullspace::test::RawAnswer;
using nullspace::test::RawClient;
using nullspace::test::TestServer;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  TestServer server;
  RawClient client = server.client();
  std::string path =
      client.create({{"envs", Json::Object{{"FROM_SANDBOX", "yes"}, {"BOTH", "sandbox"}}}});

  RawAnswer exec(Json::Object request) { return client.post(path + "/exec", std::move(request)); }
  Json shell(const std::string& command) {
    const RawAnswer answer = exec({{"command", command}, {"shell", true}});
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    return answer.json();
  }
  int background(const std::string& command) {
    const RawAnswer answer = exec({{"command", command}, {"shell", true}, {"background", true}});
    REQUIRE(answer.status == 200);
    return static_cast<int>(answer.json()["pid"].as_int().value());
  }
  std::string process(int pid) const { return path + "/processes/" + std::to_string(pid); }
  Json logs_when_ended(int pid) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (true) {
      Json logs = client.get(process(pid) + "/logs").json();
      if (logs["exit_code"].as_int()) return logs;
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(10ms);
    }
  }
  // -1 when it is not listed, else whether it runs.
  int listed(int pid) {
    const Json processes = client.get(path + "/processes").json();
    for (const Json& entry : processes.array()) {
      if (entry["pid"].as_int() == pid) return entry["running"].as_bool().value() ? 1 : 0;
    }
    return -1;
  }
};

}  // namespace

TEST_CASE("exit codes, both streams, arguments") {
  Fixture fixture;
  const Json result = fixture.shell("echo out; echo err >&2; exit 3");
  CHECK(result["exit_code"].as_int() == 3);
  CHECK(result["stdout"].as_string() == "out\n");
  CHECK(result["stderr"].as_string() == "err\n");
  CHECK(result["pid"].as_int().value_or(0) > 0);

  const RawAnswer exact =
      fixture.exec({{"command", "printf"}, {"args", Json::Array{"%s|", "a b", "$HOME", "*", ""}}});
  CHECK(exact.json()["stdout"].as_string() == "a b|$HOME|*||");
  CHECK(fixture.shell("kill -9 $$")["exit_code"].as_int() == 137);
  CHECK(fixture.shell("kill -TERM $$")["exit_code"].as_int() == 143);
}

TEST_CASE("a program that is missing or no program") {
  Fixture fixture;
  const Json missing = fixture.exec({{"command", "no-such-program"}}).json();
  CHECK(missing["exit_code"].as_int() == 127);
  CHECK(missing["stderr"].as_string()->find("not found") != std::string::npos);
  const Json no_program = fixture.exec({{"command", "/etc/passwd"}}).json();
  CHECK(no_program["exit_code"].as_int() == 126);
  CHECK(fixture.exec({{"command", "/etc"}}).json()["exit_code"].as_int() == 126);
}

TEST_CASE("environment and directory are the sandbox's, never the host's") {
  ::setenv("NULLSPACE_TEST_LEAK", "leaked", 1);
  Fixture fixture;
  const RawAnswer answer =
      fixture.exec({{"command", "echo $FROM_SANDBOX $BOTH $OWN; cd ~; env"},
                    {"shell", true},
                    {"envs", Json::Object{{"BOTH", "command"}, {"OWN", "yes"}}}});
  const std::string text = *answer.json()["stdout"].as_string();
  CHECK(text.starts_with("yes command yes\n"));
  CHECK(text.find("NULLSPACE_TEST_LEAK") == std::string::npos);
  CHECK(text.find("USER=user\n") != std::string::npos);
  CHECK(text.find("LANG=C.UTF-8\n") != std::string::npos);
  fixture.shell("mkdir -p sub");
  CHECK(
      fixture.exec({{"command", "basename"}, {"args", Json::Array{"x"}}, {"cwd", "/workspace/sub"}})
          .status == 200);
  ::unsetenv("NULLSPACE_TEST_LEAK");
}

TEST_CASE("requests that cannot be run are refused") {
  Fixture fixture;
  for (const char* body :
       {"", "[]", "{}", R"({"command":""})", R"({"command":1})", R"({"command":"a\u0000b"})",
        R"({"command":"x","timeout_secs":0})", R"({"command":"x","timeout_secs":-1})",
        R"({"command":"x","timeout_secs":"1"})", R"({"command":"x","shell":true,"args":["y"]})",
        R"({"command":"x","args":"y"})", R"({"command":"x","args":[1]})",
        R"({"command":"x","cwd":"relative"})", R"({"command":"true","cwd":"/no/such/directory"})",
        R"({"command":"true","cwd":"/etc/passwd"})",
        R"({"command":"true","cwd":"/workspace/.nullspace/x"})",
        R"({"command":"x","envs":{"A":1}})", R"({"command":"x","envs":{"A=B":"c"}})",
        R"({"command":"x","envs":{"":"c"}})"}) {
    CAPTURE(body);
    const RawAnswer answer = fixture.client.call("POST", fixture.path + "/exec", body);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid_request");
  }
  CHECK(fixture.client.post("/v1/sandboxes/none/exec", Json::Object{{"command", "x"}}).code() ==
        "sandbox_not_found");
}

TEST_CASE("time is up: the whole group is killed") {
  Fixture fixture;
  const auto begin = std::chrono::steady_clock::now();
  const RawAnswer answer = fixture.exec(
      {{"command", "sleep 1000 & echo $! > child; wait"}, {"shell", true}, {"timeout_secs", 1}});
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(answer.status == 504);
  CHECK(answer.code() == "exec_timeout");
  CHECK(took >= 1s);
  CHECK(took < 4s);
  CHECK(fixture.shell("kill -0 $(cat child) 2>/dev/null; echo $?")["stdout"].as_string() == "1\n");
}

TEST_CASE("the input of a foreground command is at its end") {
  Fixture fixture;
  CHECK(fixture.shell("cat; echo done")["stdout"].as_string() == "done\n");
}

TEST_CASE("what a command leaves behind does not hold it up, and lives on") {
  Fixture fixture;
  const auto begin = std::chrono::steady_clock::now();
  fixture.shell("(sleep 0.3; echo late; echo alive > proof; sleep 1000) & echo started");
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (fixture.shell("cat proof 2>/dev/null")["stdout"].as_string() != "alive\n") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

TEST_CASE("sixteen MiB come whole, more are refused") {
  Fixture fixture;
  const Json whole = fixture.shell("head -c 16777216 /dev/zero | tr '\\0' x");
  CHECK(whole["stdout"].as_string()->size() == 16'777'216);
  const RawAnswer more = fixture.exec({{"command", "echo $$ > pid; exec yes"}, {"shell", true}});
  CHECK(more.status == 502);
  CHECK(more.code() == "exec_failed");
  CHECK(more.json()["error"].as_string()->find("16 MiB") != std::string::npos);
  CHECK(fixture.shell("kill -0 $(cat pid) 2>/dev/null || echo gone")["stdout"].as_string() ==
        "gone\n");
}

TEST_CASE("bytes that are no text are replaced") {
  Fixture fixture;
  CHECK(fixture.shell(R"(printf 'a\377b\303')")["stdout"].as_string() ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD");
  CHECK(fixture.shell(R"(printf 'a\000b')")["stdout"].as_string() == std::string("a\0b", 3));
}

TEST_CASE("a background command: list, input, logs, end") {
  Fixture fixture;
  const int pid = fixture.background("read line; echo got $line; echo oops >&2; exit 5");
  CHECK(fixture.listed(pid) == 1);
  const Json early = fixture.client.get(fixture.process(pid) + "/logs").json();
  CHECK(early["output"].as_string() == "");
  CHECK(early.object().contains("exit_code"));
  CHECK_FALSE(early["exit_code"].as_int());
  CHECK(fixture.client.post(fixture.process(pid) + "/stdin", Json::Object{{"data", "hello\n"}})
            .status == 204);
  const Json logs = fixture.logs_when_ended(pid);
  CHECK(logs["exit_code"].as_int() == 5);
  CHECK(logs["stdout"].as_string() == "got hello\n");
  CHECK(logs["stderr"].as_string() == "oops\n");
  CHECK(logs["output"].as_string()->size() == 15);
  CHECK(fixture.listed(pid) == 0);
  CHECK(fixture.client.post(fixture.process(pid) + "/stdin", Json::Object{{"data", "x"}}).status ==
        404);
  CHECK(fixture.client.call("POST", fixture.process(pid) + "/stdin", "{}").status == 400);
}

TEST_CASE("a background command outlives its timeout and dies of a kill") {
  Fixture fixture;
  const RawAnswer answer = fixture.exec({{"command", "sleep 1000 & echo $! > child; wait"},
                                         {"shell", true},
                                         {"background", true},
                                         {"timeout_secs", 1}});
  const int pid = static_cast<int>(answer.json()["pid"].as_int().value());
  std::this_thread::sleep_for(1200ms);
  CHECK(fixture.listed(pid) == 1);
  CHECK(fixture.client.post(fixture.process(pid) + "/kill").status == 204);
  CHECK(fixture.logs_when_ended(pid)["exit_code"].as_int() == 137);
  CHECK(fixture.shell("kill -0 $(cat child) 2>/dev/null || echo gone")["stdout"].as_string() ==
        "gone\n");
}

TEST_CASE("other processes of the sandbox are listed and can be killed") {
  Fixture fixture;
  const std::string pid =
      *fixture.shell("setsid sleep 1000 >/dev/null 2>&1 & echo -n $!")["stdout"].as_string();
  CHECK(fixture.listed(std::stoi(pid)) == 1);
  CHECK(fixture.client.get(fixture.path + "/processes/" + pid + "/logs").status == 404);
  CHECK(fixture.client.post(fixture.path + "/processes/" + pid + "/kill").status == 204);
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (fixture.listed(std::stoi(pid)) != -1) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(10ms);
  }
}

TEST_CASE("unknown processes are not found") {
  Fixture fixture;
  for (const char* pid : {"999999", "0", "-1", "x", "1%2F2", "99999999999999999999"}) {
    CAPTURE(pid);
    const std::string base = fixture.path + "/processes/" + pid;
    CHECK(fixture.client.get(base + "/logs").code() == "not_found");
    CHECK(fixture.client.post(base + "/kill").code() == "not_found");
    CHECK(fixture.client.post(base + "/stdin", Json::Object{{"data", ""}}).code() == "not_found");
  }
}

TEST_CASE("logs keep the last eight MiB of each stream") {
  Fixture fixture;
  const int pid = fixture.background("yes 123456789 | head -c 20000000; echo end");
  const Json logs = fixture.logs_when_ended(pid);
  const std::string text = *logs["stdout"].as_string();
  CHECK(text.size() == std::size_t{8} << 20U);
  CHECK(text.ends_with("\nend\n"));
}

TEST_CASE("a client that leaves does not take its command with it") {
  Fixture fixture;
  {
    nullspace::test::RawSocket socket(fixture.server.server.port());
    const std::string body = R"({"command":"sleep 0.3; echo ran > proof","shell":true})";
    socket.send("POST " + fixture.path +
                "/exec HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n"
                "Content-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (fixture.shell("cat proof 2>/dev/null")["stdout"].as_string() != "ran\n") {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(20ms);
  }
}

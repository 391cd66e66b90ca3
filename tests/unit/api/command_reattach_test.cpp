#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::BackgroundOptions;
using nullspace::Command;
using nullspace::CommandResult;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::StateChange;
using nullspace::TransportFailureKind;

namespace {

using Words = std::vector<std::string>;

std::string logs(std::string_view out, std::optional<int> code) {
  return Json(Json::Object{{"stdout", out},
                           {"stderr", ""},
                           {"output", out},
                           {"exit_code", code ? Json(*code) : Json()}})
      .dump();
}

// A server that starts commands and lets one come back to them.
void serve_both(const ScriptedClient& scripted) {
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    const std::string type = type_of(message);
    if (type == "exec_start" || type == "exec_connect") peer.push(exec_started());
  });
}

// One whose commands have ended by the time one comes back.
void serve_start_only(const ScriptedClient& scripted) {
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    const std::string type = type_of(message);
    if (type == "exec_start") peer.push(exec_started());
    if (type == "exec_connect") peer.push(stream_error("no such process", "not_found"));
  });
}

BackgroundOptions noting(Reported<std::string>& words) {
  return {
      .on_stdout = [&words](std::string_view text) { words.add(std::string(text)); },
      .on_exit =
          [&words](const CommandResult& result) {
            words.add("exit:" + std::to_string(result.exit_code) + ":" + result.stdout_text);
          },
      .on_error = [&words](const Error& error) { words.add("error:" + error.code()); },
      .on_state_change =
          [&words](const StateChange& change) { words.add(std::string(to_string(change.state))); }};
}

}  // namespace

TEST_CASE("a live command is attached to again by its pid, and its result is complete") {
  const ScriptedClient scripted;
  serve_both(scripted);
  const Sandbox sandbox = scripted.sandbox();
  Reported<std::string> words;
  Command command = sandbox.commands().run_background("job", noting(words));
  const auto first = scripted.network->next_peer();
  first->push(exec_stdout("a"));
  REQUIRE(words.wait_for(1));
  first->fail(TransportFailureKind::peer_gone, "no pong");
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  const Json hello = Json::parse(second->wait_sent(0));
  CHECK(hello["type"].as_string() == "exec_connect");
  CHECK(hello["pid"].as_int() == 502);
  REQUIRE(words.wait_for(3));
  CHECK(command.connected());
  // The log may get its exit code a moment later.
  scripted.http->push(response(200, logs("abc", std::nullopt)));
  scripted.http->push(response(200, logs("abc", 5)));
  second->push(exec_stdout("c"));
  second->push(exec_exit(5));
  REQUIRE(words.wait_for(5));
  CHECK(words.all() == Words{"a", "reconnecting", "connected", "c", "exit:5:abc"});
  const CommandResult result = command.wait();
  CHECK(result.exit_code == 5);
  CHECK(result.stdout_text == "abc");
}

TEST_CASE("a command that ended while nobody was attached is told by its log") {
  const ScriptedClient scripted;
  serve_start_only(scripted);
  const Sandbox sandbox = scripted.sandbox();
  Reported<std::string> words;
  Command command = sandbox.commands().run_background("job", noting(words));
  scripted.http->push(response(200, logs("all of it", 0)));
  scripted.network->next_peer()->close(1000);
  REQUIRE(words.wait_for(2));
  CHECK(words.all() == Words{"reconnecting", "exit:0:all of it"});
  CHECK(command.wait().stdout_text == "all of it");
}

TEST_CASE("a streamed run survives a cut of its connection") {
  const ScriptedClient scripted;
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    peer.push(exec_started());
    if (type_of(message) == "exec_start") {
      peer.push(exec_stdout("a"));
      peer.fail(TransportFailureKind::receive);
    } else {
      peer.push(exec_stdout("c"));
      peer.push(exec_exit(9));
    }
  });
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, logs("abc", 9)));
  std::string heard;
  Words states;
  const CommandResult result = sandbox.commands().run(
      "job",
      {.on_stdout = [&](std::string_view text) { heard += text; },
       .on_state_change =
           [&](const StateChange& change) { states.emplace_back(to_string(change.state)); }});
  CHECK(heard == "ac");
  CHECK(result.exit_code == 9);
  CHECK(result.stdout_text == "abc");
  CHECK(states == Words{"reconnecting", "connected"});
}

TEST_CASE("half a character before a cut is not completed by what comes after it") {
  const ScriptedClient scripted;
  serve_both(scripted);
  const Sandbox sandbox = scripted.sandbox();
  Reported<std::string> words;
  const Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&words](std::string_view text) { words.add(std::string(text)); }});
  const auto first = scripted.network->next_peer();
  first->push(raw_exec_stdout("x\xc3"));
  REQUIRE(words.wait_for(1));
  first->fail(TransportFailureKind::receive);
  const auto second = scripted.network->next_peer();
  REQUIRE(second);
  second->push(raw_exec_stdout("\xa4y"));
  REQUIRE(words.wait_for(3));
  CHECK(words.all()[1] == "\xef\xbf\xbd");
}

TEST_CASE("a command that has not got its pid cannot be come back to") {
  const ScriptedClient scripted;
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& /*message*/) {
    peer.fail(TransportFailureKind::receive);
  });
  const Sandbox sandbox = scripted.sandbox();
  const Error error = thrown_by(
      [&] { (void)sandbox.commands().run("job", {.on_stdout = [](std::string_view) {}}); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(scripted.network->count() == 1);
}

TEST_CASE("a streamed run that is stopped while its log is asked for is stopped") {
  const ScriptedClient scripted;
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    if (type_of(message) == "exec_start") {
      peer.push(exec_started());
      peer.close(1000);
    } else {
      peer.push(stream_error("no such process", "not_found"));
    }
  });
  const Sandbox sandbox = scripted.sandbox();
  std::stop_source stop;
  scripted.http->push_silence();
  std::thread impatient([&] {
    if (scripted.http->wait_for_requests(1)) stop.request_stop();
  });
  const Error error = thrown_by([&] {
    (void)sandbox.commands().run("job",
                                 {.on_stdout = [](std::string_view) {}, .stop = stop.get_token()});
  });
  impatient.join();
  CHECK(error.kind() == ErrorKind::cancelled);
}

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"
#include "tests/unit/api/thread_pool.hpp"

using namespace nullspace::tests;
using nullspace::BackgroundOptions;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Command;
using nullspace::CommandResult;
using nullspace::Deadline;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kSoon{1};

std::string logs(std::string_view out, std::string_view err, std::optional<int> code) {
  return Json(Json::Object{{"stdout", out},
                           {"stderr", err},
                           {"output", std::string(out) + std::string(err)},
                           {"exit_code", code ? Json(*code) : Json()}})
      .dump();
}

std::string processes(int pid, bool running) {
  return Json(Json::Array{Json::Object{{"pid", pid}, {"command", "x"}, {"running", running}}})
      .dump();
}

// A server whose commands start at once; what they say is up to the test.
void serve_start(const ScriptedClient& scripted) {
  serve(*scripted.network, "exec_start", [](ScriptedPeer& peer) { peer.push(exec_started()); });
}

}  // namespace

TEST_CASE("without callbacks a background command is one request and no socket") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(
      200, GENERATE(R"({"pid":77})", R"({"pid":77,"exit_code":0,"stdout":"","stderr":""})")));
  const Command command = sandbox.commands().run_background("server");
  CHECK(command.pid() == 77);
  CHECK_FALSE(command.connected());
  const Json body = Json::parse(scripted.http->request(0).body);
  CHECK(body["background"].as_bool() == true);
  CHECK(body["timeout_secs"].as_int() == 86'400);
  CHECK(scripted.http->request(0).timeout == seconds{30});
  CHECK(scripted.network->count() == 0);
}

TEST_CASE("a command without a socket is waited for by asking") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"pid":77})"));
  Command command = sandbox.commands().run_background("job");
  scripted.http->push(response(200, processes(77, true)));
  // A server that does not answer this time may answer the next.
  scripted.http->push(failure(TransportFailureKind::receive));
  scripted.http->push(failure(TransportFailureKind::timeout));
  scripted.http->push(
      response(200, GENERATE(processes(77, false), processes(78, true), std::string("[]"))));
  // The exit code may come a moment after the process went.
  scripted.http->push(response(200, logs("out", "err", std::nullopt)));
  scripted.http->push(failure(TransportFailureKind::receive));
  scripted.http->push(response(200, logs("out", "err", 9)));
  const CommandResult result = command.wait({.poll_interval = kSoon});
  CHECK(result.exit_code == 9);
  CHECK(result.stdout_text == "out");
  CHECK(result.stderr_text == "err");
  CHECK(result.pid == 77);
  CHECK(scripted.http->count() == 8);
}

TEST_CASE("waiting without a socket has a deadline, for each of its requests, too") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"pid":77})"));
  Command command = sandbox.commands().run_background("job");
  scripted.http->forget();
  scripted.http->answer_with(
      [](const nullspace::HttpRequest&) { return response(200, processes(77, true)); });
  const Error error =
      thrown_by([&] { (void)command.wait({.timeout = milliseconds{50}, .poll_interval = kSoon}); });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::caller);
  for (const auto& request : scripted.http->requests())
    CHECK(request.timeout <= milliseconds{50});
}

TEST_CASE("a request that runs out of the wait's time is the wait's time-out") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"pid":77})"));
  Command command = sandbox.commands().run_background("job");
  scripted.http->push(failure(TransportFailureKind::timeout));
  const Error error = thrown_by([&] { (void)command.wait({.timeout = milliseconds{0}}); });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.message().find("77") != std::string::npos);
}

TEST_CASE("waiting without a socket ends when the server says no, or the caller does") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"pid":77})"));
  Command command = sandbox.commands().run_background("job");
  SECTION("gone") {
    scripted.http->push(response(404, error_body("sandbox_not_found")));
    CHECK(thrown_by([&] { (void)command.wait(); }).kind() == ErrorKind::not_found);
  }
  SECTION("stopped between two requests") {
    std::stop_source stop;
    scripted.http->answer_with([&stop](const nullspace::HttpRequest&) {
      stop.request_stop();
      return response(200, processes(77, true));
    });
    CHECK(thrown_by([&] {
            (void)command.wait({.poll_interval = seconds{30}, .stop = stop.get_token()});
          }).kind() == ErrorKind::cancelled);
  }
  SECTION("stopped inside a request") {
    scripted.http->push_silence();
    std::stop_source stop;
    std::jthread stopper([&] {
      if (scripted.http->wait_for_requests(2)) stop.request_stop();
    });
    CHECK(thrown_by([&] { (void)command.wait({.stop = stop.get_token()}); }).kind() ==
          ErrorKind::cancelled);
  }
}

TEST_CASE("a live command reports in order on another thread, and ends once") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::string> heard;
  Reported<std::thread::id> threads;
  Command command = sandbox.commands().run_background(
      "job",
      {.on_stdout =
           [&](std::string_view text) {
             threads.add(std::this_thread::get_id());
             heard.add("o:" + std::string(text));
           },
       .on_stderr = [&](std::string_view text) { heard.add("e:" + std::string(text)); },
       .on_exit =
           [&](const CommandResult& result) {
             heard.add("exit:" + std::to_string(result.exit_code) + ":" + result.stdout_text);
           },
       .on_error = [&](const Error& error) { heard.add("error:" + error.code()); }});
  CHECK(command.pid() == 502);
  CHECK(command.connected());
  const auto peer = scripted.network->peer(0);
  peer->push(exec_stdout("a"));
  peer->push(exec_stderr("b"));
  peer->push(exec_stdout("c"));
  peer->push(exec_exit(4));
  peer->push(exec_exit(5));
  REQUIRE(heard.wait_for(4));
  CHECK(peer->wait_closed());
  CHECK(heard.all() == std::vector<std::string>{"o:a", "e:b", "o:c", "exit:4:ac"});
  CHECK(threads.all().at(0) != std::this_thread::get_id());
  CHECK_FALSE(command.connected());
  // What it brought is there for whoever asks later, as often as they like.
  CHECK(command.wait().exit_code == 4);
  CHECK(command.wait().stdout_text == "ac");
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("a character that was never completed comes before the end") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::string> heard;
  std::optional<Command> command;
  Door assigned;
  SECTION("and may be the moment to wait for the command") {
    command = sandbox.commands().run_background(
        "job", {.on_stdout =
                    [&](std::string_view text) {
                      if (!assigned.wait()) return;
                      heard.add(std::string(text));
                      if (text.ends_with("\xBD"))
                        heard.add(std::to_string(command->wait().exit_code));
                    },
                .on_exit = [&](const CommandResult&) { heard.add("exit"); }});
    assigned.open();
    scripted.network->peer(0)->push(raw_exec_stdout("x\xC3"));
    scripted.network->peer(0)->push(exec_exit(7));
    REQUIRE(heard.wait_for(4));
    CHECK(heard.all() == std::vector<std::string>{"x", "\xEF\xBF\xBD", "7", "exit"});
  }
  SECTION("and its callback may throw: the exit code stays, the mistake is reported") {
    command = sandbox.commands().run_background(
        "job", {.on_stdout =
                    [&](std::string_view text) {
                      if (text.ends_with("\xBD")) throw std::runtime_error("mine");
                    },
                .on_exit = [&](const CommandResult&) { heard.add("exit"); },
                .on_error = [&](const Error& error) { heard.add(error.code()); }});
    scripted.network->peer(0)->push(raw_exec_stdout("x\xC3"));
    scripted.network->peer(0)->push(exec_exit(7));
    REQUIRE(heard.wait_for(1));
    CHECK(heard.all() == std::vector<std::string>{"callback_failed"});
    CHECK(command->wait().exit_code == 7);
  }
}

TEST_CASE("a background command that does not start is an error of the call") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  Reported<std::string> heard;
  const BackgroundOptions options{.on_stdout = [](std::string_view) {},
                                  .on_error = [&](const Error& e) { heard.add(e.code()); }};
  SECTION("refused") {
    serve(*scripted.network, "exec_start",
          [](ScriptedPeer& peer) { peer.push(stream_error("no", "exec_failed")); });
    CHECK(thrown_by([&] { (void)sandbox.commands().run_background("x", options); }).code() ==
          "exec_failed");
  }
  SECTION("closed") {
    serve(*scripted.network, "exec_start", [](ScriptedPeer& peer) { peer.close(); });
    CHECK(thrown_by([&] { (void)sandbox.commands().run_background("x", options); }).kind() ==
          ErrorKind::transport);
  }
  SECTION("over before it began") {
    serve(*scripted.network, "exec_start", [](ScriptedPeer& peer) { peer.push(exec_exit()); });
    CHECK(thrown_by([&] { (void)sandbox.commands().run_background("x", options); }).kind() ==
          ErrorKind::invalid_response);
  }
  SECTION("stopped") {
    std::stop_source stop;
    serve(*scripted.network, "exec_start", [&stop](ScriptedPeer&) { stop.request_stop(); });
    BackgroundOptions stoppable = options;
    stoppable.stop = stop.get_token();
    CHECK(thrown_by([&] { (void)sandbox.commands().run_background("x", stoppable); }).kind() ==
          ErrorKind::cancelled);
  }
  CHECK(scripted.network->peer(0)->wait_closed());
}

TEST_CASE("a server that never says that it started is left in time") {
  const ScriptedClient scripted;
  ClientOptions client_options = scripted.options();
  client_options.timeouts.websocket_open = milliseconds{50};
  const Sandbox sandbox = scripted.sandbox(Client(client_options));
  serve(*scripted.network, "exec_start", [](ScriptedPeer&) {});
  const Error error = thrown_by([&] {
    (void)sandbox.commands().run_background("x", {.on_stdout = [](std::string_view) {}});
  });
  CHECK(error.kind() == ErrorKind::timeout);
  CHECK(error.deadline() == Deadline::connect);
}

TEST_CASE("a callback that throws ends its stream, and is reported") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<Error> errors;
  std::atomic<int> calls{0};
  std::atomic<int> exits{0};
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout =
                  [&](std::string_view) {
                    ++calls;
                    throw std::runtime_error("mine");
                  },
              .on_exit = [&](const CommandResult&) { ++exits; },
              .on_error = [&](const Error& error) { errors.add(error); }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  scripted.network->peer(0)->push(exec_stdout("b"));
  scripted.network->peer(0)->push(exec_exit());
  REQUIRE(errors.wait_for(1));
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(errors.all()[0].kind() == ErrorKind::callback);
  CHECK(errors.all()[0].message().find("mine") != std::string::npos);
  CHECK(errors.all()[0].info().partial_stdout == "a");
  CHECK(thrown_by([&] { (void)command.wait(); }).kind() == ErrorKind::callback);
  CHECK(calls == 1);
  CHECK(exits == 0);
  CHECK(errors.count() == 1);
}

TEST_CASE("other streams do not notice a callback that throws") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Command bad =
      sandbox.commands().run_background("bad", {.on_stdout = [](std::string_view) { throw 7; }});
  Reported<std::string> heard;
  Command good = sandbox.commands().run_background(
      "good", {.on_stdout = [&](std::string_view text) { heard.add(std::string(text)); }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  scripted.network->peer(1)->push(exec_stdout("b"));
  CHECK(heard.wait_for(1));
}

TEST_CASE("a thread that waits handles the stream itself") {
  const ScriptedClient scripted;
  HeldTasks held;
  ClientOptions options = scripted.options();
  options.executor = held.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  std::vector<std::string> heard;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view text) { heard.emplace_back(text); },
              .on_exit = [&](const CommandResult&) { heard.emplace_back("exit"); }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  scripted.network->peer(0)->push(exec_stdout("b"));
  scripted.network->peer(0)->push(exec_exit());
  CHECK(command.wait().stdout_text == "ab");
  CHECK(heard == std::vector<std::string>{"a", "b", "exit"});
  held.run_all();
  CHECK(heard.size() == 3);
}

TEST_CASE("while a thread waits the executor leaves its stream alone") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::thread::id> threads;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view) { threads.add(std::this_thread::get_id()); }});
  const std::thread::id waiting = std::this_thread::get_id();
  std::size_t first = 0;
  std::jthread server([&] {
    const auto peer = scripted.network->peer(0);
    // One at a time until the wait has taken over; from then on all are its.
    std::size_t pushed = 0;
    do {
      peer->push(exec_stdout("x"));
      if (!threads.wait_for(++pushed)) break;
    } while (threads.all().back() != waiting);
    first = pushed;
    for (int i = 0; i < 200; ++i)
      peer->push(exec_stdout("x"));
    peer->push(exec_exit());
  });
  (void)command.wait();
  server.join();
  const auto ids = threads.all();
  REQUIRE(ids.size() == first + 200);
  CHECK(std::all_of(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end(),
                    [&](std::thread::id id) { return id == waiting; }));
}

TEST_CASE("a command can be waited for in its own callbacks") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::string> heard;
  std::optional<Command> command;
  Door assigned;
  const auto wait_for_it = [&] {
    if (!assigned.wait()) return;
    heard.add("waited:" + std::to_string(command->wait().exit_code));
  };
  SECTION("in on_stdout") {
    bool first = true;
    command = sandbox.commands().run_background(
        "job", {.on_stdout = [&, first](std::string_view text) mutable {
          heard.add(std::string(text));
          if (std::exchange(first, false)) wait_for_it();
        }});
    assigned.open();
    scripted.network->peer(0)->push(exec_stdout("a"));
    REQUIRE(heard.wait_for(1));
    // This arrives while the first callback is still inside, and is delivered in its wait.
    scripted.network->peer(0)->push(exec_stdout("b"));
    scripted.network->peer(0)->push(exec_exit(6));
    REQUIRE(heard.wait_for(3));
    CHECK(heard.all() == std::vector<std::string>{"a", "b", "waited:6"});
  }
  SECTION("in on_exit") {
    command = sandbox.commands().run_background(
        "job", {.on_exit = [&](const CommandResult&) { wait_for_it(); }});
    assigned.open();
    scripted.network->peer(0)->push(exec_exit(6));
    REQUIRE(heard.wait_for(1));
    CHECK(heard.all()[0] == "waited:6");
  }
}

TEST_CASE("a command can be waited for on the callback thread of another stream") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::string> heard;
  Command second = sandbox.commands().run_background(
      "second", {.on_stdout = [&](std::string_view text) { heard.add(std::string(text)); }});
  Command first = sandbox.commands().run_background(
      "first", {.on_stdout = [&](std::string_view) {
        // The only callback thread: nobody else could deliver what this waits for.
        heard.add("code:" + std::to_string(second.wait().exit_code));
      }});
  scripted.network->peer(1)->push(exec_stdout("go"));
  scripted.network->peer(0)->push(exec_stdout("b"));
  scripted.network->peer(0)->push(exec_exit(8));
  REQUIRE(heard.wait_for(2));
  CHECK(heard.all() == std::vector<std::string>{"b", "code:8"});
}

TEST_CASE("several threads may wait for one command") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<int> seen;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view) { seen.add(0); }});
  Reported<int> codes;
  {
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 5; ++i)
      waiters.emplace_back([&] { codes.add(command.wait().exit_code); });
    for (int i = 0; i < 50; ++i)
      scripted.network->peer(0)->push(exec_stdout("x"));
    scripted.network->peer(0)->push(exec_exit(3));
    CHECK(codes.wait_for(5));
  }
  CHECK(codes.all() == std::vector<int>(5, 3));
  CHECK(seen.count() == 50);
}

TEST_CASE("a wait that is over leaves the stream to the executor") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<std::string> heard;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view text) { heard.add(std::string(text)); }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  const Error error = thrown_by([&] { (void)command.wait({.timeout = milliseconds{20}}); });
  CHECK(error.deadline() == Deadline::caller);
  CHECK(error.info().partial_stdout == "a");
  std::stop_source stop;
  stop.request_stop();
  CHECK(thrown_by([&] { (void)command.wait({.stop = stop.get_token()}); }).kind() ==
        ErrorKind::cancelled);
  CHECK(command.connected());
  scripted.network->peer(0)->push(exec_stdout("b"));
  REQUIRE(heard.wait_for(2));
  CHECK(heard.all() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("after disconnect no callback runs, and none is running") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Door inside;
  Door leave;
  std::atomic<bool> left{false};
  std::atomic<int> calls{0};
  Command command = sandbox.commands().run_background("job", {.on_stdout = [&](std::string_view) {
                                                        ++calls;
                                                        inside.open();
                                                        (void)leave.wait();
                                                        left = true;
                                                      }});
  const auto peer = scripted.network->peer(0);
  peer->push(exec_stdout("a"));
  peer->push(exec_stdout("b"));
  REQUIRE(inside.wait());
  std::jthread opener([&] {
    // The socket is closed before anybody is waited for.
    (void)peer->wait_closed();
    leave.open();
  });
  command.disconnect();
  CHECK(left);
  CHECK(calls == 1);
  CHECK_FALSE(command.connected());
  peer->push(exec_stdout("c"));
  scripted.network->settle();
  CHECK(calls == 1);
  // The process was left alone.
  CHECK(peer->sent().size() == 1);
  command.disconnect();
}

TEST_CASE("a callback may disconnect, or destroy, its own command: it is the last one then") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Door assigned;
  Reported<std::string> heard;
  std::optional<Command> command;
  const bool destroy = GENERATE(false, true);
  const bool throws = GENERATE(false, true);
  command = sandbox.commands().run_background(
      "job", {.on_stdout =
                  [&](std::string_view text) {
                    if (!assigned.wait()) return;
                    heard.add(std::string(text));
                    if (destroy) {
                      command.reset();
                    } else {
                      command->disconnect();
                    }
                    if (throws) throw std::runtime_error("on its way out");
                  },
              .on_exit = [&](const CommandResult&) { heard.add("exit"); },
              .on_error = [&](const Error&) { heard.add("error"); }});
  assigned.open();
  const auto peer = scripted.network->peer(0);
  peer->push(exec_stdout("a"));
  peer->push(exec_stdout("b"));
  peer->push(exec_exit());
  CHECK(peer->wait_closed());
  scripted.network->settle();
  // Whatever was still to be delivered would come before this.
  Reported<int> after;
  Command other = sandbox.commands().run_background(
      "other", {.on_stdout = [&](std::string_view) { after.add(0); }});
  scripted.network->peer(1)->push(exec_stdout("x"));
  REQUIRE(after.wait_for(1));
  CHECK(heard.all() == std::vector<std::string>{"a"});
}

TEST_CASE("a callback of a wait may disconnect or destroy the command that is waited for") {
  const ScriptedClient scripted;
  HeldTasks held;
  ClientOptions options = scripted.options();
  options.executor = held.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  std::optional<Command> command;
  std::vector<std::string> heard;
  const bool destroy = GENERATE(false, true);
  command = sandbox.commands().run_background("job", {.on_stdout = [&](std::string_view text) {
                                                heard.emplace_back(text);
                                                if (destroy) {
                                                  command.reset();
                                                } else {
                                                  command->disconnect();
                                                }
                                              }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  scripted.network->peer(0)->push(exec_stdout("b"));
  // Without a stream the wait goes on by asking.
  scripted.http->push(response(200, processes(502, false)));
  scripted.http->push(response(200, logs("a and b", "", 2)));
  CHECK(command->wait({.poll_interval = kSoon}).exit_code == 2);
  CHECK(heard == std::vector<std::string>{"a"});
  held.run_all();
  CHECK(heard.size() == 1);
}

TEST_CASE("disconnecting wakes whoever waits for the command inside a callback") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Door assigned;
  Door waiting;
  Reported<std::string> heard;
  std::optional<Command> command;
  command = sandbox.commands().run_background("job", {.on_stdout = [&](std::string_view) {
                                                if (!assigned.wait()) return;
                                                waiting.open();
                                                try {
                                                  (void)command->wait({.poll_interval = kSoon});
                                                } catch (const Error& error) {
                                                  heard.add(error.code());
                                                }
                                              }});
  assigned.open();
  scripted.http->push(response(404, error_body("sandbox_not_found")));
  scripted.network->peer(0)->push(exec_stdout("a"));
  REQUIRE(waiting.wait());
  // Waits for the callback, which waits for the stream: one of them has to give way.
  command->disconnect();
  CHECK(heard.all() == std::vector<std::string>{"sandbox_not_found"});
}

TEST_CASE("destroying the handle leaves the process alone") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  {
    const Command command =
        sandbox.commands().run_background("job", {.on_stdout = [](std::string_view) {}});
  }
  const auto peer = scripted.network->peer(0);
  CHECK(peer->wait_closed());
  CHECK(peer->client_close_code() == 1000);
  CHECK(peer->sent().size() == 1);
}

TEST_CASE("a handle that gets another command lets go of its own") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Command command = sandbox.commands().run_background("a", {.on_stdout = [](std::string_view) {}});
  command = sandbox.commands().run_background("b", {.on_stdout = [](std::string_view) {}});
  CHECK(scripted.network->peer(0)->wait_closed());
  CHECK(command.connected());
}

TEST_CASE("a lost stream is reported, and the command is waited for by asking") {
  const ScriptedClient scripted{.reconnects = false};
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Reported<Error> errors;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [](std::string_view) {},
              .on_error = [&](const Error& error) { errors.add(error); }});
  scripted.network->peer(0)->push(exec_stdout("seen"));
  scripted.network->peer(0)->fail(TransportFailureKind::peer_gone, "no pong");
  REQUIRE(errors.wait_for(1));
  CHECK(errors.all()[0].kind() == ErrorKind::transport);
  CHECK_FALSE(command.connected());
  scripted.http->push(response(200, processes(502, true)));
  scripted.http->push(response(200, processes(502, false)));
  scripted.http->push(response(200, logs("seen and unseen", "", 5)));
  const CommandResult result = command.wait({.poll_interval = kSoon});
  CHECK(result.exit_code == 5);
  CHECK(result.stdout_text == "seen and unseen");
  CHECK(errors.count() == 1);
}

TEST_CASE("an error frame is final, asking would not help") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  Command command =
      sandbox.commands().run_background("job", {.on_stdout = [](std::string_view) {}});
  scripted.network->peer(0)->push(stream_error("took too long", "exec_timeout"));
  const Error error = thrown_by([&] { (void)command.wait(); });
  CHECK(error.deadline() == Deadline::command);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("connecting attaches to a process, and waiting merges the log with the stream") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve(*scripted.network, "exec_connect", [](ScriptedPeer& peer) { peer.push(exec_started(12)); });
  Reported<std::string> heard;
  Command command = sandbox.commands().connect(
      12, {.on_stdout = [&](std::string_view text) { heard.add(std::string(text)); }});
  const auto peer = scripted.network->peer(0);
  const Json hello = Json::parse(peer->wait_sent(0));
  CHECK(hello["type"].as_string() == "exec_connect");
  CHECK(hello["pid"].as_int() == 12);
  CHECK(command.pid() == 12);
  peer->push(exec_stdout("now"));
  peer->push(exec_exit(1));
  REQUIRE(heard.wait_for(1));
  SECTION("the log has more") {
    scripted.http->push(response(200, logs("before and now", "err", 1)));
    const CommandResult result = command.wait();
    CHECK(result.stdout_text == "before and now");
    CHECK(result.stderr_text == "err");
    CHECK(result.exit_code == 1);
  }
  SECTION("the log has less") {
    scripted.http->push(response(200, logs("", "", std::nullopt)));
    CHECK(command.wait().stdout_text == "now");
  }
  SECTION("there is no log any more") {
    scripted.http->push(response(404, error_body("not_found")));
    const CommandResult result = command.wait();
    CHECK(result.stdout_text == "now");
    CHECK(result.exit_code == 1);
  }
}

TEST_CASE("connecting to a process that is gone is an error") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve(*scripted.network, "exec_connect",
        [](ScriptedPeer& peer) { peer.push(stream_error("process 12 is not running")); });
  CHECK(thrown_by([&] { (void)sandbox.commands().connect(12); }).message() ==
        "process 12 is not running");
}

TEST_CASE("standard input is closed over the live stream, and over one of its own without") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  serve_start(scripted);
  const Command live =
      sandbox.commands().run_background("cat", {.on_stdout = [](std::string_view) {}});
  live.close_stdin();
  const auto peer = scripted.network->peer(0);
  CHECK(type_of(peer->wait_sent(1)) == "exec_stdin_close");
  CHECK(Json::parse(peer->wait_sent(1))["id"] == Json::parse(peer->wait_sent(0))["id"]);
  scripted.http->push(response(200, R"({"pid":77})"));
  const Command silent = sandbox.commands().run_background("cat");
  serve(*scripted.network, "exec_connect",
        [](ScriptedPeer& other) { other.push(exec_started(77)); });
  silent.close_stdin();
  CHECK(type_of(scripted.network->peer(1)->wait_sent(1)) == "exec_stdin_close");
}

TEST_CASE("an executor of the application runs the callbacks") {
  const ScriptedClient scripted;
  ThreadPool pool(1);
  ClientOptions options = scripted.options();
  options.executor = pool.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  Reported<std::thread::id> threads;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view) { threads.add(std::this_thread::get_id()); }});
  scripted.network->peer(0)->push(exec_stdout("a"));
  REQUIRE(threads.wait_for(1));
  CHECK(pool.has(threads.all()[0]));
}

TEST_CASE("on an executor with many threads callbacks stay in order and alone") {
  const ScriptedClient scripted;
  ThreadPool pool(4);
  ClientOptions options = scripted.options();
  options.executor = pool.executor();
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  std::string heard;  // Not synchronised: the stream is what orders it.
  Door exited;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout =
                  [&](std::string_view text) {
                    if (++inside != 1) overlapped = true;
                    heard += text;
                    --inside;
                  },
              .on_exit = [&](const CommandResult&) { exited.open(); }});
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string piece = std::to_string(i) + ",";
    expected += piece;
    scripted.network->peer(0)->push(exec_stdout(piece));
  }
  scripted.network->peer(0)->push(exec_exit());
  REQUIRE(exited.wait());
  command.disconnect();
  CHECK_FALSE(overlapped);
  CHECK(heard == expected);
}

TEST_CASE("an executor may run its tasks at once") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  options.executor = [](const std::function<void()>& task) { task(); };
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  std::string heard;
  Door exited;
  {
    Command command = sandbox.commands().run_background(
        "job", {.on_stdout = [&](std::string_view text) { heard += text; },
                .on_exit = [&](const CommandResult&) { exited.open(); }});
    for (int i = 0; i < 300; ++i)
      scripted.network->peer(0)->push(exec_stdout("x"));
    scripted.network->peer(0)->push(exec_exit());
    REQUIRE(exited.wait());
  }
  CHECK(heard.size() == 300);
}

TEST_CASE("an executor that takes no more work harms nobody") {
  const ScriptedClient scripted;
  HeldTasks held;
  std::atomic<bool> full{false};
  ClientOptions options = scripted.options();
  options.executor = [&full, run = held.executor()](std::function<void()> task) {
    if (full) throw std::runtime_error("shut down");
    run(std::move(task));
  };
  const Sandbox sandbox = scripted.sandbox(Client(options));
  serve_start(scripted);
  std::vector<std::string> heard;
  Command command = sandbox.commands().run_background(
      "job", {.on_stdout = [&](std::string_view text) { heard.emplace_back(text); }});
  held.run_all();
  full = true;
  scripted.network->peer(0)->push(exec_stdout("a"));
  scripted.network->settle();
  held.run_all();
  CHECK(heard.empty());
  full = false;
  scripted.network->peer(0)->push(exec_stdout("b"));
  scripted.network->settle();
  held.run_all();
  CHECK(heard == std::vector<std::string>{"a", "b"});
}

TEST_CASE("the last handle of a client may die in a callback") {
  const ScriptedClient scripted;
  serve_start(scripted);
  Door assigned;
  Reported<int> done;
  std::optional<Command> command;
  {
    const Sandbox sandbox = scripted.sandbox();
    command = sandbox.commands().run_background("job", {.on_stdout = [&](std::string_view) {
                                                  if (!assigned.wait()) return;
                                                  // With it go the sandbox, the client, the Runtime
                                                  // and the thread this runs on.
                                                  command.reset();
                                                  done.add(1);
                                                }});
  }
  assigned.open();
  scripted.network->peer(0)->push(exec_stdout("x"));
  CHECK(done.wait_for(1));
  CHECK(scripted.network->peer(0)->wait_closed());
}

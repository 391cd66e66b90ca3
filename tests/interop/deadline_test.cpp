// Servers that say nothing, or never enough: every call has an end of its own.
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::Stage;
namespace ns = nullspace;

namespace {

// Far above what a deadline may be late, far below what any default is.
constexpr auto kPromptly = 5s;

class Stopwatch {
 public:
  [[nodiscard]] std::chrono::steady_clock::duration elapsed() const {
    return std::chrono::steady_clock::now() - start_;
  }

 private:
  std::chrono::steady_clock::time_point start_{std::chrono::steady_clock::now()};
};

ns::RunOptions streamed(std::chrono::milliseconds deadline) {
  ns::RunOptions options;
  options.deadline = deadline;
  options.on_stdout = [](std::string_view) {};
  return options;
}

}  // namespace

TEST_CASE("the caller's deadline ends a stalled stream") {
  Stage stage;
  for (const char* scene : {"stall", "stall-half-done", "mumble"}) {
    CAPTURE(scene);
    const Stopwatch watch;
    const ns::Error error = error_of([&] {
      return stage.sandbox.commands().run(std::string("play ") + scene, streamed(300ms));
    });
    CHECK(watch.elapsed() >= 300ms);
    CHECK(watch.elapsed() < kPromptly);
    CHECK(error.kind() == ns::ErrorKind::timeout);
    CHECK(error.code() == "timeout");
    CHECK(error.deadline() == ns::Deadline::caller);
  }
}

TEST_CASE("a stream that ran out of time keeps what arrived") {
  Stage stage;
  const ns::Error error =
      error_of([&] { return stage.sandbox.commands().run("play stall-half-done", streamed(2s)); });
  CHECK(error.info().partial_stdout == "half of the outp");
  CHECK(error.info().partial_stderr == "half of the err");
}

TEST_CASE("the time-out of the command bounds the call, too") {
  Stage stage;
  // The server would have to kill it after a second and does not; the call adds its slack of 30 s,
  // so a shorter one of the test's own shows that the two are different things.
  ns::RunOptions options = streamed(700ms);
  options.timeout = 1s;
  const Stopwatch watch;
  const ns::Error error =
      error_of([&] { return stage.sandbox.commands().run("play stall", options); });
  CHECK(error.deadline() == ns::Deadline::caller);
  CHECK(watch.elapsed() < kPromptly);
  const auto sent = stage.peer.events("message", {{"channel", "exec"}});
  CHECK(sent.front()["message"]["timeout_secs"].as_int() == 1);
}

TEST_CASE("a stop token ends a stalled stream") {
  Stage stage;
  std::stop_source source;
  ns::RunOptions options = streamed(60s);
  options.stop = source.get_token();
  std::jthread stopper([&] {
    stage.peer.await_events("message", 1, {{"channel", "exec"}});
    source.request_stop();
  });
  const Stopwatch watch;
  const ns::Error error =
      error_of([&] { return stage.sandbox.commands().run("play stall", options); });
  CHECK(error.kind() == ns::ErrorKind::cancelled);
  CHECK(watch.elapsed() < kPromptly);
}

TEST_CASE("a wait has a time-out, and the command outlives it") {
  Stage stage;
  ns::Command command =
      stage.sandbox.commands().run_background("sleep", {.on_stdout = [](std::string_view) {}});
  const Stopwatch watch;
  const ns::Error error = error_of([&] { return command.wait({.timeout = 200ms}); });
  CHECK(error.kind() == ns::ErrorKind::timeout);
  CHECK(watch.elapsed() < kPromptly);
  command.kill();
  CHECK(command.wait({.timeout = 30s}).exit_code == 137);
}

TEST_CASE("requests to a server that stalls end at the request time-out") {
  Stage stage([](ns::ClientOptions& options) { options.timeouts.request = 300ms; });
  for (const char* fault : {"stall", "stall-in-head", "stall-in-body", "drip-for-ever"}) {
    CAPTURE(fault);
    stage.peer.play_rest({fault});
    const Stopwatch watch;
    const ns::Error error = error_of([&] { return stage.sandbox.get_info(); });
    CHECK(error.kind() == ns::ErrorKind::timeout);
    CHECK(error.deadline() == ns::Deadline::caller);
    CHECK(watch.elapsed() < kPromptly);
  }
}

TEST_CASE("an answer that drips is an answer") {
  Stage stage;
  stage.peer.play_rest({"drip"});
  CHECK(stage.sandbox.get_info().id == stage.sandbox.id());
}

TEST_CASE("a request to a server that stalls ends with a stop token") {
  Stage stage;
  stage.peer.play_rest({"stall"});
  std::stop_source source;
  std::jthread stopper([&] {
    stage.peer.await_events("request", 2);
    source.request_stop();
  });
  const Stopwatch watch;
  const ns::Error error = error_of([&] {
    return stage.sandbox.commands().run("say x", {.timeout = 60s, .stop = source.get_token()});
  });
  CHECK(error.kind() == ns::ErrorKind::cancelled);
  CHECK(watch.elapsed() < kPromptly);
}

TEST_CASE("a foreground command outlives the request time-out up to its own") {
  // The server holds the request open while the command runs: the client's general limit must not
  // end it.
  Stage stage([](ns::ClientOptions& options) { options.timeouts.request = 200ms; });
  const ns::CommandResult result =
      stage.sandbox.commands().run("ticks 60", {.timeout = std::chrono::seconds{30}});
  CHECK(result.exit_code == 0);
  CHECK(result.stdout_text.find("tick 59\n") != std::string::npos);
}

TEST_CASE("an upgrade that is never answered ends at the open time-out") {
  Stage stage([](ns::ClientOptions& options) {
    options.timeouts.websocket_open = 200ms;
    options.retry.websocket_open_retries = 1;
  });
  stage.peer.always_play_upgrade("silent");
  const std::vector<std::pair<const char*, std::function<void()>>> calls{
      {"exec", [&] { (void)stage.sandbox.commands().run("say x", streamed(30s)); }},
      {"pty", [&] { (void)stage.sandbox.pty().create_session(); }},
      {"monitor", [&] { (void)ns::Monitor(stage.client).subscribe(); }},
  };
  for (const auto& [name, call] : calls) {
    CAPTURE(name);
    const Stopwatch watch;
    const ns::Error error = error_of(call);
    CHECK(error.kind() == ns::ErrorKind::timeout);
    CHECK(error.deadline() == ns::Deadline::connect);
    CHECK(watch.elapsed() < kPromptly);
  }
  // One attempt and one retry each.
  CHECK(stage.peer.count("request", {{"upgrade", true}}) == 6);
}

TEST_CASE("the caller's deadline includes the opening of the stream") {
  Stage stage;
  stage.peer.always_play_upgrade("silent");
  const Stopwatch watch;
  const ns::Error error =
      error_of([&] { return stage.sandbox.commands().run("say x", streamed(300ms)); });
  CHECK(error.kind() == ns::ErrorKind::timeout);
  CHECK(error.deadline() == ns::Deadline::caller);
  CHECK(watch.elapsed() < kPromptly);
}

TEST_CASE("a terminal whose server never says that it has started ends at the open time-out") {
  Stage stage([](ns::ClientOptions& options) { options.timeouts.websocket_open = 300ms; });
  const Stopwatch watch;
  const ns::Error error = error_of([&] {
    return stage.sandbox.pty().create_session({.envs = {{"SCENE", "silent"}}});
  });
  CHECK(error.kind() == ns::ErrorKind::timeout);
  CHECK(error.deadline() == ns::Deadline::connect);
  CHECK(watch.elapsed() < kPromptly);
}

// Handles that are stopped, destroyed and shared at random moments while messages flow. What these
// cases look for is found by the sanitizers, and by the clock: nothing here may hang.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
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
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Command;
using nullspace::CommandResult;
using nullspace::Error;
using nullspace::Json;
using nullspace::Monitor;
using nullspace::MonitorMetricsEvent;
using nullspace::PtySession;
using nullspace::Sandbox;
using nullspace::StateChange;
using nullspace::Subscription;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

namespace {

constexpr int kRounds = 60;

// Repeatable: a failure names its seed.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  [[nodiscard]] int below(int limit) {
    return std::uniform_int_distribution(0, limit - 1)(engine_);
  }
  // A moment that is over at some random point of what the others do.
  void moment() {
    for (int i = below(400); i > 0; --i)
      std::this_thread::yield();
  }

 private:
  std::mt19937 engine_;
};

ClientOptions options_with(const ScriptedClient& scripted, int executor, ThreadPool& pool) {
  ClientOptions options = scripted.options();
  options.receive_buffer_bytes = 2048;
  if (executor == 1) options.executor = pool.executor();
  if (executor == 2) options.executor = [](const std::function<void()>& task) { task(); };
  return options;
}

// A server for everything: it starts what is asked for and then talks.
void serve_everything(const ScriptedClient& scripted) {
  scripted.network->on_connect([](ScriptedPeer& peer) { peer.accept(); });
  scripted.network->on_message([](ScriptedPeer& peer, const std::string& message) {
    const std::string type = type_of(message);
    if (type == "exec_start") {
      peer.push(exec_started());
      for (int i = 0; i < 40; ++i)
        peer.push(exec_stdout("some output\n"));
      peer.push(exec_exit(0));
    } else if (type == "pty_start" || type == "pty_connect") {
      peer.push(pty_started());
      for (int i = 0; i < 40; ++i)
        peer.push(pty_output("aGVsbG8K"));
    } else if (type == "pty_input") {
      peer.push(pty_output("aGVsbG8K"));
    } else if (type == "pty_kill") {
      peer.push(pty_exited(137));
    } else if (type == "monitor_subscribe") {
      const std::string id = Json::parse(message)["id"].as_string().value_or("");
      for (int i = 0; i < 40; ++i) {
        peer.push(R"({"type":"monitor_metrics","id":")" + id +
                  R"(","sandbox_id":"sb_1","metrics":{"cpu_percent":1}})");
      }
    }
  });
  scripted.http->answer_with([](const nullspace::HttpRequest& request) {
    if (request.url.ends_with("/exec"))
      return response(200, R"({"exit_code":0,"stdout":"x","stderr":"","pid":7})");
    if (request.url.ends_with("/logs"))
      return response(200, R"({"stdout":"","stderr":"","output":"","exit_code":0})");
    if (request.url.ends_with("/processes")) return response(200, "[]");
    if (request.method == "GET") return response(200, sandbox_body());
    if (request.url.ends_with("/sandboxes")) return response(201, sandbox_body());
    return response(204);
  });
}

}  // namespace

TEST_CASE("one client serves many threads at once") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1);
  const Client client(options_with(scripted, executor, pool));
  const Sandbox shared = Sandbox::create(client);
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 15; ++round) {
          const Sandbox own = Sandbox::create(client);
          (void)shared.get_info();
          (void)shared.info();
          (void)own.commands().run("true");
          std::string heard;
          (void)own.commands().run(
              "true", {.on_stdout = [&heard](std::string_view text) { heard += text; }});
          PtySession session = shared.pty().create_session();
          session.send_input("x");
          session.kill();
          if (session.wait().exit_code == 137 && heard.size() == 40 * 12) ++done;
        }
      });
    }
  }
  CHECK(done == 6 * 15);
}

TEST_CASE("subscriptions end at any moment") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1, 2);
  CAPTURE(executor);
  for (unsigned round = 0; round < kRounds; ++round) {
    Dice dice(round);
    std::atomic<bool> over{false};
    std::atomic<bool> late{false};
    // Destroyed before the flags that its callbacks look at.
    std::optional<Client> client(options_with(scripted, executor, pool));
    auto live = std::make_unique<Subscription>(Monitor(*client).subscribe(
        {.on_metrics = [&](const MonitorMetricsEvent&) { late = late || over; },
         .on_state_change = [&](const StateChange&) { late = late || over; }}));
    client.reset();
    if (dice.below(2) == 0)
      scripted.network->peer(scripted.network->count() - 1)->fail(TransportFailureKind::receive);
    dice.moment();
    if (dice.below(2) == 0) {
      std::jthread second([&live] { live->stop(); });
      live->stop();
    }
    live.reset();
    over = true;
    scripted.network->settle();
    REQUIRE_FALSE(late);
  }
}

TEST_CASE("commands are let go of at any moment, by several threads") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1, 2);
  CAPTURE(executor);
  for (unsigned round = 0; round < kRounds; ++round) {
    Dice dice(round);
    std::atomic<bool> over{false};
    std::atomic<bool> late{false};
    {
      std::optional<Command> command;
      {
        const Sandbox sandbox = Sandbox::create(Client(options_with(scripted, executor, pool)));
        command = sandbox.commands().run_background(
            "x", {.on_stdout = [&](std::string_view) { late = late || over; },
                  .on_exit = [&](const CommandResult&) { late = late || over; }});
      }
      std::vector<std::jthread> waiters;
      for (int i = dice.below(3); i > 0; --i) {
        waiters.emplace_back([&command] {
          try {
            (void)command->wait({.poll_interval = milliseconds{1}});
          } catch (const Error&) {
            return;
          }
        });
      }
      dice.moment();
      if (dice.below(2) == 0) command->disconnect();
      waiters.clear();
    }
    over = true;
    scripted.network->settle();
    REQUIRE_FALSE(late);
  }
}

TEST_CASE("terminals are let go of at any moment, while others type") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1, 2);
  CAPTURE(executor);
  for (unsigned round = 0; round < kRounds; ++round) {
    Dice dice(round);
    std::atomic<bool> over{false};
    std::atomic<bool> late{false};
    {
      const Sandbox sandbox = Sandbox::create(Client(options_with(scripted, executor, pool)));
      PtySession session = sandbox.pty().connect(
          "ses_4d", {.on_data = [&](std::string_view) { late = late || over; },
                     .on_error = [&](const Error&) { late = late || over; }});
      std::vector<std::jthread> others;
      others.emplace_back([&session] {
        try {
          for (int i = 0; i < 20; ++i)
            session.send_input("x");
        } catch (const Error&) {
          return;
        }
      });
      if (dice.below(2) == 0) {
        others.emplace_back([&session] {
          try {
            (void)session.wait({.timeout = milliseconds{5}});
          } catch (const Error&) {
            return;
          }
        });
      }
      dice.moment();
      session.disconnect();
      others.clear();
    }
    over = true;
    scripted.network->settle();
    REQUIRE_FALSE(late);
  }
}

TEST_CASE("the last handle of all dies inside its callback, at any moment") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1);
  CAPTURE(executor);
  for (unsigned round = 0; round < kRounds; ++round) {
    Dice dice(round);
    const int dies_at = dice.below(40);
    std::atomic<int> seen{0};
    Door assigned;
    Door gone;
    auto live = std::make_shared<std::optional<Subscription>>();
    std::optional<Client> client(options_with(scripted, executor, pool));
    *live = Monitor(*client).subscribe({.on_metrics = [&, live](const MonitorMetricsEvent&) {
      if (!assigned.wait() || seen++ != dies_at) return;
      // With it go the client, the Runtime and, by default, the thread this runs on.
      live->reset();
      gone.open();
    }});
    client.reset();
    assigned.open();
    REQUIRE(gone.wait());
    // The callback holds its own handle; this ends the circle.
    live.reset();
    CHECK(seen == dies_at + 1);
  }
}

TEST_CASE("streamed commands are given up at any moment") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  const Sandbox sandbox = Sandbox::create(scripted.client());
  for (unsigned round = 0; round < kRounds; ++round) {
    Dice dice(round);
    std::stop_source stop;
    const int throws_at = dice.below(60);
    std::jthread stopper([&] {
      dice.moment();
      stop.request_stop();
    });
    int calls = 0;
    try {
      (void)sandbox.commands().run("x", {.on_stdout =
                                             [&](std::string_view) {
                                               if (calls++ == throws_at)
                                                 throw std::runtime_error("mine");
                                             },
                                         .stop = stop.get_token()});
    } catch (const Error& error) {
      CHECK(error.code() == "cancelled");
    } catch (const std::runtime_error&) {
      CHECK(calls == throws_at + 1);
    }
  }
}

TEST_CASE("callbacks create and destroy streams of their own") {
  const ScriptedClient scripted;
  serve_everything(scripted);
  ThreadPool pool(3);
  const int executor = GENERATE(0, 1);
  const Client client(options_with(scripted, executor, pool));
  const Sandbox sandbox = Sandbox::create(client);
  Reported<int> done;
  std::vector<Command> commands;
  for (int i = 0; i < 8; ++i) {
    commands.push_back(sandbox.commands().run_background(
        "outer", {.on_exit = [&](const CommandResult&) {
          Command inner =
              sandbox.commands().run_background("inner", {.on_stdout = [](std::string_view) {}});
          (void)inner.wait();
          Subscription live = Monitor(client).subscribe();
          live.stop();
          done.add(
              sandbox.commands().run("true", {.on_stdout = [](std::string_view) {}}).exit_code);
        }}));
  }
  CHECK(done.wait_for(8));
  for (Command& command : commands)
    CHECK(command.wait().exit_code == 0);
}

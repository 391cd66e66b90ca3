#include <atomic>
#include <chrono>
#include <thread>

#include "tests/integration/local_service.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using test::each_dialect;
using test::error_of;
using test::LocalService;
namespace ns = nullspace;

namespace {

struct Fixture {
  explicit Fixture(ns::Dialect dialect = ns::Dialect::sandbox)
      : client(service.client(dialect)),
        sandbox(ns::Sandbox::create(client)),
        commands(sandbox.commands()) {}
  LocalService service;
  ns::Client client;
  ns::Sandbox sandbox;
  ns::Commands commands;
};

}  // namespace

TEST_CASE("commands: run gives output and exit code") {
  const Fixture f(each_dialect());
  const ns::CommandResult result =
      f.commands.run("echo out; echo err >&2; exit 3", {.shell = true});
  CHECK(result.exit_code == 3);
  CHECK(result.stdout_text == "out\n");
  CHECK(result.stderr_text == "err\n");
  CHECK(f.commands.run("printf", {.args = {"%s|", "a b", "$HOME", "*"}}).stdout_text ==
        "a b|$HOME|*|");
  CHECK(f.commands.run("pwd").stdout_text == "/workspace\n");
  CHECK(f.commands.run("pwd", {.cwd = "/tmp"}).stdout_text == "/tmp\n");
  CHECK(f.commands.run("echo $A$HOME", {.shell = true, .envs = {{"A", "x"}}}).stdout_text ==
        "x/home/user\n");
  CHECK(f.commands.run("no-such-program").exit_code == 127);
  CHECK(f.commands.run("kill -KILL $$", {.shell = true}).exit_code == 137);
}

TEST_CASE("commands: a command may take longer than the client's request time-out") {
  LocalService service;
  ns::ClientOptions options = service.options();
  options.timeouts.request = 300ms;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(ns::Client(options));
  CHECK(
      sandbox->commands().run("sleep 1; echo done", {.shell = true, .timeout = 20s}).stdout_text ==
      "done\n");
}

TEST_CASE("commands: the three deadlines are told apart") {
  const Fixture f;
  for (const bool streamed : {false, true}) {
    INFO(streamed);
    const ns::TextCallback listen = streamed ? [](std::string_view) {} : ns::TextCallback{};
    const ns::Error command = error_of([&] {
      f.commands.run("echo early; sleep 60", {.shell = true, .timeout = 1s, .on_stdout = listen});
    });
    CHECK(command.code() == "exec_timeout");
    CHECK(command.kind() == ns::ErrorKind::timeout);
    CHECK(command.deadline() == ns::Deadline::command);

    const ns::Error caller = error_of([&] {
      f.commands.run("sleep 60", {.shell = true, .deadline = 300ms, .on_stdout = listen});
    });
    CHECK(caller.code() == "timeout");
    CHECK(caller.deadline() == ns::Deadline::caller);
  }
}

TEST_CASE("commands: a stop_token ends a run") {
  const Fixture f;
  for (const bool streamed : {false, true}) {
    INFO(streamed);
    std::stop_source stop;
    std::atomic<bool> started{false};
    std::jthread stopper([&] {
      if (streamed) {
        while (!started)
          std::this_thread::yield();
      }
      stop.request_stop();
    });
    const ns::TextCallback listen =
        streamed ? [&](std::string_view) { started = true; } : ns::TextCallback{};
    const ns::Error error = error_of([&] {
      f.commands.run("echo x; sleep 60",
                     {.shell = true, .on_stdout = listen, .stop = stop.get_token()});
    });
    CHECK(error.kind() == ns::ErrorKind::cancelled);
    if (streamed) {
      CHECK(error.info().partial_stdout == "x\n");
    }
  }
}

TEST_CASE("commands: streaming delivers in order, on this thread, while the command runs") {
  const Fixture f(each_dialect());
  std::string out;
  std::string err;
  const auto here = std::this_thread::get_id();
  bool other_thread = false;
  const ns::CommandResult result =
      f.commands.run("for i in $(seq 200); do echo line $i; done; echo oops >&2; exit 5",
                     {.shell = true,
                      .on_stdout =
                          [&](std::string_view text) {
                            out += text;
                            other_thread = other_thread || std::this_thread::get_id() != here;
                          },
                      .on_stderr = [&](std::string_view text) { err += text; }});
  CHECK(result.exit_code == 5);
  CHECK(result.stdout_text == out);
  CHECK(err == "oops\n");
  CHECK(out.starts_with("line 1\nline 2\n"));
  CHECK(out.ends_with("line 200\n"));
  CHECK_FALSE(other_thread);
}

TEST_CASE("commands: text callbacks never see half a character") {
  const Fixture f;
  // The euro sign in three writes, and a byte that is no text at all.
  const char* script =
      R"(printf '\342'; sleep 0.05; printf '\202'; sleep 0.05; printf '\254 \377'; for i in $(seq 20000); do printf '\303\244'; done)";
  bool whole = true;
  std::string all;
  f.commands.run(script, {.shell = true, .on_stdout = [&](std::string_view text) {
                            all += text;
                            const auto last = static_cast<unsigned char>(text.back());
                            const auto first = static_cast<unsigned char>(text.front());
                            whole =
                                whole && (first & 0xC0U) != 0x80U && last != 0xC3U && last != 0xE2U;
                          }});
  CHECK(whole);
  CHECK(all.starts_with("\xE2\x82\xAC \xEF\xBF\xBD"));
  CHECK(all.size() == 3 + 1 + 3 + 40000);
}

TEST_CASE("commands: what a callback throws comes out of run and ends the command") {
  const Fixture f;
  CHECK_THROWS_WITH(f.commands.run("echo x; sleep 60", {.shell = true,
                                                        .on_stdout = [](std::string_view) -> void {
                                                          throw std::runtime_error("enough");
                                                        }}),
                    "enough");
  CHECK(test::eventually([&] {
    for (const ns::ProcessInfo& process : f.commands.list()) {
      if (process.running && process.command.find("sleep 60") != std::string::npos) return false;
    }
    return true;
  }));
}

TEST_CASE("commands: a background command without callbacks") {
  const Fixture f(each_dialect());
  ns::Command command =
      f.commands.run_background("read line; echo got $line; exit 6", {.shell = true});
  CHECK(command.pid() > 0);
  CHECK_FALSE(command.connected());
  CHECK(test::eventually([&] {
    const auto list = f.commands.list();
    return std::any_of(list.begin(), list.end(), [&](const ns::ProcessInfo& p) {
      return p.pid == command.pid() && p.running;
    });
  }));
  command.send_stdin("hello\n");
  const ns::CommandResult result = command.wait({.timeout = 30s});
  CHECK(result.exit_code == 6);
  CHECK(result.stdout_text == "got hello\n");
  CHECK(command.logs().exit_code == 6);
}

TEST_CASE("commands: a background command with callbacks, its stdin and its end") {
  const Fixture f(each_dialect());
  std::string out;
  std::atomic<int> exits{0};
  ns::Command command = f.commands.run_background(
      "cat; echo bye", {.shell = true,
                        .on_stdout = [&](std::string_view text) { out += text; },
                        .on_exit = [&](const ns::CommandResult&) { ++exits; }});
  CHECK(command.connected());
  command.send_stdin("one\n");
  command.send_stdin("two\n");
  command.close_stdin();
  const ns::CommandResult result = command.wait({.timeout = 30s});
  CHECK(result.exit_code == 0);
  CHECK(result.stdout_text == "one\ntwo\nbye\n");
  CHECK(test::eventually([&] { return exits == 1; }));
  command.disconnect();
  CHECK(out == result.stdout_text);
}

TEST_CASE("commands: close_stdin works without a live stream") {
  const Fixture f;
  ns::Command command = f.commands.run_background("wc -c", {.shell = true});
  command.send_stdin("12345");
  command.close_stdin();
  CHECK(command.wait({.timeout = 30s}).stdout_text == "5\n");
}

TEST_CASE("commands: kill, and a wait that runs out of time") {
  const Fixture f;
  ns::Command command = f.commands.run_background("sleep 60", {.shell = true});
  const ns::Error error = error_of([&] { command.wait({.timeout = 50ms, .poll_interval = 10ms}); });
  CHECK(error.kind() == ns::ErrorKind::timeout);
  CHECK(error.deadline() == ns::Deadline::caller);
  command.kill();
  CHECK(command.wait({.timeout = 30s}).exit_code == 137);
}

TEST_CASE("commands: connecting to a running command merges what came before") {
  const Fixture f(each_dialect());
  ns::Command first = f.commands.run_background("echo before; read x; echo after", {.shell = true});
  REQUIRE(
      test::eventually([&] { return f.commands.get_logs(first.pid()).stdout_text == "before\n"; }));
  ns::Command second = f.commands.connect(first.pid());
  first.send_stdin("\n");
  CHECK(second.wait({.timeout = 30s}).stdout_text == "before\nafter\n");
  CHECK(error_of([&] { (void)f.commands.connect(999'999); }).kind() != ns::ErrorKind::timeout);
}

TEST_CASE("commands: disconnect leaves the command running") {
  const Fixture f;
  std::atomic<int> pieces{0};
  ns::Command command =
      f.commands.run_background("while true; do echo tick; sleep 0.01; done",
                                {.shell = true, .on_stdout = [&](std::string_view) { ++pieces; }});
  REQUIRE(test::eventually([&] { return pieces > 3; }));
  command.disconnect();
  const int seen = pieces;
  CHECK_FALSE(command.connected());
  const std::size_t before = f.commands.get_logs(command.pid()).stdout_text.size();
  CHECK(test::eventually(
      [&] { return f.commands.get_logs(command.pid()).stdout_text.size() > before; }));
  CHECK(pieces == seen);
  command.kill();
}

TEST_CASE("commands: unknown pids are not found") {
  const Fixture f;
  CHECK(error_of([&] { (void)f.commands.get_logs(999'999); }).kind() == ns::ErrorKind::not_found);
  CHECK(error_of([&] { f.commands.kill(999'999); }).kind() == ns::ErrorKind::not_found);
  CHECK(error_of([&] { f.commands.send_stdin(999'999, "x"); }).kind() == ns::ErrorKind::not_found);
  CHECK(error_of([&] { f.commands.close_stdin(999'999); }).kind() == ns::ErrorKind::not_found);
  CHECK(error_of([&] { f.commands.kill(0); }).kind() == ns::ErrorKind::invalid_request);
}

TEST_CASE("commands: arguments that cannot be right are refused locally") {
  const Fixture f;
  for (const bool shell : {false, true}) {
    CHECK(error_of([&] { f.commands.run("", {.shell = shell}); }).kind() ==
          ns::ErrorKind::invalid_request);
  }
  CHECK(error_of([&] { f.commands.run("x", {.args = {"y"}, .shell = true}); }).kind() ==
        ns::ErrorKind::invalid_request);
  CHECK(error_of([&] { f.commands.run("x", {.cwd = "relative"}); }).kind() ==
        ns::ErrorKind::invalid_request);
  CHECK(error_of([&] { f.commands.run("x", {.timeout = 0s}); }).kind() ==
        ns::ErrorKind::invalid_request);
  CHECK(error_of([&] { f.commands.run("x", {.deadline = 0s}); }).kind() ==
        ns::ErrorKind::invalid_request);
  CHECK(error_of([&] {
          f.commands.run("x", {.envs = {{"A=B", "c"}}});
        }).kind() == ns::ErrorKind::invalid_request);
  CHECK(error_of([&] { f.commands.run("true", {.cwd = "/no/such/directory"}); }).http_status() ==
        400);
}

TEST_CASE("commands: code_run runs code") {
  const Fixture f;
  CHECK(f.sandbox.process().code_run("echo $((6 * 7))", {.language = "sh"}).stdout_text == "42\n");
  CHECK(f.sandbox.process().code_run("exit 9", {.language = "bash"}).exit_code == 9);
}

TEST_CASE("commands: waiting inside a callback of another stream does not block it") {
  const Fixture f;
  std::atomic<bool> waited{false};
  ns::Command inner = f.commands.run_background(
      "read x; echo inner", {.shell = true, .on_stdout = [](std::string_view) {}});
  ns::Command outer = f.commands.run_background(
      "echo go", {.shell = true, .on_stdout = [&](std::string_view) {
                    // This is the only dispatcher thread: inner's output must be handled right
                    // here.
                    inner.send_stdin("\n");
                    waited = inner.wait({.timeout = 30s}).stdout_text == "inner\n";
                  }});
  CHECK(test::eventually([&] { return waited.load(); }));
}

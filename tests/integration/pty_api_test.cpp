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
      : client(service.client(dialect)), sandbox(ns::Sandbox::create(client)), pty(sandbox.pty()) {}
  LocalService service;
  ns::Client client;
  ns::Sandbox sandbox;
  ns::Pty pty;
};

// Reads until the text has appeared.
std::string read_until(ns::PtySession& session, std::string_view text) {
  std::string all;
  while (all.find(text) == std::string::npos) {
    auto piece = session.read({.timeout = 30s});
    if (!piece) throw std::runtime_error("the session ended after: " + all);
    all += *piece;
  }
  return all;
}

}  // namespace

TEST_CASE("pty: a real terminal with a size, a directory and an exit code") {
  const Fixture f(each_dialect());
  ns::PtySession session =
      f.pty.create_session({.cols = 100, .rows = 28, .cwd = "/tmp", .envs = {{"GREETING", "hi"}}});
  CHECK_FALSE(session.session_id().empty());
  CHECK(session.info().cols == 100);
  CHECK(session.info().pid > 0);
  session.send_input("tty; stty size; pwd; echo $GREETING $TERM; exit 7\n");
  std::string output;
  const ns::PtyResult result =
      session.wait({.on_data = [&](std::string_view bytes) { output += bytes; }, .timeout = 30s});
  CHECK(result.exit_code == 7);
  CHECK_FALSE(result.timed_out);
  CHECK(result.error.empty());
  CHECK(session.exit_code() == 7);
  CHECK(output.find("/dev/pts/") != std::string::npos);
  CHECK(output.find("28 100") != std::string::npos);
  CHECK(output.find("/tmp") != std::string::npos);
  CHECK(output.find("hi xterm-256color") != std::string::npos);
  CHECK(session.wait().exit_code == 7);
  CHECK_FALSE(session.connected());
  CHECK(error_of([&] { session.send_input("x"); }).kind() == ns::ErrorKind::transport);
}

TEST_CASE("pty: resize reaches the terminal, over the socket and over REST") {
  const Fixture f(each_dialect());
  ns::PtySession session = f.pty.create_session();
  session.resize({.cols = 140, .rows = 40});
  session.send_input("stty size\n");
  read_until(session, "40 140");
  CHECK(session.info().cols == 140);
  f.pty.resize_session(session.session_id(), {.cols = 90, .rows = 20});
  session.send_input("stty size\n");
  read_until(session, "20 90");
  CHECK(f.pty.get_session_info(session.session_id()).rows == 20);
  for (const ns::PtySize size :
       {ns::PtySize{0, 30}, ns::PtySize{120, -1}, ns::PtySize{70000, 30}}) {
    CHECK(error_of([&] { session.resize(size); }).kind() == ns::ErrorKind::invalid_request);
    CHECK(error_of([&] { f.pty.resize_session(session.session_id(), size); }).kind() ==
          ns::ErrorKind::invalid_request);
    CHECK(error_of([&] {
            (void)f.pty.create_session({.cols = size.cols, .rows = size.rows});
          }).kind() == ns::ErrorKind::invalid_request);
  }
}

TEST_CASE("pty: kill ends the shell with 137") {
  const Fixture f;
  ns::PtySession session = f.pty.create_session();
  session.kill();
  CHECK(session.wait({.timeout = 30s}).exit_code == 137);

  ns::PtySession other = f.pty.create_session();
  f.pty.kill_session(other.session_id());
  CHECK(other.wait({.timeout = 30s}).exit_code == 137);
  CHECK(error_of([&] { f.pty.kill_session("ses_none"); }).kind() == ns::ErrorKind::not_found);
}

TEST_CASE("pty: a session outlives its connection") {
  const Fixture f(each_dialect());
  std::string id;
  {
    ns::PtySession session = f.pty.create_session();
    id = session.session_id();
    session.send_input("MARK=kept; echo ready\n");
    read_until(session, "ready\r\n");
  }
  const auto sessions = f.pty.list_sessions();
  REQUIRE(sessions.size() == 1);
  CHECK(sessions.front().session_id == id);
  ns::PtySession again = f.pty.connect(id);
  again.send_input("echo $MARK\n");
  read_until(again, "kept\r\n");
  ns::PtySession by_pid = f.pty.connect(again.info().pid);
  CHECK(by_pid.session_id() == id);
  CHECK(error_of([&] { (void)f.pty.connect("ses_none"); }).code() == "not_found");
  CHECK(error_of([&] { (void)f.pty.connect(""); }).kind() == ns::ErrorKind::invalid_request);
}

TEST_CASE("pty: several viewers see the same") {
  const Fixture f;
  ns::PtySession first = f.pty.create_session();
  std::atomic<bool> seen{false};
  std::string output;
  const ns::PtySession second =
      f.pty.connect(first.session_id(), {.on_data = [&](std::string_view bytes) {
                      output += bytes;
                      if (output.find("from-first\r\n") != std::string::npos) seen = true;
                    }});
  first.send_input("echo from-first\n");
  CHECK(test::eventually([&] { return seen.load(); }));
  second.send_input("echo from-second\n");
  read_until(first, "from-second\r\n");
}

TEST_CASE("pty: a wait that runs out of time is a value, and the session goes on") {
  const Fixture f;
  ns::PtySession session = f.pty.create_session();
  const ns::PtyResult result = session.wait({.timeout = 50ms});
  CHECK(result.timed_out);
  CHECK(result.exit_code == 124);
  CHECK_FALSE(result.error.empty());
  ns::PtySession again = f.pty.connect(session.session_id());
  again.send_input("exit 5\n");
  CHECK(again.wait({.timeout = 30s}).exit_code == 5);
}

TEST_CASE("pty: range-for reads to the end, and a stop_token cuts a wait short") {
  const Fixture f;
  ns::PtySession session = f.pty.create_session();
  session.send_input("echo one; exit 3\n");
  std::string all;
  for (const std::string& bytes : session)
    all += bytes;
  CHECK(all.find("one\r\n") != std::string::npos);
  CHECK(session.exit_code() == 3);

  ns::PtySession idle = f.pty.create_session();
  std::stop_source stop;
  stop.request_stop();
  CHECK(error_of([&] { idle.wait({.stop = stop.get_token()}); }).kind() ==
        ns::ErrorKind::cancelled);
  CHECK(error_of([&] { (void)idle.read({.stop = stop.get_token()}); }).kind() ==
        ns::ErrorKind::cancelled);
  CHECK(idle.connected());
}

TEST_CASE("pty: bytes are exact") {
  const Fixture f;
  ns::PtySession session = f.pty.create_session();
  session.send_input("stty raw -echo; printf 'S\\000\\377\\303E'; exit\n");
  std::string all;
  session.wait({.on_data = [&](std::string_view bytes) { all += bytes; }, .timeout = 30s});
  CHECK(all.find(std::string("S\0\xFF\xC3"
                             "E",
                             5)) != std::string::npos);
}

TEST_CASE("pty: 200 sessions at once need no more threads than one") {
  const Fixture f;
  std::vector<ns::PtySession> sessions;
  sessions.push_back(f.pty.create_session());
  const int threads = test::thread_count();
  for (int i = 1; i < 200; ++i)
    sessions.push_back(f.pty.create_session());
  CHECK(test::thread_count() == threads);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    sessions[i].send_input("echo session-$((" + std::to_string(i) + " + 1000)); exit " +
                           std::to_string(i % 100) + "\n");
  }
  // The waiting is spread over a few threads of the application's own.
  std::atomic<int> good{0};
  {
    constexpr std::size_t kWaiters = 8;
    std::vector<std::jthread> waiters;
    for (std::size_t first = 0; first < kWaiters; ++first) {
      waiters.emplace_back([&, first] {
        for (std::size_t i = first; i < sessions.size(); i += kWaiters) {
          std::string output;
          const ns::PtyResult result = sessions[i].wait(
              {.on_data = [&](std::string_view bytes) { output += bytes; }, .timeout = 100s});
          const bool seen = output.find("session-" + std::to_string(i + 1000)) != std::string::npos;
          if (result.exit_code == static_cast<int>(i % 100) && seen) ++good;
        }
      });
    }
  }
  CHECK(good == 200);
  CHECK(test::thread_count() == threads);
}

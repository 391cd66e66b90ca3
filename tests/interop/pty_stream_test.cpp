// Terminals of a server that does not keep to its own rules.
#include <chrono>
#include <string>
#include <string_view>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::Stage;
namespace ns = nullspace;

namespace {

ns::PtySession open_scene(const Stage& stage, const std::string& scene) {
  return stage.sandbox.pty().create_session({.envs = {{"SCENE", scene}}});
}

struct Ended {
  ns::PtyResult result{};
  std::string output{};
};

Ended play(const Stage& stage, const std::string& scene) {
  ns::PtySession session = open_scene(stage, scene);
  Ended ended;
  ended.result = session.wait(
      {.on_data = [&](std::string_view bytes) { ended.output += bytes; }, .timeout = 60s});
  return ended;
}

std::string tail_of(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += "tail " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("all output behind pty_exited is delivered") {
  Stage stage;
  for (const int count : {0, 1, 40, 10'000}) {
    CAPTURE(count);
    const Ended ended = play(stage, "tail " + std::to_string(count));
    CHECK(ended.result.exit_code == 7);
    CHECK_FALSE(ended.result.timed_out);
    CHECK(ended.output == "before\n" + tail_of(count));
  }
}

TEST_CASE("output behind pty_exited is delivered when the server leaves the connection open") {
  Stage stage;
  const Ended ended = play(stage, "tail-without-close 40");
  CHECK(ended.result.exit_code == 7);
  CHECK(ended.output == tail_of(40));
}

TEST_CASE("output behind pty_exited reaches readers and ranges, too") {
  Stage stage;
  {
    ns::PtySession session = open_scene(stage, "tail 100");
    std::string output;
    for (const std::string& piece : session)
      output += piece;
    CHECK(output == "before\n" + tail_of(100));
    CHECK(session.exit_code() == 7);
  }
  {
    ns::PtySession session = open_scene(stage, "tail 100");
    std::string output;
    while (const auto piece = session.read({.timeout = 30s}))
      output += *piece;
    CHECK(output == "before\n" + tail_of(100));
    CHECK_FALSE(session.read({.timeout = 1s}));
  }
}

TEST_CASE("a terminal that closes without pty_exited is disconnected, and that is no exit code") {
  Stage stage(test::without_reconnect);
  for (const char* scene : {"close-without-exit", "hang-up"}) {
    CAPTURE(scene);
    ns::PtySession session = open_scene(stage, scene);
    std::string output;
    const ns::Error error = error_of([&] {
      return session.wait({.on_data = [&](std::string_view bytes) { output += bytes; }});
    });
    CHECK(error.kind() == ns::ErrorKind::transport);
    CHECK(error.code() == "transport_error");
    CHECK(output == "before\n");
    CHECK_FALSE(session.exit_code());
    CHECK_FALSE(session.connected());
    // And it stays so.
    CHECK(error_of([&] { return session.wait(); }).kind() == ns::ErrorKind::transport);
    CHECK(error_of([&] { session.send_input("x"); }).kind() == ns::ErrorKind::transport);
  }
}

TEST_CASE("an error after the start is a result with that error and code 1") {
  Stage stage;
  const Ended ended = play(stage, "error-later");
  CHECK(ended.result.exit_code == 1);
  CHECK(ended.result.error == "the terminal caught fire");
  CHECK(ended.output == "before\n");
}

TEST_CASE("exec_exit ends a terminal like pty_exited, and no code means 0") {
  Stage stage;
  CHECK(play(stage, "exec-exit").result.exit_code == 9);
  CHECK(play(stage, "exited-without-code").result.exit_code == 0);
}

TEST_CASE("a second pty_started changes nothing") {
  Stage stage;
  const Ended ended = play(stage, "started-twice");
  CHECK(ended.result.exit_code == 0);
  CHECK(ended.output == "one two");
}

TEST_CASE("a terminal that does not begin with pty_started is refused") {
  Stage stage;
  for (const char* scene : {"output-first", "no-session-id", "empty-session-id"}) {
    CAPTURE(scene);
    CHECK(error_of([&] { return open_scene(stage, scene); }).code() == "invalid_response");
  }
  CHECK(error_of([&] { return open_scene(stage, "close-first"); }).code() == "transport_error");
}

TEST_CASE("an error as the first message carries its code") {
  Stage stage;
  const ns::Error coded = error_of([&] { return open_scene(stage, "error-first"); });
  CHECK(coded.code() == "capacity_exceeded");
  CHECK(coded.message() == "no terminals today");
  const ns::Error plain = error_of([&] { return open_scene(stage, "error-first-without-code"); });
  CHECK(plain.code() == "pty_protocol_error");
}

TEST_CASE("a server that sends only what it must is enough") {
  Stage stage;
  ns::PtySession session = stage.sandbox.pty().create_session(
      {.cols = 77, .rows = 11, .envs = {{"SCENE", "bare-minimum"}}});
  CHECK(session.session_id() == "ses_scene");
  CHECK(session.info().pid == 0);
  CHECK(session.info().cols == 77);
  CHECK(session.info().rows == 11);
  CHECK(session.info().exec_id.empty());
  std::string output;
  const ns::PtyResult result =
      session.wait({.on_data = [&](std::string_view bytes) { output += bytes; }});
  CHECK(result.exit_code == 0);
  CHECK(output == "only text \u20ac");
}

TEST_CASE("base64 that is none ends a terminal as invalid_response") {
  Stage stage;
  for (const char* what : {"truncated", "invalid", "spaces", "url-alphabet", "number"}) {
    CAPTURE(what);
    ns::PtySession session = open_scene(stage, std::string("base64-text ") + what);
    const ns::Error error = error_of([&] { return session.wait(); });
    CHECK(error.code() == "invalid_response");
    CHECK_FALSE(session.exit_code());
  }
  CHECK(play(stage, "base64-text null").output == "the lossy text");
  CHECK(play(stage, "base64-text empty").output.empty());
}

TEST_CASE("bytes pass through a terminal one by one, in the middle of a character, too") {
  Stage stage;
  CHECK(play(stage, "split-sequences").output == "\U0001f600");
}

TEST_CASE("a terminal passes over messages of unknown types") {
  Stage stage;
  CHECK(play(stage, "unknown-types").output == "seen");
}

TEST_CASE("a malformed message ends a terminal as invalid_response") {
  Stage stage;
  ns::PtySession session = open_scene(stage, "malformed");
  std::string output;
  const ns::Error error = error_of(
      [&] { return session.wait({.on_data = [&](std::string_view bytes) { output += bytes; }}); });
  CHECK(error.code() == "invalid_response");
  CHECK(output == "before\n");
}

TEST_CASE("a flood arrives complete and in order although the reader is slow at first") {
  Stage stage([](ns::ClientOptions& options) { options.receive_buffer_bytes = 256 << 10; });
  constexpr int kBlocks = 256;  // 16 MiB, far above what may be buffered
  ns::PtySession session = open_scene(stage, "flood " + std::to_string(kBlocks));
  // The peer is stopped by backpressure before anybody reads; it is still there when somebody does.
  std::size_t position = 0;
  bool in_order = true;
  const ns::PtyResult result = session.wait({.on_data = [&](std::string_view bytes) {
    for (const char byte : bytes) {
      in_order = in_order && static_cast<unsigned char>(byte) == (position / 65536) % 256;
      ++position;
    }
  }});
  CHECK(result.exit_code == 0);
  CHECK(in_order);
  CHECK(position == std::size_t{kBlocks} * 65536);
}

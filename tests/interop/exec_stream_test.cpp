// Commands over a socket of a server that does not keep to its own rules.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::Stage;
namespace ns = nullspace;

namespace {

// What the callbacks of one run got.
struct Heard {
  std::string out{};
  std::string err{};

  ns::RunOptions options() {
    ns::RunOptions options;
    options.on_stdout = [this](std::string_view text) { out += text; };
    options.on_stderr = [this](std::string_view text) { err += text; };
    return options;
  }
};

}  // namespace

TEST_CASE("a cut exec stream is an error and carries what arrived") {
  Stage stage(test::without_reconnect);
  for (const char* scene :
       {"cut-clean", "cut-going-away", "cut-without-close-frame", "cut-by-reset", "cut-in-frame"}) {
    CAPTURE(scene);
    Heard heard;
    const ns::Error error = error_of([&] {
      return stage.sandbox.commands().run(std::string("play ") + scene, heard.options());
    });
    CHECK(error.kind() == ns::ErrorKind::transport);
    CHECK(error.code() == "transport_error");
    CHECK(error.retryable());
    CHECK(error.info().partial_stdout == "half of the outp");
    CHECK(error.info().partial_stderr == "half of the err");
    CHECK(heard.out == "half of the outp");
    CHECK(heard.err == "half of the err");
  }
}

TEST_CASE("a run is a success only when its last byte has arrived") {
  Stage stage(test::without_reconnect);
  Heard whole;
  CHECK(stage.sandbox.commands().run("play cut-at 1000000", whole.options()).exit_code == 0);
  CHECK(whole.out == "one\ntwo\n");
  const auto bytes = stage.peer.events("run").front()["bytes"].as_int().value();
  REQUIRE(bytes > 100);
  for (std::int64_t cut = 0; cut < bytes; ++cut) {
    CAPTURE(cut);
    Heard heard;
    const ns::Error error = error_of([&] {
      return stage.sandbox.commands().run("play cut-at " + std::to_string(cut), heard.options());
    });
    CHECK(error.kind() == ns::ErrorKind::transport);
    CHECK(whole.out.starts_with(heard.out));
    CHECK(error.info().partial_stdout == heard.out);
  }
}

TEST_CASE("a stream that is closed before it began is an error") {
  Stage stage;
  Heard heard;
  const ns::Error error =
      error_of([&] { return stage.sandbox.commands().run("play cut-at-once", heard.options()); });
  CHECK(error.kind() == ns::ErrorKind::transport);
  CHECK(error.info().partial_stdout.empty());
}

TEST_CASE("a background command whose stream is cut has no invented result") {
  Stage stage;
  ns::BackgroundOptions options;
  options.on_stdout = [](std::string_view) {};
  ns::Command command = stage.sandbox.commands().run_background("play cut-clean", options);
  // The peer lists no such process and has no log of it: nobody knows how it ended.
  const ns::Error error = error_of([&] { return command.wait({.timeout = 20s}); });
  CHECK(error.kind() == ns::ErrorKind::not_found);
  CHECK(error.info().partial_stdout == "half of the outp");
  CHECK(error.info().partial_stderr == "half of the err");
  CHECK_FALSE(command.connected());
}

TEST_CASE("an error frame ends the run with its code and what arrived") {
  Stage stage;
  Heard heard;
  const ns::Error plain =
      error_of([&] { return stage.sandbox.commands().run("play error-frame", heard.options()); });
  CHECK(plain.code() == "exec_failed");
  CHECK(plain.message() == "the runtime fell over");
  CHECK(plain.info().partial_stdout == "half of the outp");

  const ns::Error coded = error_of(
      [&] { return stage.sandbox.commands().run("play error-frame-with-code", heard.options()); });
  CHECK(coded.code() == "exec_timeout");
  CHECK(coded.kind() == ns::ErrorKind::timeout);
  CHECK(coded.deadline() == ns::Deadline::command);
}

TEST_CASE("a 15 MiB frame arrives, a 17 MiB frame is message_too_large") {
  Stage stage;
  std::size_t heard = 0;
  const ns::TextCallback count = [&](std::string_view text) { heard += text.size(); };
  for (const std::size_t bytes :
       {std::size_t{1'153'434}, std::size_t{5} << 20, std::size_t{15} << 20}) {
    CAPTURE(bytes);
    heard = 0;
    const ns::CommandResult result =
        stage.sandbox.commands().run("play frame " + std::to_string(bytes), {.on_stdout = count});
    CHECK(result.exit_code == 0);
    CHECK(heard == bytes);
    CHECK(result.stdout_text.size() == bytes);
    CHECK(result.stdout_text.find_first_not_of('x') == std::string::npos);
  }

  const ns::Error error = error_of([&] {
    return stage.sandbox.commands().run("play frame " + std::to_string(std::size_t{17} << 20),
                                        {.on_stdout = count});
  });
  CHECK(error.code() == "message_too_large");
  CHECK(error.kind() == ns::ErrorKind::limit_exceeded);
  stage.peer.await_events("closed", 1, {{"channel", "exec"}, {"code", 1009}});

  // The one bad frame cost one stream, not the client.
  CHECK(stage.sandbox.commands().run("say on", {.on_stdout = count}).stdout_text == "on\n");
}

TEST_CASE("the limit for messages is the client's to choose") {
  Stage stage([](ns::ClientOptions& options) { options.max_message_bytes = 100'000; });
  const ns::TextCallback ignore = [](std::string_view) {};
  CHECK(stage.sandbox.commands().run("play frame 90000", {.on_stdout = ignore}).exit_code == 0);
  const ns::Error error = error_of(
      [&] { return stage.sandbox.commands().run("play frame 100001", {.on_stdout = ignore}); });
  CHECK(error.code() == "message_too_large");
}

TEST_CASE("text arrives whole however a message is cut into frames") {
  Stage stage;
  const std::string line = "h\u00e9llo \u20ac \U0001f600 caf\u00e9 ";
  std::string expected;
  for (int i = 0; i < 1000; ++i)
    expected += line;
  for (const char* pieces : {"1", "2", "7", "1000", "20000"}) {
    CAPTURE(pieces);
    Heard heard;
    const ns::CommandResult result =
        stage.sandbox.commands().run(std::string("play fragments ") + pieces, heard.options());
    CHECK(result.exit_code == 0);
    CHECK(heard.out == expected);
    CHECK(result.stdout_text == expected);
  }
}

TEST_CASE("ten thousand small messages arrive complete and in order") {
  Stage stage;
  Heard heard;
  (void)stage.sandbox.commands().run("play many-frames 10000", heard.options());
  std::string expected;
  for (int i = 0; i < 10'000; ++i)
    expected += std::to_string(i) + "\n";
  CHECK(heard.out == expected);
}

TEST_CASE("escaped characters of any plane and NUL are text like any other") {
  Stage stage;
  Heard heard;
  (void)stage.sandbox.commands().run("play escapes", heard.options());
  using namespace std::string_literals;
  CHECK(heard.out == "\U0001f600 \u20ac \0|"s);
}

TEST_CASE("half a surrogate pair is replaced, and the stream goes on") {
  Stage stage;
  // One character in two messages, and bytes that somebody could not decode at the edge of a chunk.
  const std::vector<std::pair<std::string, std::string>> expected{
      {"lone-surrogates", "a\ufffd\ufffdb"}, {"surrogate-escapes", "\ufffd\ufffd\ufffdend"}};
  for (const auto& [scene, text] : expected) {
    CAPTURE(scene);
    Heard heard;
    const ns::CommandResult result = stage.sandbox.commands().run("play " + scene, heard.options());
    CHECK(result.exit_code == 0);
    CHECK(heard.out == text);
    CHECK(result.stdout_text == text);
  }
}

TEST_CASE("messages of unknown types are passed over") {
  Stage stage;
  Heard heard;
  const ns::CommandResult result =
      stage.sandbox.commands().run("play unknown-types", heard.options());
  CHECK(result.exit_code == 3);
  CHECK(heard.out == "seen");
}

TEST_CASE("output ahead of exec_started is output") {
  Stage stage;
  Heard heard;
  const ns::CommandResult result =
      stage.sandbox.commands().run("play output-before-started", heard.options());
  CHECK(result.stdout_text == "early late");
  CHECK(result.pid == 4242);
}

TEST_CASE("messages may come as binary") {
  Stage stage;
  Heard heard;
  const ns::CommandResult result =
      stage.sandbox.commands().run("play binary-messages", heard.options());
  CHECK(result.exit_code == 5);
  CHECK(result.stdout_text == "in binary");
}

TEST_CASE("nothing counts behind exec_exit") {
  Stage stage;
  Heard heard;
  const ns::CommandResult result =
      stage.sandbox.commands().run("play after-the-end", heard.options());
  CHECK(result.exit_code == 4);
  CHECK(heard.out.empty());
}

TEST_CASE("a message that is none ends the run as invalid_response") {
  Stage stage;
  for (const char* what : {"malformed", "deep", "number", "array", "no-type", "no-data",
                           "data-is-number", "code-is-text", "pid-is-text"}) {
    CAPTURE(what);
    Heard heard;
    const ns::Error error = error_of([&] {
      return stage.sandbox.commands().run(std::string("play raw ") + what, heard.options());
    });
    CHECK(error.kind() == ns::ErrorKind::invalid_response);
    CHECK(error.info().partial_stdout == "half of the outp");
    CHECK(heard.out == "half of the outp");
  }
}

TEST_CASE("frames that break the WebSocket protocol end the run with an error") {
  Stage stage;
  for (const char* scene : {"bad-utf8", "bad-frame"}) {
    CAPTURE(scene);
    Heard heard;
    const ns::Error error = error_of([&] {
      return stage.sandbox.commands().run(std::string("play ") + scene, heard.options());
    });
    CHECK((error.kind() == ns::ErrorKind::transport ||
           error.kind() == ns::ErrorKind::invalid_response));
    CHECK(error.info().partial_stdout == "half of the outp");
  }
}

#include <nullspace/client.hpp>

#include <chrono>
#include <string>
#include <vector>

#include <nullspace/error.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

TEST_CASE("a client says where it goes, and keeps its key to itself") {
  const ScriptedClient scripted;
  const Client client = scripted.client(Dialect::machine);
  CHECK(client.base_url() == "https://api.example.test/prefix");
  CHECK(client.dialect() == Dialect::machine);
  const std::string text = client.describe();
  CHECK(text.find("https://api.example.test/prefix") != std::string::npos);
  CHECK(text.find("machine dialect") != std::string::npos);
  CHECK(text.find(kTestKey) == std::string::npos);
  CHECK(text.find("ClientOptions::api_key") != std::string::npos);
}

TEST_CASE("copies of a client share everything") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const Client copy = client;
  CHECK(copy.core() == client.core());
}

TEST_CASE("options that make no sense are refused before anything is sent") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  SECTION("no time to connect") {
    options.timeouts.connect = milliseconds{0};
  }
  SECTION("negative request time-out") {
    options.timeouts.request = milliseconds{-1};
  }
  SECTION("no time to create") {
    options.timeouts.create = milliseconds{0};
  }
  SECTION("no time to open") {
    options.timeouts.websocket_open = milliseconds{0};
  }
  SECTION("negative pings") {
    options.keepalive.interval = milliseconds{-1};
  }
  SECTION("no ping may be missed") {
    options.keepalive.max_missed = 0;
  }
  SECTION("no attempt at all") {
    options.retry.create_attempts = 0;
  }
  SECTION("negative retries") {
    options.retry.rate_limit_retries = -1;
  }
  SECTION("no message fits") {
    options.max_message_bytes = 0;
  }
  SECTION("no answer fits") {
    options.max_response_bytes = 0;
  }
  SECTION("no byte is read") {
    options.receive_buffer_bytes = 0;
  }
  SECTION("no byte is sent") {
    options.send_buffer_bytes = 0;
  }
  SECTION("a user agent that writes headers") {
    options.user_agent = "x\r\nX-Evil: 1";
  }
  const Error error = thrown_by([&options] { const Client client(options); });
  CHECK(error.kind() == ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("time-outs may be as long as a clock can tell") {
  const ScriptedClient scripted;
  ClientOptions options = scripted.options();
  for (milliseconds* timeout :
       {&options.timeouts.connect, &options.timeouts.request, &options.timeouts.create,
        &options.timeouts.transition, &options.timeouts.websocket_open}) {
    *timeout = milliseconds::max();
  }
  const Client client(options);
  scripted.http->push(response(200, "{}"));
  CHECK(client.is_healthy());
  CHECK(scripted.http->request(0).timeout > std::chrono::hours{24});
}

TEST_CASE("health is asked without the key, and is never an error") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(200, R"({"status":"ok"})"));
  CHECK(client.is_healthy());
  const auto request = scripted.http->request(0);
  CHECK(request.method == "GET");
  CHECK(request.url == "https://api.example.test/prefix/healthz");
  CHECK_FALSE(header(request.headers, "Authorization"));

  scripted.http->push(response(503, ""));
  CHECK_FALSE(client.is_healthy());
  scripted.http->push(failure(TransportFailureKind::connect));
  CHECK_FALSE(client.is_healthy());
  scripted.http->push(response(302, ""));
  CHECK_FALSE(client.is_healthy());
}

TEST_CASE("a client of other headers is refused") {
  CHECK_NOTHROW(nullspace::check_library_version());
  const Error error = thrown_by([] { nullspace::check_library_version(0, 99); });
  CHECK(error.code() == "version_mismatch");
  CHECK(std::string(error.what()).find("0.99") != std::string::npos);
}

TEST_CASE("log lines hold no key") {
  const ScriptedClient scripted;
  Reported<std::string> lines;
  ClientOptions options = scripted.options();
  options.log_level = nullspace::LogLevel::trace;
  options.log_sink = [&lines](const nullspace::LogRecord& record) { lines.add(record.message); };
  const Client client(options);
  scripted.http->push(response(401, error_body("unauthorized")));
  CHECK_THROWS_AS(nullspace::Sandbox::get_info_by_id(client, "sb_1"), Error);
  scripted.http->push(failure(TransportFailureKind::receive, "reset"));
  CHECK_THROWS_AS(nullspace::Sandbox::get_info_by_id(client, "sb_1"), Error);
  CHECK(lines.count() >= 2);
  for (const std::string& line : lines.all()) {
    CAPTURE(line);
    CHECK(line.find(kTestKey) == std::string::npos);
  }
}

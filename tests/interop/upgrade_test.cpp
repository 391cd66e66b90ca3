// Upgrades that are refused, and what the caller learns of the reason.
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using test::error_of;
using test::PythonPeer;
using test::Stage;
namespace ns = nullspace;

namespace {

struct Refusal {
  std::string fault;
  ns::ErrorKind kind;
  std::string code;
  int http_status;
  int attempts;
};

ns::RunOptions streamed() {
  ns::RunOptions options;
  options.on_stdout = [](std::string_view) {};
  return options;
}

}  // namespace

TEST_CASE("a refused upgrade is mapped by its status") {
  Stage stage([](ns::ClientOptions& options) { options.retry.websocket_open_retries = 1; });
  using Kind = ns::ErrorKind;
  const std::vector<Refusal> refusals{
      {"401", Kind::authentication, "unauthorized", 401, 1},
      {"403", Kind::authentication, "unauthorized", 403, 1},
      {"404", Kind::server, "websocket_upgrade_error", 404, 1},
      {"429", Kind::rate_limit, "rate_limit_exceeded", 429, 1},
      {"501", Kind::not_implemented, "not_implemented", 501, 1},
      {"500", Kind::transport, "transport_error", 500, 2},
      {"503", Kind::transport, "transport_error", 503, 2},
      {"html", Kind::transport, "transport_error", 200, 2},
      {"reset", Kind::transport, "transport_error", 0, 2},
      {"hang-up", Kind::transport, "transport_error", 0, 2},
      {"wrong-accept", Kind::invalid_response, "invalid_response", 0, 2},
  };
  int upgrades = 0;
  for (const Refusal& refusal : refusals) {
    const std::vector<std::pair<const char*, std::function<void()>>> channels{
        {"exec", [&] { (void)stage.sandbox.commands().run("say x", streamed()); }},
        {"pty", [&] { (void)stage.sandbox.pty().create_session(); }},
        {"monitor", [&] { (void)ns::Monitor(stage.client).subscribe(); }},
    };
    stage.peer.always_play_upgrade(refusal.fault);
    for (const auto& [channel, open] : channels) {
      CAPTURE(refusal.fault, channel);
      const ns::Error error = error_of(open);
      CHECK(error.kind() == refusal.kind);
      CHECK(error.code() == refusal.code);
      if (refusal.http_status != 200) CHECK(error.http_status() == refusal.http_status);
      const int now = stage.peer.count("request", {{"upgrade", true}});
      CHECK(now - upgrades == refusal.attempts);
      upgrades = now;
    }
  }
}

TEST_CASE("an upgrade that is refused once by a server in trouble is tried again") {
  Stage stage;
  for (const char* fault : {"503", "reset", "hang-up"}) {
    CAPTURE(fault);
    stage.peer.play_upgrade({fault, fault});
    CHECK(stage.sandbox.commands().run("say again", streamed()).stdout_text == "again\n");
  }
}

TEST_CASE("the upgrade of a sandbox that is gone says sandbox_not_found") {
  Stage stage;
  ns::Sandbox::kill_by_id(stage.client, stage.sandbox.id());
  for (const std::function<void()>& open : std::vector<std::function<void()>>{
           [&] { (void)stage.sandbox.commands().run("say x", streamed()); },
           [&] { (void)stage.sandbox.pty().create_session(); }}) {
    const ns::Error error = error_of(open);
    CHECK(error.code() == "sandbox_not_found");
    CHECK(error.kind() == ns::ErrorKind::not_found);
    CHECK(error.http_status() == 404);
    CHECK(error.request_id() == "req_peer");
  }
}

TEST_CASE("a wrong key is refused on every channel") {
  Stage stage;
  ns::ClientOptions options = test::options_for(stage.peer);
  options.api_key = ns::Secret("ns_wrong_key");
  const ns::Client stranger(options);
  CHECK(error_of([&] { return ns::Sandbox::find(stranger, "sb_1"); }).code() == "unauthorized");
  const ns::Error error = error_of([&] { return ns::Monitor(stranger).subscribe(); });
  CHECK(error.code() == "unauthorized");
  CHECK(std::string(error.what()).find("ns_wrong_key") == std::string::npos);
}

TEST_CASE("an upgrade offers what the protocol says and nothing else") {
  Stage stage;
  const ns::PtySession session = stage.sandbox.pty().create_session();
  const auto upgrades = stage.peer.events("request", {{"upgrade", true}});
  REQUIRE(upgrades.size() == 1);
  const ns::Json& headers = upgrades.front()["headers"];
  CHECK(upgrades.front()["target"].as_string() == "/v1/sandboxes/sb_1/ws?channel=pty");
  CHECK(headers["authorization"].as_string() == "Bearer " + PythonPeer::key());
  CHECK(headers["host"].as_string() == "127.0.0.1:" + std::to_string(stage.peer.port()));
  CHECK(headers["sec-websocket-version"].as_string() == "13");
  CHECK(headers["sec-websocket-protocol"].is_null());
}

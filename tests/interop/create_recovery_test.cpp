// Creates whose answer is lost, late, or not yet: there is one sandbox in the end, or an error that
// names its key.
#include <chrono>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::options_for;
using test::PythonPeer;
namespace ns = nullspace;

namespace {

// The keys that came with creates, one for each request.
std::vector<std::string> keys_sent_to(PythonPeer& peer) {
  std::vector<std::string> keys;
  for (const ns::Json& request : peer.events("request", {{"method", "POST"}})) {
    keys.push_back(request["headers"]["idempotency-key"].as_string().value_or("none"));
  }
  return keys;
}

}  // namespace

TEST_CASE("a create whose answer is lost makes exactly one sandbox") {
  for (const char* fault :
       {"lost-answer", "cut-in-head", "cut-in-body", "reset", "stall", "stall-in-body"}) {
    CAPTURE(fault);
    PythonPeer peer;
    ns::ClientOptions options = options_for(peer);
    options.timeouts.create = std::string_view(fault).starts_with("stall") ? 500ms : 60s;
    const ns::Client client(options);
    peer.play_rest({fault});
    const ns::Sandbox sandbox = ns::Sandbox::create(client);
    CHECK(sandbox.id() == "sb_1");
    CHECK(peer.sandboxes_ever() == 1);
    const auto keys = keys_sent_to(peer);
    CHECK(keys.size() == 2);
    CHECK(std::set(keys.begin(), keys.end()).size() == 1);
    CHECK(keys.front().size() == 36);
  }
}

TEST_CASE("a create that is still under way is asked for again with the same key") {
  PythonPeer peer;
  const ns::Client client(options_for(peer));
  peer.play_rest({"transition", "recovery"});
  const ns::Sandbox sandbox = ns::Sandbox::create(client, {.idempotency_key = "my-own-key"});
  CHECK(sandbox.info().status == ns::SandboxStatus::running);
  CHECK(keys_sent_to(peer) == std::vector<std::string>(3, "my-own-key"));
  CHECK(peer.sandboxes_ever() == 1);
}

TEST_CASE("a create is not repeated for ever") {
  PythonPeer peer;
  ns::ClientOptions options = options_for(peer);
  options.retry.create_attempts = 2;
  const ns::Client client(options);
  peer.always_play_rest("transition");
  const ns::Error error =
      error_of([&] { return ns::Sandbox::create(client, {.idempotency_key = "the-key"}); });
  CHECK(error.code() == "transition_in_progress");
  CHECK(error.http_status() == 409);
  CHECK(error.info().idempotency_key == "the-key");
  CHECK(keys_sent_to(peer).size() == 2);
}

TEST_CASE("the deadline of a create ends its repetitions") {
  PythonPeer peer;
  const ns::Client client(options_for(peer));
  peer.always_play_rest("transition");
  const auto start = std::chrono::steady_clock::now();
  const ns::Error error =
      error_of([&] { return ns::Sandbox::create(client, {.deadline = 700ms}); });
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(error.info().idempotency_key.size() == 36);
}

TEST_CASE("a create that the server refuses is not repeated") {
  for (const char* fault : {"capacity", "nested-capacity", "unavailable", "internal-error",
                            "html-502", "malformed", "redirect"}) {
    CAPTURE(fault);
    PythonPeer peer;
    const ns::Client client(options_for(peer));
    peer.redirect_to("http://127.0.0.1:1");
    peer.always_play_rest(fault);
    const ns::Error error = error_of([&] { return ns::Sandbox::create(client); });
    CHECK_FALSE(error.info().idempotency_key.empty());
    CHECK(keys_sent_to(peer).size() == 1);
  }
}

TEST_CASE("a create with an empty answer tells that its outcome is unknown") {
  PythonPeer peer;
  const ns::Client client(options_for(peer));
  peer.always_play_rest("empty");
  const ns::Error error = error_of([&] { return ns::Sandbox::create(client); });
  CHECK(error.code() == "transition_recovery_required");
  CHECK(keys_sent_to(peer).size() == 1);
}

TEST_CASE("a create to nobody fails at once") {
  ns::ClientOptions options;
  {
    const PythonPeer gone;
    options = options_for(gone);
  }
  const ns::Client client(options);
  const auto start = std::chrono::steady_clock::now();
  const ns::Error error = error_of([&] { return ns::Sandbox::create(client); });
  CHECK(error.kind() == ns::ErrorKind::transport);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
}

TEST_CASE("a stop token ends the wait between two attempts of a create") {
  PythonPeer peer;
  const ns::Client client(options_for(peer));
  peer.always_play_rest("transition");
  std::stop_source source;
  std::jthread stopper([&] {
    peer.await_events("request", 2);
    source.request_stop();
  });
  const auto start = std::chrono::steady_clock::now();
  const ns::Error error =
      error_of([&] { return ns::Sandbox::create(client, {.stop = source.get_token()}); });
  CHECK(error.kind() == ns::ErrorKind::cancelled);
  CHECK(std::chrono::steady_clock::now() - start < 10s);
}

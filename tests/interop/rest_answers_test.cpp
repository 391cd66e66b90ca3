// Answers that are wrong in every way: each call ends with the error that fits, and the client is
// as good as new.
#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::PythonPeer;
using test::Stage;
namespace ns = nullspace;
using Kind = ns::ErrorKind;

namespace {

struct Operation {
  std::string name;
  // Whether the answer has a body that the SDK needs.
  bool needs_answer;
  std::function<void()> run;
};

std::vector<Operation> operations_of(const Stage& stage, int pid, const std::string& session) {
  const ns::Sandbox& sandbox = stage.sandbox;
  return {
      {"get_info", true, [=] { (void)sandbox.get_info(); }},
      {"get_info with fields", true, [=] { (void)sandbox.get_info({"id"}); }},
      {"list", true, [=] { (void)ns::Sandbox::list(sandbox.client()).to_vector(); }},
      {"set_timeout", false, [=] { sandbox.set_timeout(60s); }},
      {"get_metrics", true, [=] { (void)sandbox.get_metrics(); }},
      {"run", true, [=] { (void)sandbox.commands().run("say x"); }},
      {"run_background", true, [=] { (void)sandbox.commands().run_background("say x"); }},
      {"processes", true, [=] { (void)sandbox.commands().list(); }},
      {"logs", true, [=] { (void)sandbox.commands().get_logs(pid); }},
      {"stdin", false, [=] { sandbox.commands().send_stdin(pid, "x"); }},
      {"pty list", true, [=] { (void)sandbox.pty().list_sessions(); }},
      {"pty info", true, [=] { (void)sandbox.pty().get_session_info(session); }},
      {"pty resize", false, [=] { sandbox.pty().resize_session(session, {.cols = 5, .rows = 5}); }},
  };
}

struct Fault {
  std::string name;
  std::set<Kind> kinds;
  // Whether a call that does not read the answer's body ends well.
  bool harmless_without_body{false};
};

}  // namespace

TEST_CASE("every operation survives every fault with the error that fits") {
  Stage stage([](ns::ClientOptions& options) {
    options.max_response_bytes = 1 << 20;
    options.retry.rate_limit_retries = 0;
  });
  stage.peer.redirect_to("http://127.0.0.1:1");
  const ns::Command sleeper = stage.sandbox.commands().run_background("sleep");
  const ns::PtySession session = stage.sandbox.pty().create_session();
  const std::vector<Fault> faults{
      {"reset", {Kind::transport}},
      {"cut-in-head", {Kind::transport}},
      {"cut-in-body", {Kind::transport}},
      {"not-http", {Kind::transport, Kind::invalid_response}},
      {"html-502", {Kind::server}},
      {"internal-error", {Kind::server}},
      {"empty-500", {Kind::server}},
      {"array-error", {Kind::server}},
      {"deep-error", {Kind::server}},
      {"unavailable", {Kind::server}},
      {"rate-limit", {Kind::rate_limit}},
      {"capacity", {Kind::quota_exceeded}},
      {"nested-capacity", {Kind::quota_exceeded}},
      {"flat-error", {Kind::conflict}},
      {"bad-detail", {Kind::invalid_response}},
      {"redirect", {Kind::invalid_response}},
      {"huge", {Kind::limit_exceeded}},
      {"html-200", {Kind::invalid_response}, true},
      {"empty", {Kind::invalid_response}, true},
      {"malformed", {Kind::invalid_response}, true},
      {"truncated", {Kind::invalid_response}, true},
      {"trailing", {Kind::invalid_response}, true},
      {"deep", {Kind::invalid_response}, true},
      {"absurd-number", {Kind::invalid_response}, true},
      {"long-number", {Kind::invalid_response}, true},
      {"string", {Kind::invalid_response}, true},
      {"array", {Kind::invalid_response}, true},
      {"null", {Kind::invalid_response}, true},
  };
  for (const Operation& operation : operations_of(stage, sleeper.pid(), session.session_id())) {
    for (const Fault& fault : faults) {
      CAPTURE(operation.name, fault.name);
      stage.peer.always_play_rest(fault.name);
      if (fault.harmless_without_body && !operation.needs_answer) {
        CHECK_NOTHROW(operation.run());
        continue;
      }
      const ns::Error error = error_of(operation.run);
      CHECK(fault.kinds.contains(error.kind()));
      CHECK(std::string(error.what()).find(PythonPeer::key()) == std::string::npos);
    }
    CAPTURE(operation.name);
    stage.peer.behave();
    CHECK_NOTHROW(operation.run());
  }
}

TEST_CASE("an answer is understood in every shape that HTTP has") {
  Stage stage;
  for (const char* shape : {"chunked", "compressed", "until-close", "close-unannounced", "drip"}) {
    CAPTURE(shape);
    stage.peer.always_play_rest(shape);
    // Several in a row: the connection of the one before may be gone.
    for (int i = 0; i < 3; ++i) {
      CHECK(stage.sandbox.get_info().id == stage.sandbox.id());
      CHECK_NOTHROW(stage.sandbox.set_timeout(60s));
      CHECK(stage.sandbox.commands().run("say x").stdout_text == "x\n");
    }
  }
}

TEST_CASE("a wrong type where a value is needed is an invalid_response") {
  Stage stage;
  const ns::Command sleeper = stage.sandbox.commands().run_background("sleep");
  const ns::PtySession session = stage.sandbox.pty().create_session();
  stage.peer.always_play_rest("wrong-types");
  for (const Operation& operation : operations_of(stage, sleeper.pid(), session.session_id())) {
    // Asked for single fields, the caller gets the JSON as it is.
    if (!operation.needs_answer || operation.name == "get_info with fields") continue;
    CAPTURE(operation.name);
    CHECK(error_of(operation.run).code() == "invalid_response");
  }
}

TEST_CASE("words that are new to this SDK are kept") {
  Stage stage;
  stage.peer.play_rest({"unknown-enums"});
  const ns::SandboxInfo info = stage.sandbox.get_info();
  CHECK(info.status == ns::SandboxStatus::unknown);
  CHECK(info.status_text == "levitating");
  CHECK(info.timeout_action == ns::TimeoutAction::unknown);
}

TEST_CASE("bytes that are no UTF-8 do not get out of a string") {
  Stage stage;
  stage.peer.play_rest({"bad-utf8"});
  CHECK(error_of([&] { return stage.sandbox.get_info(); }).code() == "invalid_response");
}

TEST_CASE("an error body says everything, in either shape") {
  Stage stage;
  stage.peer.play_rest({"flat-error"});
  const ns::Error flat = error_of([&] { return stage.sandbox.get_info(); });
  CHECK(flat.kind() == Kind::conflict);
  CHECK(flat.code() == "sandbox_not_ready");
  CHECK(flat.message() == "still \u201cstarting\u201d");
  CHECK(flat.http_status() == 409);
  CHECK(flat.request_id() == "req_51aa");
  CHECK(flat.retryable());
  CHECK(flat.suggested_action() == "Wait a moment.");
  CHECK(flat.info().details["port"].as_int() == 22);
  const std::string text = flat.what();
  for (const char* part :
       {"GET /v1/sandboxes/sb_1", "sandbox_not_ready", "409", "req_51aa", "Wait a moment."}) {
    CAPTURE(text, part);
    CHECK(text.find(part) != std::string::npos);
  }

  stage.peer.play_rest({"nested-error"});
  const ns::Error nested = error_of([&] { return stage.sandbox.commands().run("say x"); });
  CHECK(nested.kind() == Kind::server);
  CHECK(nested.code() == "exec_failed");
  CHECK(nested.message() == "the runtime said no");
  CHECK(nested.http_status() == 502);
  CHECK(nested.request_id() == "req_77b0");
  CHECK_FALSE(nested.retryable());
  CHECK(nested.suggested_action() == "Look at the host.");
  CHECK(nested.info().details["attempts"].array().size() == 2);
}

TEST_CASE("a proxy's page is reported as what it is") {
  Stage stage;
  stage.peer.play_rest({"html-502"});
  const ns::Error error = error_of([&] { return stage.sandbox.get_info(); });
  CHECK(error.code() == "unknown");
  CHECK(error.http_status() == 502);
  CHECK(error.message().find("502 Bad Gateway") != std::string::npos);
}

TEST_CASE("a rate limit is waited out, three times by default") {
  Stage stage;
  for (const char* fault : {"rate-limit", "rate-limit-now", "rate-limit-without-code"}) {
    CAPTURE(fault);
    stage.peer.play_rest({fault, fault, fault});
    CHECK(stage.sandbox.get_info().id == stage.sandbox.id());

    const int before = stage.peer.count("request");
    stage.peer.always_play_rest(fault);
    const ns::Error error = error_of([&] { return stage.sandbox.get_info(); });
    CHECK(error.kind() == Kind::rate_limit);
    CHECK(error.code() == "rate_limit_exceeded");
    CHECK(error.retryable());
    CHECK(error.retry_after() == (std::string_view(fault) == "rate-limit" ? 50ms : 0ms));
    CHECK(stage.peer.count("request") - before == 4);
    stage.peer.behave();
  }
}

TEST_CASE("a Retry-After that is absent or a date means a second") {
  Stage stage;
  for (const char* fault : {"rate-limit-unsaid", "rate-limit-date"}) {
    CAPTURE(fault);
    stage.peer.play_rest({fault});
    const auto start = std::chrono::steady_clock::now();
    CHECK(stage.sandbox.get_info().id == stage.sandbox.id());
    const auto elapsed = std::chrono::steady_clock::now() - start;
    CHECK(elapsed >= 900ms);
    CHECK(elapsed < 15s);
  }
}

TEST_CASE("a Retry-After beyond patience is the caller's to decide") {
  Stage stage;
  stage.peer.always_play_rest("rate-limit-far");
  const auto start = std::chrono::steady_clock::now();
  const ns::Error error = error_of([&] { return stage.sandbox.get_info(); });
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(error.kind() == Kind::rate_limit);
  REQUIRE(error.retry_after());
  CHECK(*error.retry_after() == 24h);
}

TEST_CASE("what is no rate limit is not repeated") {
  Stage stage;
  for (const char* fault : {"capacity", "nested-capacity", "unavailable", "html-502", "reset"}) {
    CAPTURE(fault);
    const int before = stage.peer.count("request");
    stage.peer.always_play_rest(fault);
    (void)error_of([&] { return stage.sandbox.commands().run("say x"); });
    CHECK(stage.peer.count("request") - before == 1);
  }
}

TEST_CASE("a command is never sent twice, whatever happens to its answer") {
  Stage stage;
  int runs = 0;
  for (const char* fault : {"lost-answer", "cut-in-head", "cut-in-body", "reset"}) {
    CAPTURE(fault);
    // A connection that was kept open is the trap: clients like to repeat what was lost on one.
    CHECK(stage.sandbox.get_info().id == stage.sandbox.id());
    stage.peer.play_rest({fault});
    const ns::Error error = error_of([&] { return stage.sandbox.commands().run("say once"); });
    CHECK(error.kind() == Kind::transport);
    ++runs;
    CHECK(stage.peer.count("request", {{"method", "POST"}, {"path", "/v1/sandboxes/sb_1/exec"}}) ==
          runs);
  }
}

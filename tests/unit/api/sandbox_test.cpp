#include <nullspace/sandbox.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::SandboxStatus;
using nullspace::ScopedSandbox;
using nullspace::TransportFailureKind;

namespace {

const std::string kBase = "https://api.example.test/prefix/v1/";

std::string paused_body(std::string_view id, std::string_view snapshot_id) {
  Json::Object body = Json::parse(sandbox_body(id, "paused")).object();
  if (!snapshot_id.empty()) body.insert_or_assign("snapshot_id", snapshot_id);
  return Json(std::move(body)).dump();
}

}  // namespace

TEST_CASE("connect is a handle to what is there, whatever its state") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const char* status = GENERATE("running", "creating", "error", "brand_new_status");
  scripted.http->push(response(200, sandbox_body("sb_1", status)));
  const Sandbox sandbox = Sandbox::connect(client, "sb_1");
  CHECK(sandbox.id() == "sb_1");
  CHECK(sandbox.info().status_text == status);
  CHECK_FALSE(sandbox.traffic_access_token());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("connecting to a paused sandbox resumes its snapshot and adopts the new id") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(200, paused_body("sb_1", "snap_9")));
  scripted.http->push(
      response(200, R"({"id":"sb_2","status":"running","config":{"vcpus":2,"memory_mb":512}})"));
  scripted.http->push(response(204));
  const Sandbox sandbox = Sandbox::connect(client, "sb_1", {.timeout = std::chrono::seconds{45}});
  CHECK(sandbox.id() == "sb_2");
  CHECK(scripted.http->request(1).url == kBase + "sandboxes/snap_9/resume");
  CHECK(scripted.http->request(1).method == "POST");
  CHECK(scripted.http->request(1).body.empty());
  CHECK(scripted.http->request(1).timeout == std::chrono::minutes{5});
  CHECK_FALSE(header(scripted.http->request(1).headers, "Idempotency-Key"));
  // The action stays what it is.
  CHECK(scripted.http->request(2).url == kBase + "sandboxes/sb_2/timeout");
  CHECK(scripted.http->request(2).body == R"({"timeout_ms":45000})");
}

TEST_CASE("in the machine dialect a paused machine is resumed by its own id") {
  const ScriptedClient scripted;
  const Client client = scripted.client(Dialect::machine);
  scripted.http->push(response(200, paused_body("mch_1", "")));
  scripted.http->push(response(200, sandbox_body("mch_1")));
  CHECK(Sandbox::connect(client, "mch_1").id() == "mch_1");
  CHECK(scripted.http->request(1).url == kBase + "machines/mch_1/resume");
}

TEST_CASE("a paused sandbox without its snapshot cannot be resumed") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(200, paused_body("sb_1", "")));
  const Error error = thrown_by([&client] { (void)Sandbox::connect(client, "sb_1"); });
  CHECK(error.code() == "missing_snapshot_id");
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a time-out that makes no sense is refused before connecting") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  const Error error = thrown_by([&client] {
    (void)Sandbox::connect(client, "sb_1", {.timeout = std::chrono::milliseconds{0}});
  });
  CHECK(error.kind() == ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("find answers with a value, never resumes, and does not hide other errors") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(200, paused_body("sb_1", "snap_9")));
  const auto found = Sandbox::find(client, "sb_1");
  REQUIRE(found);
  CHECK(found->info().status == SandboxStatus::paused);
  scripted.http->push(response(404, error_body("sandbox_not_found")));
  CHECK_FALSE(Sandbox::find(client, "sb_1"));
  scripted.http->push(response(404, error_body("machine_not_found")));
  CHECK_FALSE(Sandbox::find(client, "sb_1"));
  scripted.http->push(response(401, error_body("unauthorized")));
  CHECK(thrown_by([&client] { (void)Sandbox::find(client, "sb_1"); }).kind() ==
        ErrorKind::authentication);
  CHECK(scripted.http->count() == 4);
}

TEST_CASE("get_info refreshes what the handle knows, a field mask does not") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, sandbox_body("sb_1", "paused")));
  CHECK(sandbox.get_info().status == SandboxStatus::paused);
  CHECK(sandbox.info().status == SandboxStatus::paused);
  scripted.http->push(response(200, R"({"id":"sb_1","status":"running"})"));
  const Json fields = sandbox.get_info({"id", " status", "id"});
  CHECK(fields["status"].as_string() == "running");
  CHECK(scripted.http->request(1).url == kBase + "sandboxes/sb_1?fields=id%2Cstatus");
  CHECK(sandbox.info().status == SandboxStatus::paused);
  CHECK(thrown_by([&] { (void)sandbox.get_info(std::vector<std::string>{}); }).kind() ==
        ErrorKind::invalid_request);
}

TEST_CASE("copies of a handle are one sandbox") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  const Sandbox copy = sandbox;
  scripted.http->push(response(200, sandbox_body("sb_1", "paused")));
  (void)copy.get_info();
  CHECK(sandbox.info().status == SandboxStatus::paused);
}

TEST_CASE("is_running asks, and one that is gone does not run") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, sandbox_body("sb_1", "running")));
  CHECK(sandbox.is_running());
  scripted.http->push(response(200, sandbox_body("sb_1", "paused")));
  CHECK_FALSE(sandbox.is_running());
  scripted.http->push(response(404, error_body("sandbox_not_found")));
  CHECK_FALSE(sandbox.is_running());
  scripted.http->push(response(500, error_body("internal_error")));
  CHECK_THROWS_AS(sandbox.is_running(), Error);
}

TEST_CASE("set_timeout sends milliseconds, and an action only when there is one") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, R"({"timeout_ms":1})"));
  sandbox.set_timeout(std::chrono::seconds{45}, {.action = nullspace::TimeoutAction::pause});
  CHECK(Json::parse(scripted.http->request(0).body) ==
        Json(Json::Object{{"timeout_ms", 45'000}, {"timeout_action", "hibernate"}}));
  CHECK(thrown_by([&] { sandbox.set_timeout(std::chrono::milliseconds{-5}); }).kind() ==
        ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("metrics come oldest first, and there may be none") {
  const ScriptedClient scripted;
  const Sandbox sandbox = scripted.sandbox();
  scripted.http->push(response(200, "[]"));
  CHECK(sandbox.get_metrics().empty());
  scripted.http->push(response(200, R"([{"timestamp":"2026-05-02T08:01:00Z","cpu_percent":3.5,
     "cpu_count":2,"mem_used_bytes":90177536,"mem_total_bytes":536870912,"disk_used_bytes":1,
     "disk_total_bytes":2,"network_rx_bytes":null,"network_tx_bytes":null}])"));
  const auto samples = sandbox.get_metrics();
  REQUIRE(samples.size() == 1);
  CHECK(samples[0].cpu_percent == 3.5);
  CHECK_FALSE(samples[0].network_rx_bytes);
}

TEST_CASE("a scoped sandbox is killed once, whatever happens to its handles") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  {
    ScopedSandbox first = scripted.sandbox(client, "sb_1");
    ScopedSandbox second = std::move(first);
    CHECK(second->id() == "sb_1");
    scripted.http->push(response(204));
  }
  REQUIRE(scripted.http->count() == 1);
  CHECK(scripted.http->request(0).method == "DELETE");
  CHECK(scripted.http->request(0).url == kBase + "sandboxes/sb_1");
}

TEST_CASE("a scoped sandbox that gets another one kills the first") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  ScopedSandbox scoped = scripted.sandbox(client, "sb_1");
  ScopedSandbox other = scripted.sandbox(client, "sb_2");
  scripted.http->push(response(204));
  scoped = std::move(other);
  CHECK(scripted.http->request(0).url == kBase + "sandboxes/sb_1");
  const Sandbox released = scoped.release();
  CHECK(released.id() == "sb_2");
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a kill that fails at the end of a scope is logged, unless it was gone already") {
  const ScriptedClient scripted;
  Reported<std::string> lines;
  auto options = scripted.options();
  options.log_level = nullspace::LogLevel::warning;
  options.log_sink = [&lines](const nullspace::LogRecord& record) { lines.add(record.message); };
  const Client client(options);
  SECTION("gone") {
    {
      const ScopedSandbox scoped = scripted.sandbox(client);
      scripted.http->push(response(404, error_body("sandbox_not_found")));
    }
    CHECK(lines.count() == 0);
  }
  SECTION("failed") {
    {
      const ScopedSandbox scoped = scripted.sandbox(client);
      scripted.http->push(response(409, error_body("transition_in_progress")));
    }
    REQUIRE(lines.count() == 1);
    CHECK(lines.all()[0].find("sb_1") != std::string::npos);
  }
}

TEST_CASE("run_once always kills") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(201, sandbox_body()));
  SECTION("after a result") {
    scripted.http->push(response(200, R"({"exit_code":3,"stdout":"out","stderr":""})"));
    scripted.http->push(response(204));
    CHECK(Sandbox::run_once(client, "true").exit_code == 3);
    CHECK(scripted.http->request(2).method == "DELETE");
  }
  SECTION("after an error") {
    scripted.http->push(response(500, error_body("internal_error")));
    scripted.http->push(response(204));
    CHECK(thrown_by([&] { (void)Sandbox::run_once(client, "true"); }).code() == "internal_error");
    CHECK(scripted.http->request(2).method == "DELETE");
  }
  SECTION("a kill that fails is an error, and is not tried twice") {
    scripted.http->push(response(200, R"({"exit_code":0,"stdout":"","stderr":""})"));
    scripted.http->push(response(503, error_body("internal_error", "no kill")));
    CHECK(thrown_by([&] { (void)Sandbox::run_once(client, "true"); }).message() == "no kill");
    CHECK(scripted.http->count() == 3);
  }
  CHECK(Json::parse(scripted.http->request(0).body)["memory_mb"].as_int() == 512);
}

TEST_CASE("run_once waits out the moment in which nothing can be started yet") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(201, sandbox_body()));
  scripted.http->push(
      response(502, R"({"error":{"code":"exec_failed","message":"guest not up"}})"));
  scripted.http->push(response(200, R"({"exit_code":0,"stdout":"late","stderr":""})"));
  scripted.http->push(response(204));
  CHECK(Sandbox::run_once(client, "true").stdout_text == "late");
  CHECK(scripted.http->count() == 4);
}

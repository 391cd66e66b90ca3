#include "api/create_sandbox.hpp"

#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::ClientOptions;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::TransportFailureKind;
using std::chrono::milliseconds;

namespace {

std::string key_of(const nullspace::HttpRequest& request) {
  return header(request.headers, "Idempotency-Key").value_or("");
}

// Tests do not wait.
constexpr nullspace::RepeatPauses kNoPauses{.first = milliseconds{0}, .longest = milliseconds{0}};

Client client_with_attempts(const ScriptedClient& scripted, int attempts) {
  ClientOptions options = scripted.options();
  options.retry.create_attempts = attempts;
  return Client(options);
}

}  // namespace

TEST_CASE("create asks once and takes the handle from the answer") {
  const ScriptedClient scripted;
  scripted.http->push(response(201, R"({"id":"sb_7k2","status":"running","config":{"vcpus":2,
      "memory_mb":512},"traffic_access_token":"nst_secret","metadata":{"run":7}})"));
  const Sandbox sandbox = Sandbox::create(scripted.client(), {.template_id = "python"});
  CHECK(sandbox.id() == "sb_7k2");
  CHECK(sandbox.info().template_id == "python");
  CHECK(sandbox.info().metadata.at("run").as_int() == 7);
  CHECK(sandbox.traffic_access_token()->reveal() == "nst_secret");
  const auto request = scripted.http->request(0);
  CHECK(request.method == "POST");
  CHECK(request.url == "https://api.example.test/prefix/v1/sandboxes");
  CHECK(request.timeout == std::chrono::minutes{2});
  CHECK(key_of(request).size() == 36);
  const Json body = Json::parse(request.body);
  CHECK(body["template"].as_string() == "python");
  CHECK(body["vcpus"].as_int() == 2);
  CHECK(body["memory_mb"].as_int() == 512);
  CHECK(body["timeout_ms"].as_int() == 300'000);
}

TEST_CASE("create speaks the dialect") {
  const ScriptedClient scripted;
  scripted.http->push(response(201, sandbox_body("mch_1")));
  CHECK(Sandbox::create(scripted.client(Dialect::machine)).id() == "mch_1");
  CHECK(scripted.http->request(0).url == "https://api.example.test/prefix/v1/machines");
}

TEST_CASE("two creates have two keys, unless the caller brings one") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  for (int i = 0; i < 3; ++i)
    scripted.http->push(response(201, sandbox_body()));
  (void)Sandbox::create(client);
  (void)Sandbox::create(client);
  (void)Sandbox::create(client, {.idempotency_key = "mine-1"});
  CHECK(key_of(scripted.http->request(0)) != key_of(scripted.http->request(1)));
  CHECK(key_of(scripted.http->request(2)) == "mine-1");
}

TEST_CASE("the time-out per attempt can be chosen") {
  const ScriptedClient scripted;
  scripted.http->push(response(201, sandbox_body()));
  (void)Sandbox::create(scripted.client(), {.request_timeout = milliseconds{4321}});
  CHECK(scripted.http->request(0).timeout == milliseconds{4321});
}

TEST_CASE("pauses between attempts double up to ten seconds, a little over four minutes in all") {
  CHECK(nullspace::RetryOptions{}.create_attempts == 30);
  const nullspace::RepeatPauses pauses;
  std::vector<long> first_pauses;
  milliseconds total{0};
  for (int attempt = 1; attempt < 30; ++attempt) {
    if (attempt <= 7) first_pauses.push_back(pauses.after(attempt).count());
    total += pauses.after(attempt);
  }
  CHECK(first_pauses == std::vector<long>{500, 1'000, 2'000, 4'000, 8'000, 10'000, 10'000});
  CHECK(total == milliseconds{255'500});
  CHECK(pauses.after(1'000'000) == milliseconds{10'000});
  CHECK(kNoPauses.after(1'000'000) == milliseconds{0});
}

TEST_CASE("an answer that may have got lost is asked for again with the same key") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  SECTION("the connection broke") {
    scripted.http->push(failure(TransportFailureKind::receive));
  }
  SECTION("what came was no HTTP") {
    scripted.http->push(failure(TransportFailureKind::protocol));
  }
  SECTION("it took too long") {
    scripted.http->push(failure(TransportFailureKind::timeout));
  }
  SECTION("it is still under way") {
    scripted.http->push(
        response(409, R"({"error":{"code":"transition_in_progress","message":"still running"}})"));
  }
  SECTION("it must be recovered") {
    scripted.http->push(response(503, error_body("transition_recovery_required")));
  }
  scripted.http->push(response(201, sandbox_body()));
  const auto created = nullspace::create_sandbox(client.core(), {}, kNoPauses);
  REQUIRE(created.ok());
  CHECK(created.value()->id() == "sb_1");
  REQUIRE(scripted.http->count() == 2);
  CHECK(key_of(scripted.http->request(0)) == key_of(scripted.http->request(1)));
  CHECK(scripted.http->request(0).body == scripted.http->request(1).body);
}

TEST_CASE("a create is asked for thirty times and not once more") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->answer_with([](const nullspace::HttpRequest&) {
    return response(409, error_body("transition_in_progress"));
  });
  const auto created = nullspace::create_sandbox(client.core(), {}, kNoPauses);
  REQUIRE_FALSE(created.ok());
  CHECK(created.error().code == "transition_in_progress");
  const auto requests = scripted.http->requests();
  CHECK(requests.size() == 30);
  for (const auto& request : requests)
    CHECK(key_of(request) == created.error().idempotency_key);
}

TEST_CASE("what cannot have created anything is not repeated") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  SECTION("refused") {
    scripted.http->push(failure(TransportFailureKind::connect));
  }
  SECTION("not found") {
    scripted.http->push(failure(TransportFailureKind::resolve));
  }
  SECTION("no certificate") {
    scripted.http->push(failure(TransportFailureKind::tls));
  }
  SECTION("not opened in time") {
    scripted.http->push(failure(TransportFailureKind::connect_timeout));
  }
  SECTION("not sent") {
    scripted.http->push(failure(TransportFailureKind::send));
  }
  SECTION("no capacity") {
    scripted.http->push(response(429, error_body("capacity_exceeded")));
  }
  SECTION("no template") {
    scripted.http->push(response(404, error_body("template_not_found")));
  }
  SECTION("conflict") {
    scripted.http->push(response(409, error_body("conflict")));
  }
  SECTION("internal") {
    scripted.http->push(response(500, error_body("internal_error")));
  }
  SECTION("a page") {
    scripted.http->push(response(502, "<html>"));
  }
  SECTION("a redirect") {
    scripted.http->push(response(307));
  }
  SECTION("nonsense") {
    scripted.http->push(response(201, R"({"id": 7})"));
  }
  const Error error = thrown_by([&client] { (void)Sandbox::create(client); });
  CHECK(scripted.http->count() == 1);
  // With it the caller can ask again without making a second sandbox.
  CHECK(error.info().idempotency_key == key_of(scripted.http->request(0)));
  CHECK_FALSE(error.info().idempotency_key.empty());
  CHECK(std::string(error.what()).find(error.info().idempotency_key) != std::string::npos);
}

TEST_CASE("an empty success is no sandbox, and is not repeated") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(response(GENERATE(200, 201, 204)));
  const Error error = thrown_by([&client] { (void)Sandbox::create(client); });
  CHECK(error.code() == "transition_recovery_required");
  CHECK(error.retryable());
  CHECK_FALSE(error.info().idempotency_key.empty());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("attempts are counted") {
  const ScriptedClient scripted;
  const Client client = client_with_attempts(scripted, 1);
  scripted.http->push(failure(TransportFailureKind::receive));
  const Error error = thrown_by([&client] { (void)Sandbox::create(client); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a pause that would not end before the deadline is not begun") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(failure(TransportFailureKind::receive, "lost"));
  const Error error =
      thrown_by([&client] { (void)Sandbox::create(client, {.deadline = milliseconds{400}}); });
  CHECK(error.kind() == ErrorKind::transport);
  CHECK_FALSE(error.info().idempotency_key.empty());
  CHECK(scripted.http->count() == 1);
  CHECK(scripted.http->request(0).timeout <= milliseconds{400});
}

TEST_CASE("a create can be stopped while it waits to ask again") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  std::stop_source stop;
  scripted.http->answer_with([&stop](const nullspace::HttpRequest&) {
    stop.request_stop();
    return failure(TransportFailureKind::receive);
  });
  const Error error = thrown_by([&] { (void)Sandbox::create(client, {.stop = stop.get_token()}); });
  CHECK(error.kind() == ErrorKind::cancelled);
  CHECK_FALSE(error.info().idempotency_key.empty());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a create can be stopped while it is under way") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push_silence();
  std::stop_source stop;
  std::jthread stopper([&] {
    if (scripted.http->wait_for_requests(1)) stop.request_stop();
  });
  const Error error = thrown_by([&] { (void)Sandbox::create(client, {.stop = stop.get_token()}); });
  CHECK(error.kind() == ErrorKind::cancelled);
  CHECK_FALSE(error.info().idempotency_key.empty());
}

TEST_CASE("options are checked before anything is sent") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  nullspace::SandboxCreateOptions options;
  SECTION("no template") {
    options.template_id = " ";
  }
  SECTION("no processors") {
    options.vcpus = 0;
  }
  SECTION("no memory") {
    options.memory_mb = 0;
  }
  SECTION("too small a disk") {
    options.disk_mb = 511;
  }
  SECTION("too large a disk") {
    options.disk_mb = 131'073;
  }
  SECTION("no time") {
    options.timeout = milliseconds{0};
  }
  SECTION("relative directory") {
    options.cwd = "tmp";
  }
  SECTION("a key that writes headers") {
    options.idempotency_key = "a\r\nX-Evil: 1";
  }
  SECTION("a name that is none") {
    options.envs = {{"A=B", "c"}};
  }
  SECTION("no volumes") {
    options.volumes.emplace();
  }
  SECTION("a screen without a desktop") {
    options.desktop.emplace().dpi = 96;
  }
  SECTION("a snapshot with a disk") {
    options.snapshot_id = "snap_1";
    options.disk_mb = 1024;
  }
  SECTION("auto_resume of what is destroyed") {
    options.auto_resume = true;
    options.timeout_action = nullspace::TimeoutAction::destroy;
  }
  const Error error = thrown_by([&] { (void)Sandbox::create(client, options); });
  CHECK(error.kind() == ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 0);
}

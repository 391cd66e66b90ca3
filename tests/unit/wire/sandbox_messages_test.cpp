#include "wire/sandbox_messages.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

using namespace std::chrono_literals;
using nullspace::test::contains;
using nullspace::test::json;

namespace {

constexpr std::string_view kRecorded = R"({
  "id": "sb_7k2", "status": "running",
  "config": {"vcpus": 2, "memory_mb": 1024},
  "template": "base", "metadata": {"team": "search", "run": 7},
  "started_at": "2026-05-02T08:00:01Z", "created_at": "2026-05-02T08:00:00Z",
  "timeout_ms": 600000, "timeout_at": "2026-05-02T08:10:01Z",
  "expires_at": "2026-05-02T08:10:01Z", "timeout_action": "destroy",
  "cwd": "/workspace/app"
})";

SandboxInfo decoded(std::string_view body) {
  auto answer = decode_sandbox(body);
  if (!answer.ok()) FAIL(answer.error().message);
  return answer->info;
}

void refuses(std::string_view body, std::string_view part) {
  const auto answer = decode_sandbox(body);
  INFO(body);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code == "invalid_response");
  INFO(answer.error().message);
  CHECK(contains(answer.error().message, part));
}

SandboxInfo full_info() {
  SandboxInfo info = decoded(kRecorded);
  info.config.disk_mb = 4096;
  info.metadata["note"] = "ü\x1b";
  info.snapshot_id = "snap_9";
  info.volumes.push_back({.id = "att_5",
                          .volume_id = "vol_3",
                          .sandbox_id = "sb_7k2",
                          .mount_path = "/workspace/corpora",
                          .subpath = "",
                          .read_only = true,
                          .state = "mounted",
                          .last_error_code = "",
                          .last_error_message = "",
                          .created_at = parse_timestamp("2026-05-02T08:00:02Z"),
                          .updated_at = {}});
  info.warm_pool_checkout = WarmPoolCheckout{
      .source = "ready_instance", .hit = true, .id = "twp_fast", .mode = "prefer", .waited = 12ms};
  return info;
}

}  // namespace

TEST_CASE("sandbox_messages: a cold create sends every field of the protocol") {
  CHECK(json(encode_create_request({})) == json(R"({
    "template": "base", "vcpus": 2, "memory_mb": 512, "timeout_ms": 300000, "envs": {}, "metadata": {}, "network": null,
    "internet_access": true, "cwd": null, "desktop": null, "volumes": null, "auto_resume": false})"));
}

TEST_CASE("sandbox_messages: the memory follows the template unless it is given") {
  SandboxCreateOptions options;
  options.template_id = "code-interpreter";
  CHECK(json(encode_create_request(options))["memory_mb"].as_int() == 2048);
  options.template_id = "code-interpreter:2";
  CHECK(json(encode_create_request(options))["memory_mb"].as_int() == 512);
  options.memory_mb = 300;
  CHECK(json(encode_create_request(options))["memory_mb"].as_int() == 300);
}

TEST_CASE("sandbox_messages: a create with all options") {
  SandboxCreateOptions options;
  options.template_id = "desktop";
  options.timeout = 1500ms;
  options.timeout_action = TimeoutAction::pause;
  options.auto_resume = true;
  options.disk_mb = 1024;
  options.envs = {{"MODE", "ci"}};
  options.metadata = {{"owner", "build-17"}, {"run", 7}};
  options.network = NetworkOptions{.allow_public_traffic = false,
                                   .mask_request_host = "h",
                                   .deny_out = {"0.0.0.0/0"},
                                   .allow_out = {"1.1.1.1/32"}};
  options.internet_access = false;
  options.cwd = "/workspace/repo";
  options.desktop = DesktopOptions{.width = 800, .height = 600, .dpi = {}, .display = ":1"};
  options.volumes = {{.ref = " corpora ",
                      .mount_path = "/workspace/corpora",
                      .read_only = true,
                      .subpath = "models/v2"},
                     {.ref = "b", .mount_path = "/b"}};
  options.warm_pool =
      WarmPoolOptions{.id = " twp_fast ", .mode = WarmPoolMode::bypass, .wait = 0ms};
  options.idempotency_key = "key-1";
  CHECK(json(encode_create_request(options)) == json(R"({
    "template": "desktop", "vcpus": 2, "memory_mb": 512, "disk_mb": 1024, "timeout_ms": 1500, "envs": {"MODE": "ci"},
    "metadata": {"owner": "build-17", "run": 7},
    "network": {"allow_public_traffic": false, "mask_request_host": "h", "deny_out": ["0.0.0.0/0"], "allow_out": ["1.1.1.1/32"]},
    "internet_access": false, "cwd": "/workspace/repo",
    "desktop": {"resolution": {"width": 800, "height": 600}, "display": ":1"},
    "volumes": [{"ref": "corpora", "mount_path": "/workspace/corpora", "read_only": true, "subpath": "models/v2"},
                {"ref": "b", "mount_path": "/b", "read_only": false}],
    "auto_resume": true, "timeout_action": "hibernate",
    "warm_pool": {"id": "twp_fast", "mode": "bypass", "wait_ms": 0}})"));
}

TEST_CASE(
    "sandbox_messages: a create from a snapshot sends what is not the snapshot's, and no more") {
  SandboxCreateOptions options;
  options.snapshot_id = "snap_22";
  options.timeout = 120s;
  options.vcpus = 8;
  options.envs = {{"A", "1"}};
  options.cwd = "/x";
  CHECK(
      json(encode_create_request(options)) ==
      json(
          R"({"snapshot_id": "snap_22", "timeout_ms": 120000, "metadata": {}, "network": null, "volumes": null,
                 "auto_resume": false})"));
  options.timeout_action = TimeoutAction::hibernate;
  CHECK(json(encode_create_request(options))["timeout_action"].as_string() == "hibernate");
}

TEST_CASE("sandbox_messages: set-timeout") {
  CHECK(*encode_timeout_request(45s) == R"({"timeout_ms":45000})");
  CHECK(*encode_timeout_request(45s, TimeoutAction::hibernate) ==
        R"({"timeout_ms":45000,"timeout_action":"hibernate"})");
  CHECK_FALSE(encode_timeout_request(0s).ok());
  CHECK_FALSE(encode_timeout_request(-1s).ok());
  CHECK_FALSE(encode_timeout_request(1s, TimeoutAction::unknown).ok());
}

TEST_CASE("sandbox_messages: the recorded object") {
  const SandboxInfo info = decoded(kRecorded);
  CHECK(info.id == "sb_7k2");
  CHECK(info.status == SandboxStatus::running);
  CHECK(info.status_text == "running");
  CHECK(info.config.vcpus == 2);
  CHECK(info.config.memory_mb == 1024);
  CHECK(info.template_id == "base");
  CHECK(info.metadata.at("team").as_string() == "search");
  CHECK(info.metadata.at("run").as_int() == 7);
  CHECK(info.started_at == parse_timestamp("2026-05-02T08:00:01Z"));
  CHECK(info.created_at == parse_timestamp("2026-05-02T08:00:00Z"));
  CHECK(info.timeout == 600s);
  CHECK(info.timeout_at == info.expires_at);
  CHECK(info.timeout_action == TimeoutAction::destroy);
  CHECK(info.cwd == "/workspace/app");
  CHECK_FALSE(info.snapshot_id);
  CHECK(info.volumes.empty());
}

TEST_CASE("sandbox_messages: the short handle of a resume") {
  const auto answer =
      decode_sandbox(R"({"id": "mch_p41", "status": "running", "config": {}})", "base");
  REQUIRE(answer.ok());
  CHECK(answer->info.template_id == "base");
  CHECK_FALSE(answer->traffic_access_token);
  CHECK(
      decoded(
          R"({"id": "sb_p41", "status": "running", "config": {}, "template": null, "metadata": null,
    "started_at": null, "timeout_ms": null, "cwd": null, "snapshot_id": null})")
          .template_id.empty());
}

TEST_CASE("sandbox_messages: unknown words are kept, unknown members ignored, bad times absent") {
  const SandboxInfo info = decoded(
      R"({"id": "sb_1", "status": "meditating", "config": {"vcpus": 1, "memory_mb": 1, "gpu": {}},
    "timeout_action": "explode", "created_at": "yesterday", "started_at": 7, "lease": [1, 2]})");
  CHECK(info.status == SandboxStatus::unknown);
  CHECK(info.status_text == "meditating");
  CHECK(info.timeout_action == TimeoutAction::unknown);
  CHECK_FALSE(info.created_at);
  CHECK_FALSE(info.started_at);
}

TEST_CASE("sandbox_messages: every status and action has its word") {
  for (const std::string_view word : {"creating", "running", "paused", "destroyed", "error"}) {
    CHECK(status_word(status_from_word(word)) == word);
  }
  CHECK(status_from_word("unknown") == SandboxStatus::unknown);
  CHECK(status_word(SandboxStatus::unknown) == "unknown");
  CHECK(timeout_action_from_word("pause") == TimeoutAction::hibernate);
  CHECK(timeout_action_from_word("hibernate") == TimeoutAction::hibernate);
  CHECK(timeout_action_word(TimeoutAction::pause) == "hibernate");
  CHECK(timeout_action_word(TimeoutAction::unknown) == "unknown");
}

TEST_CASE("sandbox_messages: a create answer has the token and the pool") {
  const auto answer =
      decode_sandbox(R"({"id": "sb_1", "status": "running", "config": {"vcpus": 1, "memory_mb": 1},
    "traffic_access_token": "nst_1", "warm_pool_checkout": {"source": "ready_instance", "hit": true, "pool_id": "twp_fast",
    "mode": "prefer", "wait_ms": 12}})");
  REQUIRE(answer.ok());
  REQUIRE(answer->traffic_access_token);
  CHECK(answer->traffic_access_token->reveal() == "nst_1");
  REQUIRE(answer->info.warm_pool_checkout);
  CHECK(answer->info.warm_pool_checkout->hit);
  CHECK(answer->info.warm_pool_checkout->id == "twp_fast");
  CHECK(answer->info.warm_pool_checkout->waited == 12ms);
}

TEST_CASE("sandbox_messages: what is missing or wrong is named") {
  refuses(R"({"status": "running", "config": {}})", "sandbox.id");
  refuses(R"({"id": "", "status": "running", "config": {}})", "sandbox.id");
  refuses(R"({"id": null, "status": "running", "config": {}})", "sandbox.id");
  refuses(R"({"id": 7, "status": "running", "config": {}})", "sandbox.id");
  refuses(R"({"id": "a", "config": {}})", "sandbox.status");
  refuses(R"({"id": "a", "status": 1, "config": {}})", "sandbox.status");
  refuses(R"({"id": "a", "status": "running"})", "sandbox.config");
  refuses(R"({"id": "a", "status": "running", "config": []})", "sandbox.config");
  refuses(R"({"id": "a", "status": "running", "config": {"vcpus": "2"}})", "sandbox.config.vcpus");
  refuses(R"({"id": "a", "status": "running", "config": {"memory_mb": 1e3}})",
          "sandbox.config.memory_mb");
  refuses(R"({"id": "a", "status": "running", "config": {}, "metadata": "x"})", "sandbox.metadata");
  refuses(R"({"id": "a", "status": "running", "config": {}, "timeout_ms": "1"})",
          "sandbox.timeout_ms");
  refuses(R"({"id": "a", "status": "running", "config": {}, "cwd": 1})", "sandbox.cwd");
  refuses(R"({"id": "a", "status": "running", "config": {}, "snapshot_id": {}})",
          "sandbox.snapshot_id");
  refuses(R"({"id": "a", "status": "running", "config": {}, "traffic_access_token": 5})",
          "sandbox.traffic_access_token");
  refuses(R"({"id": "a", "status": "running", "config": {}, "warm_pool_checkout": {"hit": true}})",
          "warm_pool_checkout.source");
  refuses(
      R"({"id": "a", "status": "running", "config": {}, "warm_pool_checkout": {"source": "x"}})",
      "warm_pool_checkout.hit");
  refuses("[]", "sandbox: expected an object");
  refuses("", "empty");
  refuses(kRecorded.substr(0, kRecorded.size() - 3), "malformed");
  refuses("<html>502</html>", "malformed");
  refuses(test::nested("[", "]", 100'000), "malformed");
  refuses(R"({"id": "a", "status": "running", "config": {}, "timeout_ms": 1e99999})", "malformed");
}

TEST_CASE("sandbox_messages: volumes come from the metadata") {
  const SandboxInfo info = decoded(
      R"({"id": "sb_1", "status": "running", "config": {}, "metadata": {"volume_attachments": [
    {"id": "att_5", "volume_id": "vol_3", "machine_id": "mch_1", "mount_path": "/c", "subpath": null, "read_only": false,
     "state": "mounted", "created_at": "2026-05-02T08:00:02Z"},
    {"volume_id": "vol_4", "mount_path": "/d"}, 7, null,
    {"volume_id": "vol_5", "mount_path": "/e", "read_only": true, "sandbox_id": "sb_1"}],
    "shared_volume_mount": {"volume_id": "vol_9", "mount_path": "/z", "read_only": true}}})");
  REQUIRE(info.volumes.size() == 2);
  CHECK(info.volumes[0].id == "att_5");
  CHECK(info.volumes[0].sandbox_id == "mch_1");
  CHECK(info.volumes[0].state == "mounted");
  CHECK(info.volumes[0].created_at);
  CHECK(info.volumes[1].volume_id == "vol_5");
  CHECK(info.volumes[1].sandbox_id == "sb_1");
  CHECK(info.volumes[1].read_only);
}

TEST_CASE("sandbox_messages: the legacy volume counts only when there is no valid attachment") {
  const SandboxInfo info =
      decoded(R"({"id": "sb_1", "status": "running", "config": {}, "metadata": {
    "volume_attachments": [{"volume_id": 1}],
    "shared_volume_mount": {"volume_id": "vol_9", "mount_path": "/z", "read_only": true}}})");
  REQUIRE(info.volumes.size() == 1);
  CHECK(info.volumes[0].volume_id == "vol_9");
  CHECK(
      decoded(
          R"({"id": "sb_1", "status": "running", "config": {}, "metadata": {"volume_attachments": "mine"}})")
          .volumes.empty());
}

TEST_CASE("sandbox_messages: either shape of a list is a page") {
  const std::string item =
      R"({"id": "sb_7k2", "status": "paused", "config": {"vcpus": 2, "memory_mb": 512}, "template": "base",
    "snapshot_id": "snap_9"})";
  const auto envelope = decode_sandbox_page(R"({"items": [)" + item +
                                            R"(], "next_token": "nt_40", "has_next": true})");
  REQUIRE(envelope.ok());
  REQUIRE(envelope->items.size() == 1);
  CHECK(envelope->items[0].status == SandboxStatus::paused);
  CHECK(envelope->items[0].snapshot_id == "snap_9");
  CHECK(envelope->next_token == "nt_40");
  CHECK(envelope->has_next);

  const auto bare = decode_sandbox_page("[" + item + "," + item + "]");
  REQUIRE(bare.ok());
  CHECK(bare->items.size() == 2);
  CHECK_FALSE(bare->has_next);

  CHECK(decode_sandbox_page("{}")->items.empty());
  CHECK(decode_sandbox_page(R"({"items": null, "next_token": null, "has_next": null})").ok());
  CHECK(decode_sandbox_page("[]")->items.empty());
  for (const std::string_view bad :
       {"7", "", R"({"items": {}})", R"({"items": [7]})", R"([{"id": "a"}])",
        R"({"next_token": 1})", R"({"has_next": "yes"})"}) {
    INFO(bad);
    const auto page = decode_sandbox_page(bad);
    REQUIRE_FALSE(page.ok());
    CHECK(page.error().code == "invalid_response");
  }
}

TEST_CASE("sandbox_messages: a field mask gives raw objects") {
  CHECK((*decode_sandbox_fields(R"({"id": "sb_7k2", "status": "paused"})"))["status"].as_string() ==
        "paused");
  CHECK_FALSE(decode_sandbox_fields("[]").ok());
  const auto items =
      decode_sandbox_page_fields(R"({"items": [{"id": "a"}, {"id": "b"}], "has_next": false})");
  REQUIRE(items.ok());
  CHECK((*items)[1]["id"].as_string() == "b");
  CHECK(decode_sandbox_page_fields(R"([{"id": "a"}])")->size() == 1);
  CHECK(decode_sandbox_page_fields("{}")->empty());
  CHECK_FALSE(decode_sandbox_page_fields("[1]").ok());
  CHECK_FALSE(decode_sandbox_page_fields(R"({"items": 1})").ok());
}

TEST_CASE("sandbox_messages: metrics") {
  const std::string_view recorded =
      R"([{"timestamp": "2026-05-02T08:01:00Z", "cpu_percent": 3.5, "cpu_count": 2,
    "mem_used_bytes": 90177536, "mem_total_bytes": 536870912, "disk_used_bytes": 734003200, "disk_total_bytes": 5000000000,
    "network_rx_bytes": null, "network_tx_bytes": null}])";
  const auto samples = decode_metrics(recorded);
  REQUIRE(samples.ok());
  REQUIRE(samples->size() == 1);
  CHECK(samples->front().cpu_percent == 3.5);
  CHECK(samples->front().cpu_count == 2);
  CHECK(samples->front().disk_total_bytes == 5'000'000'000);
  CHECK_FALSE(samples->front().network_rx_bytes);
  // Clients of this generation fail on members they do not know, so the answer must have exactly
  // these.
  Json written = json(encode_metrics(*samples));
  CHECK(written.array().front().object().size() == 9);
  Json::Object expected = json(recorded).array().front().object();
  expected["timestamp"] = "2026-05-02T08:01:00.000Z";
  CHECK(written.array().front() == Json(expected));
  CHECK(decode_metrics("[]")->empty());
  CHECK(encode_metrics({}) == "[]");
  for (const std::string_view key : {"timestamp", "cpu_percent", "cpu_count", "mem_used_bytes",
                                     "mem_total_bytes", "disk_used_bytes", "disk_total_bytes"}) {
    for (const bool missing : {true, false}) {
      Json::Object sample = json(recorded).array().front().object();
      if (missing) {
        sample.erase(std::string(key));
      } else {
        sample[std::string(key)] = "odd";
      }
      const auto refused = decode_metrics(Json(Json::Array{sample}).dump());
      INFO(key);
      REQUIRE_FALSE(refused.ok());
      CHECK(contains(refused.error().message, key));
    }
  }
  CHECK_FALSE(decode_metrics("{}").ok());
  CHECK_FALSE(decode_metrics("[7]").ok());
}

TEST_CASE("sandbox_messages: what a server writes is read again, in both dialects") {
  const SandboxInfo info = full_info();
  const Secret token("nst_1");
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    const std::string text =
        encode_sandbox(info, {.dialect = dialect, .fields = {}, .traffic_access_token = &token});
    const bool machine = dialect == Dialect::machine;
    CHECK(contains(text, "machine_id") == machine);
    CHECK(contains(text, "sandbox_id") != machine);
    const auto answer = decode_sandbox(text);
    REQUIRE(answer.ok());
    const SandboxInfo& read = answer->info;
    CHECK(answer->traffic_access_token->reveal() == "nst_1");
    CHECK(read.id == info.id);
    CHECK(read.status == info.status);
    CHECK(read.config.disk_mb == 4096);
    CHECK(read.template_id == info.template_id);
    CHECK(read.metadata.at("note") == info.metadata.at("note"));
    CHECK(read.metadata.at("run") == info.metadata.at("run"));
    CHECK(read.created_at == info.created_at);
    CHECK(read.started_at == info.started_at);
    CHECK(read.timeout == info.timeout);
    CHECK(read.timeout_at == info.timeout_at);
    CHECK(read.expires_at == info.expires_at);
    CHECK(read.timeout_action == info.timeout_action);
    CHECK(read.cwd == info.cwd);
    CHECK(read.snapshot_id == info.snapshot_id);
    REQUIRE(read.volumes.size() == 1);
    CHECK(read.volumes[0].sandbox_id == "sb_7k2");
    CHECK(read.volumes[0].created_at == info.volumes[0].created_at);
    CHECK(read.warm_pool_checkout->waited == 12ms);
  }
}

TEST_CASE("sandbox_messages: absent values are left out, the token is never written by itself") {
  SandboxInfo info;
  info.id = "sb_1";
  info.status = SandboxStatus::paused;
  CHECK(
      json(encode_sandbox(info, {})) ==
      json(
          R"({"id": "sb_1", "status": "paused", "config": {"vcpus": 0, "memory_mb": 0}, "template": "", "metadata": {}, "cwd": null})"));
  info.status = SandboxStatus::unknown;
  info.status_text = "meditating";
  CHECK(json(encode_sandbox(info, {}))["status"].as_string() == "meditating");
}

TEST_CASE("sandbox_messages: a server's field mask") {
  const std::vector<std::string> fields{"id", "status", "snapshot_id", "started_at"};
  SandboxInfo info = full_info();
  info.snapshot_id.reset();
  CHECK(
      json(encode_sandbox(
          info,
          {.dialect = Dialect::sandbox, .fields = fields, .traffic_access_token = nullptr})) ==
      json(
          R"({"id": "sb_7k2", "status": "running", "snapshot_id": null, "started_at": "2026-05-02T08:00:01.000Z"})"));
}

TEST_CASE("sandbox_messages: a server's lists") {
  const std::vector<SandboxInfo> items{full_info(), full_info()};
  CHECK(decode_sandbox_page(encode_sandbox_array(items, {}))->items.size() == 2);
  SandboxPage page{.items = items, .next_token = "nt_1", .has_next = true};
  CHECK(decode_sandbox_page(encode_sandbox_page(page, {}))->next_token == "nt_1");
  page = {};
  CHECK(json(encode_sandbox_page(page, {})) ==
        json(R"({"items": [], "next_token": null, "has_next": false})"));
}

TEST_CASE("sandbox_messages: small answers of a server") {
  CHECK(encode_health() == R"({"status":"ok"})");
  CHECK(encode_destroyed("sb_\"1") == R"({"id":"sb_\"1","status":"destroyed"})");
  CHECK(
      json(encode_timeout_answer({.timeout = 45s,
                                  .action = TimeoutAction::hibernate,
                                  .timeout_at = parse_timestamp("2026-05-02T08:00:00Z"),
                                  .remaining = 44s})) ==
      json(
          R"({"timeout_ms": 45000, "timeout_action": "hibernate", "timeout_at": "2026-05-02T08:00:00.000Z", "remaining_ms": 44000})"));
}

}  // namespace nullspace::inline v0::wire

#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0::wire {

using namespace std::chrono_literals;

namespace {

CreateRequest decoded(std::string_view body) {
  const auto request = decode_create_request(body);
  if (!request.ok()) FAIL(request.error().message);
  return *request;
}

void refuses(std::string_view body, std::string_view part,
             std::string_view code = "invalid_request") {
  const auto request = decode_create_request(body);
  INFO(body);
  REQUIRE_FALSE(request.ok());
  CHECK(request.error().code == code);
  INFO(request.error().message);
  CHECK(test::contains(request.error().message, part));
}

}  // namespace

TEST_CASE("create_request: an empty one has the server's defaults") {
  const CreateRequest request = decoded("{}");
  CHECK(request.template_id == "base");
  CHECK(request.vcpus == 1);
  CHECK(request.memory_mb == 256);
  CHECK_FALSE(request.disk_mb);
  CHECK(request.timeout == 300s);
  CHECK(request.timeout_action == TimeoutAction::destroy);
  CHECK(request.internet_access);
  CHECK_FALSE(request.auto_resume);
  CHECK(request.cwd.empty());
  CHECK_FALSE(request.network);
  CHECK_FALSE(request.desktop);
  CHECK(request.volumes.empty());
}

TEST_CASE("create_request: null is absent everywhere") {
  CHECK_NOTHROW(decoded(
      R"({"template": null, "vcpus": null, "memory_mb": null, "disk_mb": null, "timeout_ms": null,
    "envs": null, "metadata": null, "network": null, "internet_access": null, "cwd": null, "desktop": null,
    "volumes": null, "auto_resume": null, "timeout_action": null, "warm_pool": null, "lifecycle": null,
    "snapshot_id": null})"));
}

TEST_CASE("create_request: the example of the protocol") {
  const CreateRequest request = decoded(R"({
    "template": "base", "vcpus": 2, "memory_mb": 512, "timeout_ms": 900000,
    "envs": {"MODE": "ci"}, "metadata": {"owner": "build-17", "run": 7},
    "network": {"allow_public_traffic": false, "deny_out": ["10.0.0.0/8"]}, "internet_access": true,
    "cwd": "/workspace/./repo/", "desktop": null, "volumes": null, "unknown_member": {"x": [1]},
    "auto_resume": true, "lifecycle": {"on_timeout": "pause"}})");
  CHECK(request.vcpus == 2);
  CHECK(request.timeout == 900s);
  CHECK(request.envs.at("MODE") == "ci");
  CHECK(request.metadata.at("run").as_int() == 7);
  CHECK(request.network->allow_public_traffic == false);
  CHECK(request.network->deny_out == std::vector<std::string>{"10.0.0.0/8"});
  CHECK(request.cwd == "/workspace/repo");
  CHECK(request.auto_resume);
  CHECK(request.timeout_action == TimeoutAction::hibernate);
}

TEST_CASE("create_request: everything the SDK sends is understood") {
  SandboxCreateOptions options;
  options.template_id = "desktop";
  options.vcpus = 4;
  options.memory_mb = 1024;
  options.disk_mb = 2048;
  options.timeout = 77s;
  options.timeout_action = TimeoutAction::hibernate;
  options.auto_resume = true;
  options.envs = {{"A", "1"}, {"B", "ü\n"}};
  options.metadata = {
      {"team", "search"}, {"run", 7}, {"deep", Json::Object{{"a", Json::Array{nullptr, 1.5}}}}};
  options.network = NetworkOptions{.allow_public_traffic = true,
                                   .mask_request_host = "localhost:${PORT}",
                                   .deny_out = {"0.0.0.0/0"},
                                   .allow_out = {"1.1.1.1/32"}};
  options.internet_access = false;
  options.cwd = "/workspace/app";
  options.desktop = DesktopOptions{.width = 1280, .height = 720, .dpi = 96, .display = ":7"};
  options.volumes = {{.ref = " corpora ",
                      .mount_path = "/workspace/corpora",
                      .read_only = true,
                      .subpath = "models/v2"}};
  options.warm_pool =
      WarmPoolOptions{.id = "twp_fast", .mode = WarmPoolMode::require, .wait = 12ms};
  REQUIRE(validate(options).ok());
  const CreateRequest request = decoded(encode_create_request(options));
  CHECK(request.template_id == "desktop");
  CHECK(request.vcpus == 4);
  CHECK(request.memory_mb == 1024);
  CHECK(request.disk_mb == 2048);
  CHECK(request.timeout == 77s);
  CHECK(request.timeout_action == TimeoutAction::hibernate);
  CHECK(request.auto_resume);
  CHECK(request.envs == options.envs);
  CHECK(request.metadata == options.metadata);
  CHECK(request.network->mask_request_host == "localhost:${PORT}");
  CHECK(request.network->allow_out == options.network->allow_out);
  CHECK_FALSE(request.internet_access);
  CHECK(request.cwd == "/workspace/app");
  CHECK(request.desktop->width == 1280);
  CHECK(request.desktop->display == ":7");
  REQUIRE(request.volumes.size() == 1);
  CHECK(request.volumes[0].ref == "corpora");
  CHECK(request.volumes[0].read_only);
  CHECK(request.volumes[0].subpath == "models/v2");
  CHECK(request.warm_pool->id == "twp_fast");
  CHECK(request.warm_pool->mode == WarmPoolMode::require);
  CHECK(request.warm_pool->wait == 12ms);
}

TEST_CASE("create_request: each wrong type names its field") {
  refuses(R"({"template": 7})", "create.template");
  refuses(R"({"template": " "})", "create.template");
  refuses(R"({"vcpus": "2"})", "create.vcpus");
  refuses(R"({"vcpus": 0})", "create.vcpus");
  refuses(R"({"vcpus": 1.5})", "create.vcpus");
  refuses(R"({"vcpus": 99999999999})", "create.vcpus");
  refuses(R"({"memory_mb": -5})", "create.memory_mb");
  refuses(R"({"disk_mb": 511})", "create.disk_mb");
  refuses(R"({"timeout_ms": 0})", "create.timeout_ms");
  refuses(R"({"timeout_ms": -1})", "create.timeout_ms");
  refuses(R"({"timeout_ms": 86400000001})", "create.timeout_ms");
  refuses(R"({"timeout_ms": "1000"})", "create.timeout_ms");
  refuses(R"({"envs": {"A": 1}})", "create.envs");
  refuses(R"({"envs": ["A"]})", "create.envs");
  refuses(R"({"envs": {"A=B": "x"}})", "create.envs");
  refuses(R"({"envs": {"A": "x\u0000y"}})", "create.envs");
  refuses(R"({"metadata": []})", "create.metadata");
  refuses(R"({"network": "open"})", "create.network");
  refuses(R"({"network": {"allow_public_traffic": 1}})", "network.allow_public_traffic");
  refuses(R"({"network": {"deny_out": "0.0.0.0/0"}})", "network.deny_out");
  refuses(R"({"network": {"mask_request_host": "a\r\nX: y"}})", "network.mask_request_host");
  refuses(R"({"internet_access": "yes"})", "create.internet_access");
  refuses(R"({"cwd": "relative"})", "create.cwd");
  refuses(R"({"cwd": "/a\u0000b"})", "create.cwd");
  refuses(R"({"cwd": "/workspace/.nullspace/x"})", "create.cwd");
  refuses(R"({"cwd": "/workspace/a/../.nullspace"})", "create.cwd");
  refuses(R"({"desktop": {"dpi": 96}})", "create.desktop");
  refuses(R"({"template": "desktop", "desktop": {"resolution": {"width": 5}}})",
          "desktop.resolution.height");
  refuses(R"({"template": "desktop", "desktop": {"resolution": {"width": 0, "height": 1}}})",
          "desktop.resolution.width");
  refuses(R"({"template": "desktop", "desktop": {"dpi": 0}})", "desktop.dpi");
  refuses(R"({"template": "desktop", "desktop": {"display": "1"}})", "desktop.display");
  refuses(R"({"auto_resume": "no"})", "create.auto_resume");
  refuses(R"({"snapshot_id": ""})", "create.snapshot_id");
  refuses(R"({"snapshot_id": "snap_1", "disk_mb": 1024})", "create.disk_mb");
  refuses(R"({"warm_pool": {"mode": "hope"}})", "warm_pool.mode");
  refuses(R"({"warm_pool": {}})", "warm_pool.id");
  refuses(R"({"warm_pool": {"id": "a", "wait_ms": -1}})", "warm_pool.wait_ms");
  refuses("[]", "create: expected an object");
  refuses("", "empty");
  refuses("{", "malformed");
  refuses(test::nested("{\"metadata\":", "}", 100'000), "malformed");
}

TEST_CASE("create_request: the two words for the time-out must agree") {
  CHECK(decoded(R"({"timeout_action": "hibernate"})").timeout_action == TimeoutAction::hibernate);
  CHECK(decoded(R"({"timeout_action": "hibernate", "lifecycle": {"on_timeout": "pause"}})")
            .timeout_action == TimeoutAction::hibernate);
  CHECK(decoded(R"({"lifecycle": {}})").timeout_action == TimeoutAction::destroy);
  refuses(R"({"timeout_action": "destroy", "lifecycle": {"on_timeout": "pause"}})",
          "lifecycle.on_timeout");
  refuses(R"({"timeout_action": "explode"})", "create.timeout_action");
  refuses(R"({"lifecycle": {"on_timeout": "hibernate"}})", "lifecycle.on_timeout");
  refuses(R"({"lifecycle": "pause"})", "create.lifecycle");
  refuses(R"({"auto_resume": true, "timeout_action": "destroy"})", "create.auto_resume");
  CHECK(decoded(R"({"auto_resume": true})").auto_resume);
}

TEST_CASE("create_request: volumes are mounted beside each other only") {
  const auto body = [](std::string_view first, std::string_view second) {
    return R"({"volumes": [{"ref": "a", "mount_path": ")" + std::string(first) +
           R"("}, {"ref": "b", "mount_path": ")" + std::string(second) + R"("}]})";
  };
  CHECK(decoded(body("/workspace/a", "/workspace/ab")).volumes.size() == 2);
  refuses(body("/workspace/a", "/workspace/a/b"), "overlaps", "volume_overlapping_mounts");
  refuses(body("/workspace/a/b", "/workspace/a/"), "overlaps", "volume_overlapping_mounts");
  for (const std::string_view path :
       {"/", "relative", "//", "/a/..", "/workspace/.nullspace", "/workspace/.nullspace/x"}) {
    INFO(path);
    refuses(body("/m", path), "mount_path", "volume_invalid_mount_path");
  }
  refuses(R"({"volumes": []})", "create.volumes");
  refuses(R"({"volumes": [7]})", "volumes");
  refuses(R"({"volumes": [{"ref": " ", "mount_path": "/m"}]})", "volumes.ref");
  refuses(R"({"volumes": [{"mount_path": "/m"}]})", "volumes.ref");
}

TEST_CASE("create_request: a set-timeout") {
  const auto request =
      decode_timeout_request(R"({"timeout_ms": 45000, "timeout_action": "hibernate"})");
  REQUIRE(request.ok());
  CHECK(request->timeout == 45s);
  CHECK(request->action == TimeoutAction::hibernate);
  CHECK_FALSE(decode_timeout_request(R"({"timeout_ms": 1})")->action);
  for (const std::string_view bad :
       {"{}", R"({"timeout_ms": 0})", R"({"timeout_ms": -1})", R"({"timeout_ms": "5"})",
        R"({"timeout_ms": 1.5})", R"({"timeout_ms": null})", R"({"timeout_ms": 86400000001})",
        R"({"timeout_ms": 5, "timeout_action": "pause"})",
        R"({"timeout_ms": 5, "timeout_action": 1})", "[]", "", "x"}) {
    INFO(bad);
    const auto refused = decode_timeout_request(bad);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == "invalid_request");
  }
}

}  // namespace nullspace::inline v0::wire

#include <functional>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0::wire {

using namespace std::chrono_literals;

namespace {

using Options = SandboxCreateOptions;

void refuses(std::string_view part, const std::function<void(Options&)>& change) {
  Options options;
  change(options);
  const auto result = validate(options);
  INFO(part);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == "invalid_request");
  CHECK(result.error().kind == ErrorKind::invalid_request);
  INFO(result.error().message);
  CHECK(test::contains(result.error().message, part));
}

void accepts(const std::function<void(Options&)>& change) {
  Options options;
  change(options);
  const auto result = validate(options);
  if (!result.ok()) FAIL_CHECK(result.error().message);
}

Options from_snapshot() {
  Options options;
  options.snapshot_id = "snap_22";
  return options;
}

}  // namespace

TEST_CASE("create_options: the defaults are good") {
  accepts([](Options&) {});
}

TEST_CASE("create_options: sizes and times") {
  refuses("vcpus", [](Options& o) { o.vcpus = 0; });
  refuses("memory_mb", [](Options& o) { o.memory_mb = 0; });
  refuses("memory_mb", [](Options& o) { o.memory_mb = -1; });
  refuses("disk_mb", [](Options& o) { o.disk_mb = 511; });
  refuses("disk_mb", [](Options& o) { o.disk_mb = 131'073; });
  refuses("timeout", [](Options& o) { o.timeout = 0ms; });
  refuses("timeout", [](Options& o) { o.timeout = -1ms; });
  refuses("request_timeout", [](Options& o) { o.request_timeout = 0ms; });
  accepts([](Options& o) { o.disk_mb = 512; });
  accepts([](Options& o) { o.disk_mb = 131'072; });
  accepts([](Options& o) { o.timeout = 1ms; });
}

TEST_CASE("create_options: template, directory and environment") {
  refuses("template_id", [](Options& o) { o.template_id = " "; });
  refuses("cwd", [](Options& o) { o.cwd = "workspace"; });
  refuses("cwd", [](Options& o) { o.cwd = std::string("/a\0b", 4); });
  refuses("envs", [](Options& o) { o.envs[""] = "x"; });
  refuses("envs", [](Options& o) { o.envs["A=B"] = "x"; });
  refuses("envs", [](Options& o) { o.envs[std::string("A\0", 2)] = "x"; });
  refuses("envs", [](Options& o) { o.envs["A"] = std::string("x\0", 2); });
  accepts([](Options& o) { o.cwd = "/workspace/repo"; });
  accepts([](Options& o) { o.envs["A"] = "=\n"; });
}

TEST_CASE("create_options: what happens at the time-out") {
  refuses("auto_resume", [](Options& o) {
    o.auto_resume = true;
    o.timeout_action = TimeoutAction::destroy;
  });
  refuses("timeout_action", [](Options& o) { o.timeout_action = TimeoutAction::unknown; });
  accepts([](Options& o) { o.auto_resume = true; });
  accepts([](Options& o) {
    o.auto_resume = true;
    o.timeout_action = TimeoutAction::pause;
  });
}

TEST_CASE("create_options: a desktop needs its template and good numbers") {
  const auto desktop = [](Options& o, DesktopOptions value) {
    o.template_id = "desktop";
    o.desktop = std::move(value);
  };
  accepts(
      [&](Options& o) { desktop(o, {.width = 1280, .height = 720, .dpi = 96, .display = ":1"}); });
  accepts([](Options& o) { o.desktop = DesktopOptions{}; });
  refuses("template_id", [](Options& o) { o.desktop = DesktopOptions{.dpi = 96}; });
  refuses("template_id", [](Options& o) {
    o.template_id = "desktop:2";
    o.desktop = DesktopOptions{.dpi = 96};
  });
  refuses("width", [&](Options& o) { desktop(o, {.width = 1280}); });
  refuses("width", [&](Options& o) { desktop(o, {.width = 0, .height = 720}); });
  refuses("height", [&](Options& o) { desktop(o, {.width = 1, .height = -1}); });
  refuses("dpi", [&](Options& o) { desktop(o, {.dpi = 0}); });
  for (const std::string_view display : {":", "1", ":x", ":1.0", ": 1", "::1"}) {
    refuses("display", [&](Options& o) { desktop(o, {.display = std::string(display)}); });
  }
}

TEST_CASE("create_options: volumes") {
  refuses("volumes", [](Options& o) { o.volumes.emplace(); });
  refuses("ref", [](Options& o) {
    o.volumes = std::vector<VolumeMount>{{.ref = " ", .mount_path = "/m"}};
  });
  refuses("mount_path", [](Options& o) {
    o.volumes = std::vector<VolumeMount>{{.ref = "v", .mount_path = "\t"}};
  });
  accepts(
      [](Options& o) { o.volumes = std::vector<VolumeMount>{{.ref = "v", .mount_path = "/m"}}; });
}

TEST_CASE("create_options: a warm pool needs an id unless it is bypassed") {
  refuses("warm_pool.id", [](Options& o) { o.warm_pool = WarmPoolOptions{}; });
  refuses("warm_pool.id", [](Options& o) {
    o.warm_pool = WarmPoolOptions{.id = " ", .mode = WarmPoolMode::require};
  });
  refuses("warm_pool.id",
          [](Options& o) { o.warm_pool = WarmPoolOptions{.mode = WarmPoolMode::prefer}; });
  refuses("warm_pool.wait",
          [](Options& o) { o.warm_pool = WarmPoolOptions{.id = "p", .wait = -1ms}; });
  accepts([](Options& o) { o.warm_pool = WarmPoolOptions{.mode = WarmPoolMode::bypass}; });
  accepts([](Options& o) { o.warm_pool = WarmPoolOptions{.id = "twp_1", .wait = 0ms}; });
}

TEST_CASE("create_options: a snapshot fixes disk and egress") {
  CHECK(validate(from_snapshot()).ok());
  refuses("snapshot_id", [](Options& o) { o.snapshot_id = "  "; });
  refuses("disk_mb", [](Options& o) {
    o = from_snapshot();
    o.disk_mb = 1024;
  });
  refuses("internet_access", [](Options& o) {
    o = from_snapshot();
    o.internet_access = false;
  });
  refuses("deny_out", [](Options& o) {
    o = from_snapshot();
    o.network = NetworkOptions{.deny_out = {"10.0.0.0/8"}};
  });
  refuses("allow_out", [](Options& o) {
    o = from_snapshot();
    o.network = NetworkOptions{.allow_out = {"10.0.0.0/8"}};
  });
  accepts([](Options& o) {
    o = from_snapshot();
    o.network = NetworkOptions{.allow_public_traffic = false};
  });
}

TEST_CASE("create_options: an idempotency key cannot become a header of its own") {
  for (const std::string_view key : {"a\r\nX-Evil: 1", "a\nb", "ä", " a", "\x7f", "tab\t"}) {
    refuses("idempotency_key", [&](Options& o) { o.idempotency_key = key; });
  }
  refuses("idempotency_key", [](Options& o) { o.idempotency_key = std::string("a\0b", 3); });
  accepts([](Options& o) { o.idempotency_key = "6f9619ff-8b86-d011-b42d-00c04fc964ff"; });
}

}  // namespace nullspace::inline v0::wire

#include <chrono>
#include <set>
#include <thread>

#include "tests/integration/local_service.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using test::each_dialect;
using test::error_of;
using test::LocalService;
namespace ns = nullspace;

TEST_CASE("sandbox: create answers a usable sandbox with what was asked for") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Json::Object metadata{
      {"team", "search"},
      {"run", 7},
      {"share", 0.25},
      {"urgent", true},
      {"name", "Zoë \"quoted\""},
      {"nested", ns::Json::Object{{"list", ns::Json::Array{1, "two"}}}}};
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client, {.timeout = 10min,
                                                                 .vcpus = 3,
                                                                 .memory_mb = 700,
                                                                 .envs = {{"MODE", "ci"}},
                                                                 .metadata = metadata});

  const ns::SandboxInfo info = sandbox->get_info();
  CHECK(info.status == ns::SandboxStatus::running);
  CHECK(info.config.vcpus == 3);
  CHECK(info.config.memory_mb == 700);
  CHECK(info.template_id == "base");
  CHECK(info.timeout == 10min);
  CHECK(info.timeout_action == ns::TimeoutAction::destroy);
  CHECK(info.metadata == metadata);
  REQUIRE(info.timeout_at);
  REQUIRE(info.started_at);
  CHECK(*info.timeout_at - *info.started_at <= 10min + 1s);
  CHECK(sandbox->is_running());
  CHECK(sandbox->traffic_access_token());
  CHECK(sandbox->commands().run("echo $MODE", {.shell = true}).stdout_text == "ci\n");
}

TEST_CASE("sandbox: connect, find and info by id address the same sandbox") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client, {.metadata = {{"k", "v"}}});
  sandbox->commands().run("echo hello > /workspace/file", {.shell = true});

  const ns::Sandbox again = ns::Sandbox::connect(client, sandbox->id(), {.timeout = 20min});
  CHECK(again.id() == sandbox->id());
  CHECK(again.commands().run("cat /workspace/file", {.shell = true}).stdout_text == "hello\n");
  CHECK(again.get_info().timeout == 20min);
  CHECK_FALSE(again.traffic_access_token());

  const auto found = ns::Sandbox::find(client, sandbox->id());
  REQUIRE(found);
  CHECK(found->info().metadata == ns::Json::Object{{"k", "v"}});
  CHECK(ns::Sandbox::get_info_by_id(client, sandbox->id()).id == sandbox->id());
}

TEST_CASE("sandbox: what is gone is a value to find and an error to connect") {
  const LocalService service;
  const ns::Dialect dialect = each_dialect();
  const ns::Client client = service.client(dialect);
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  sandbox.kill();

  CHECK_FALSE(sandbox.is_running());
  CHECK_FALSE(ns::Sandbox::find(client, sandbox.id()));
  const ns::Error error = error_of([&] { (void)ns::Sandbox::connect(client, sandbox.id()); });
  CHECK(error.kind() == ns::ErrorKind::not_found);
  CHECK(error.code() ==
        (dialect == ns::Dialect::machine ? "machine_not_found" : "sandbox_not_found"));
  CHECK(error.http_status() == 404);
  CHECK_FALSE(error.request_id().empty());
  CHECK(error_of([&] { ns::Sandbox::kill_by_id(client, sandbox.id()); }).kind() ==
        ns::ErrorKind::not_found);
}

TEST_CASE("sandbox: ids stay one path segment whatever they hold") {
  const LocalService service;
  const ns::Client client = service.client();
  for (const std::string& id : {std::string("sb_1/../../v1/sandboxes"), std::string("a b?c#d%2F"),
                                std::string("sb\r\nX: y"), std::string("sb\0x", 4)}) {
    INFO(id);
    CHECK_FALSE(ns::Sandbox::find(client, id));
  }
  for (const std::string_view id : {"", ".", ".."}) {
    INFO(id);
    CHECK(error_of([&] { (void)ns::Sandbox::find(client, id); }).kind() ==
          ns::ErrorKind::invalid_request);
  }
}

TEST_CASE("sandbox: list pages by itself, newest first, with filters") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  std::set<std::string> created;
  for (int i = 0; i < 5; ++i) {
    created.insert(
        ns::Sandbox::create(client, {.metadata = {{"i", i}, {"even", i % 2 == 0}}}).id());
  }

  std::set<std::string> listed;
  for (const ns::SandboxInfo& info : ns::Sandbox::list(client, {.page_size = 2}))
    listed.insert(info.id);
  CHECK(listed == created);

  CHECK(ns::Sandbox::list(client, {.metadata = {{"even", true}}, .page_size = 1})
            .to_vector()
            .size() == 3);
  CHECK(ns::Sandbox::list(client, {.states = {ns::SandboxStatus::paused}}).to_vector().empty());
  CHECK(ns::Sandbox::list(client, {.template_id = "desktop"}).to_vector().empty());
  CHECK(ns::Sandbox::list(client, {.page_size = 3}).next_page()->items.size() == 3);
  const auto fields = ns::Sandbox::list_fields(client, {"id", "status"});
  REQUIRE(fields.size() == 5);
  CHECK(fields.front().object().size() == 2);
  for (const std::string& id : created)
    ns::Sandbox::kill_by_id(client, id);
  CHECK(ns::Sandbox::list(client).to_vector().empty());
}

TEST_CASE("sandbox: a field mask answers these fields and leaves the handle alone") {
  const LocalService service;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(service.client());
  const ns::Json only = sandbox->get_info({"id", " status", "id"});
  CHECK(only.object().size() == 2);
  CHECK(only["status"].as_string() == "running");
  CHECK(error_of([&] { (void)sandbox->get_info(std::vector<std::string>{}); }).kind() ==
        ns::ErrorKind::invalid_request);
  CHECK(error_of([&] { (void)sandbox->get_info({"nonsense"}); }).code() == "invalid_fields");
}

TEST_CASE("sandbox: set_timeout moves the end, and the end comes") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  sandbox.set_timeout(1h, {.action = ns::TimeoutAction::hibernate});
  CHECK(sandbox.get_info().timeout == 1h);
  CHECK(sandbox.get_info().timeout_action == ns::TimeoutAction::hibernate);

  sandbox.set_timeout(1ms, {.action = ns::TimeoutAction::destroy});
  CHECK(test::eventually([&] { return !ns::Sandbox::find(client, sandbox.id()); }));
  CHECK(error_of([&] { sandbox.set_timeout(0ms); }).kind() == ns::ErrorKind::invalid_request);
}

TEST_CASE("sandbox: one that ran out of time with action hibernate comes back by connect") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::Sandbox sandbox =
      ns::Sandbox::create(client, {.timeout_action = ns::TimeoutAction::hibernate});
  sandbox.commands().run("echo kept > /workspace/note", {.shell = true});
  // Resuming restores this window: it must be long enough to be moved again in time.
  sandbox.set_timeout(3s);
  REQUIRE(test::eventually([&] {
    return ns::Sandbox::get_info_by_id(client, sandbox.id()).status == ns::SandboxStatus::paused;
  }));
  CHECK_FALSE(sandbox.is_running());

  const ns::ScopedSandbox resumed = ns::Sandbox::connect(client, sandbox.id(), {.timeout = 5min});
  CHECK(resumed->is_running());
  CHECK(resumed->commands().run("cat", {.args = {"/workspace/note"}}).stdout_text == "kept\n");
}

TEST_CASE("sandbox: the same idempotency key is the same sandbox") {
  const LocalService service;
  const ns::Client client = service.client();
  const ns::ScopedSandbox first = ns::Sandbox::create(client, {.idempotency_key = "build-17"});
  const ns::Sandbox second = ns::Sandbox::create(client, {.idempotency_key = "build-17"});
  CHECK(second.id() == first->id());
  const ns::Error error = error_of(
      [&] { (void)ns::Sandbox::create(client, {.vcpus = 4, .idempotency_key = "build-17"}); });
  CHECK(error.kind() == ns::ErrorKind::conflict);
  CHECK(error.info().idempotency_key == "build-17");
}

TEST_CASE("sandbox: bad options are refused before anything is sent") {
  const LocalService service;
  const ns::Client client = service.client();
  const std::vector<ns::SandboxCreateOptions> bad{
      {.timeout = 0ms},
      {.vcpus = 0},
      {.memory_mb = -1},
      {.disk_mb = 100},
      {.cwd = "relative"},
      {.desktop = ns::DesktopOptions{.dpi = 96}},
      {.volumes = std::vector<ns::VolumeMount>{}},
      {.internet_access = false, .snapshot_id = "snap_1"},
      {.idempotency_key = "a\r\nb"},
      {.envs = {{"BAD=NAME", "x"}}},
  };
  for (const ns::SandboxCreateOptions& options : bad) {
    CHECK(error_of([&] { (void)ns::Sandbox::create(client, options); }).kind() ==
          ns::ErrorKind::invalid_request);
  }
  CHECK(ns::Sandbox::list(client).to_vector().empty());
}

TEST_CASE("sandbox: the server's refusals keep their words") {
  const LocalService service;
  const ns::Client client = service.client();
  CHECK(error_of([&] {
          (void)ns::Sandbox::create(client, {.template_id = "no-such-template"});
        }).code() == "template_not_found");
  CHECK(error_of([&] { (void)ns::Sandbox::create(client, {.vcpus = 1000}); }).kind() ==
        ns::ErrorKind::quota_exceeded);
  CHECK(error_of([&] { (void)ns::Sandbox::create(client, {.snapshot_id = "snap_none"}); }).code() ==
        "snapshot_not_found");

  ns::ClientOptions wrong = service.options();
  wrong.api_key = "not-the-key";
  const ns::Error error = error_of([&] { (void)ns::Sandbox::create(ns::Client(wrong)); });
  CHECK(error.kind() == ns::ErrorKind::authentication);
  CHECK(error.code() == "unauthorized");
  CHECK(std::string(error.what()).find("not-the-key") == std::string::npos);
}

TEST_CASE("sandbox: metrics appear and are plausible") {
  const LocalService service;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(service.client(each_dialect()));
  std::vector<ns::SandboxMetrics> samples;
  REQUIRE(test::eventually([&] { return !(samples = sandbox->get_metrics()).empty(); }));
  CHECK(samples.back().cpu_count == 2);
  CHECK(samples.back().cpu_percent >= 0);
  CHECK(samples.back().mem_used_bytes > 0);
  CHECK(samples.back().mem_total_bytes == std::int64_t{512} << 20);
}

TEST_CASE("sandbox: run_once leaves nothing behind") {
  const LocalService service;
  const ns::Client client = service.client(each_dialect());
  const ns::CommandResult result = ns::Sandbox::run_once(
      client, "echo $WORD; exit 4", {.shell = true, .envs = {{"WORD", "once"}}});
  CHECK(result.exit_code == 4);
  CHECK(result.stdout_text == "once\n");
  CHECK(ns::Sandbox::list(client).to_vector().empty());
}

TEST_CASE("sandbox: a scoped sandbox ends with its scope unless it is released") {
  const LocalService service;
  const ns::Client client = service.client();
  std::string scoped_id;
  std::string released_id;
  {
    const ns::ScopedSandbox scoped = ns::Sandbox::create(client);
    scoped_id = scoped->id();
    ns::ScopedSandbox released = ns::Sandbox::create(client);
    released_id = released.release().id();
  }
  CHECK_FALSE(ns::Sandbox::find(client, scoped_id));
  CHECK(ns::Sandbox::find(client, released_id));
}

TEST_CASE("client: healthy, described, and many threads at once") {
  const LocalService service;
  const ns::Client client = service.client();
  CHECK(client.is_healthy());
  CHECK(client.describe().find(service.options().base_url.value()) != std::string::npos);
  CHECK(client.describe().find(service.options().api_key->reveal()) == std::string::npos);

  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  std::atomic<int> good{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 10; ++i) {
          const std::string word = std::to_string(t) + "-" + std::to_string(i);
          if (sandbox->commands().run("echo", {.args = {word}}).stdout_text == word + "\n") ++good;
        }
      });
    }
  }
  CHECK(good == 160);
}

// The SDK with a service that does everything right and that nobody here shares code with.
#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/interop/stage.hpp"
#include "tests/interop/watcher.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::error_of;
using test::options_for;
using test::PythonPeer;
using test::Stage;
using test::Watcher;
namespace ns = nullspace;

namespace {

ns::Json body_of(const ns::Json& request) {
  return ns::Json::parse(request["body"].as_string().value());
}

}  // namespace

TEST_CASE("create sends every option where the protocol wants it") {
  PythonPeer peer;
  const ns::Client client(options_for(peer));
  const ns::Sandbox sandbox = ns::Sandbox::create(
      client, {.template_id = "team/base:2",
               .timeout = 15min,
               .auto_resume = true,
               .vcpus = 4,
               .memory_mb = 1024,
               .disk_mb = 2048,
               .envs = {{"MODE", "ci"}, {"EMPTY", ""}},
               .metadata = {{"owner", "build-17"}, {"run", 7}, {"nested", ns::Json::Array{1, "x"}}},
               .network = ns::NetworkOptions{.allow_public_traffic = false,
                                             .deny_out = {"0.0.0.0/0"},
                                             .allow_out = {"10.0.0.0/8"}},
               .internet_access = true,
               .cwd = "/workspace/repo",
               .warm_pool = ns::WarmPoolOptions{
                   .id = "twp_fast", .mode = ns::WarmPoolMode::prefer, .wait = 250ms}});
  const auto requests = peer.events("request", {{"method", "POST"}});
  REQUIRE(requests.size() == 1);
  CHECK(requests.front()["target"].as_string() == "/v1/sandboxes");
  CHECK(requests.front()["headers"]["content-type"].as_string().value().starts_with(
      "application/json"));
  CHECK(requests.front()["headers"]["authorization"].as_string() == "Bearer " + PythonPeer::key());
  const ns::Json body = body_of(requests.front());
  CHECK(body["template"].as_string() == "team/base:2");
  CHECK(body["vcpus"].as_int() == 4);
  CHECK(body["memory_mb"].as_int() == 1024);
  CHECK(body["disk_mb"].as_int() == 2048);
  CHECK(body["timeout_ms"].as_int() == 900'000);
  CHECK(body["envs"] == ns::Json(ns::Json::Object{{"MODE", "ci"}, {"EMPTY", ""}}));
  CHECK(body["metadata"]["run"].as_int() == 7);
  CHECK(body["metadata"]["nested"].array().size() == 2);
  CHECK(body["network"]["allow_public_traffic"].as_bool() == false);
  CHECK(body["network"]["deny_out"].array().size() == 1);
  CHECK(body["internet_access"].as_bool() == true);
  CHECK(body["cwd"].as_string() == "/workspace/repo");
  CHECK(body["desktop"].is_null());
  CHECK(body["volumes"].is_null());
  CHECK(body["auto_resume"].as_bool() == true);
  CHECK(body["warm_pool"]["id"].as_string() == "twp_fast");
  CHECK(body["warm_pool"]["mode"].as_string() == "prefer");
  CHECK(body["warm_pool"]["wait_ms"].as_int() == 250);

  CHECK(sandbox.info().template_id == "team/base:2");
  CHECK(sandbox.info().timeout == 15min);
  REQUIRE(sandbox.traffic_access_token());
  CHECK(sandbox.traffic_access_token()->reveal() == "nst_peer_token");
}

TEST_CASE("a sandbox is found, listed page by page, kept alive and killed") {
  Stage stage;
  for (int i = 0; i < 6; ++i) {
    (void)ns::Sandbox::create(stage.client, {.metadata = {{"parity", i % 2}, {"n", i}}});
  }
  std::set<std::string> ids;
  for (const ns::SandboxInfo& info : ns::Sandbox::list(stage.client, {.page_size = 3})) {
    ids.insert(info.id);
  }
  CHECK(ids.size() == 7);
  CHECK(ns::Sandbox::list(stage.client).to_vector().size() == 7);
  CHECK(ns::Sandbox::list(stage.client,
                          {.states = {ns::SandboxStatus::running, ns::SandboxStatus::paused},
                           .metadata = {{"parity", 1}},
                           .page_size = 2})
            .to_vector()
            .size() == 3);
  const auto fields = ns::Sandbox::list_fields(stage.client, {"id", "status"});
  REQUIRE(fields.size() == 7);
  CHECK(fields.front().object().size() == 2);

  const auto found = ns::Sandbox::find(stage.client, "sb_3");
  REQUIRE(found);
  CHECK(found->info().metadata.at("n").as_int() == 1);
  CHECK(found->is_running());
  CHECK_FALSE(found->traffic_access_token());
  found->set_timeout(45s, {.action = ns::TimeoutAction::hibernate});
  const ns::SandboxInfo info = found->get_info();
  CHECK(info.timeout == 45s);
  CHECK(info.timeout_action == ns::TimeoutAction::hibernate);
  CHECK(info.expires_at == info.timeout_at);
  CHECK(found->get_info({"id", "status"}).object().size() == 2);
  const auto metrics = found->get_metrics();
  REQUIRE(metrics.size() == 1);
  CHECK(metrics.front().mem_total_bytes == std::int64_t{8} << 32);
  CHECK(metrics.front().disk_total_bytes == std::int64_t{2} << 40);
  CHECK_FALSE(metrics.front().network_rx_bytes);
  CHECK(metrics.front().network_tx_bytes == 17);

  found->kill();
  CHECK_FALSE(found->is_running());
  CHECK_FALSE(ns::Sandbox::find(stage.client, "sb_3"));
  CHECK(error_of([&] { found->kill(); }).code() == "sandbox_not_found");
  CHECK(stage.peer.sandboxes_now() == 6);
}

TEST_CASE("ids are one segment of a path, whatever is in them") {
  Stage stage;
  using namespace std::string_literals;
  for (const std::string& id : {"a/b"s, "../../healthz"s, "a?b=c"s, "a#b"s, "50%"s, "\u00fc\u20ac"s,
                                "a b"s, "a\\b"s, "a\r\nX-Evil: 1"s, "a\0b"s}) {
    CAPTURE(id);
    CHECK_FALSE(ns::Sandbox::find(stage.client, id));
    const ns::Json request = stage.peer.events("request").back();
    const std::string path = request["path"].as_string().value();
    CHECK(path.starts_with("/v1/sandboxes/"));
    CHECK(std::count(path.begin(), path.end(), '/') == 3);
    CHECK(request["headers"]["x-evil"].is_null());
  }
  const int before = stage.peer.count("request");
  for (const char* id : {"", ".", ".."}) {
    CAPTURE(id);
    CHECK(error_of([&] { return ns::Sandbox::find(stage.client, id); }).code() ==
          "invalid_request");
  }
  CHECK(stage.peer.count("request") == before);
}

TEST_CASE("nothing of the options gets out of its place in a message") {
  Stage stage;
  using namespace std::string_literals;
  const std::string nasty = "\"}],\r\nX-Evil: 1\t\u2028\x7f'$(id)";
  const ns::Sandbox sandbox = ns::Sandbox::create(
      stage.client,
      {.template_id = nasty, .envs = {{"NAME", nasty}}, .metadata = {{nasty, nasty}}});
  const ns::Json request = stage.peer.events("request", {{"method", "POST"}}).back();
  CHECK(request["headers"]["x-evil"].is_null());
  const ns::Json body = body_of(request);
  CHECK(body["template"].as_string() == nasty);
  CHECK(body["envs"]["NAME"].as_string() == nasty);
  CHECK(body["metadata"][nasty].as_string() == nasty);

  const int before = stage.peer.count("request");
  for (const std::string& key : {"a\r\nX-Evil: 1"s, "a\nb"s, "a\0b"s}) {
    CAPTURE(key);
    CHECK(error_of([&] {
            return ns::Sandbox::create(stage.client, {.idempotency_key = key});
          }).kind() == ns::ErrorKind::invalid_request);
    ns::ClientOptions options = options_for(stage.peer);
    options.api_key = ns::Secret(key);
    CHECK(error_of([&] { return ns::Sandbox::find(ns::Client(options), "sb_1"); }).kind() ==
          ns::ErrorKind::invalid_request);
    options = options_for(stage.peer);
    options.user_agent = key;
    CHECK(error_of([&] { return ns::Sandbox::find(ns::Client(options), "sb_1"); }).kind() ==
          ns::ErrorKind::invalid_request);
  }
  CHECK(stage.peer.count("request") == before);
}

TEST_CASE("commands run in the foreground, streamed, and in the background") {
  Stage stage;
  const ns::Commands commands = stage.sandbox.commands();
  const ns::CommandResult plain = commands.run("say hi; warn careful; exit 3");
  CHECK(plain.exit_code == 3);
  CHECK(plain.stdout_text == "hi\n");
  CHECK(plain.stderr_text == "careful\n");
  CHECK(plain.pid);
  // The proof that create gave is shown on REST execs, and only there.
  const auto execs = stage.peer.events("request", {{"path", "/v1/sandboxes/sb_1/exec"}});
  REQUIRE(execs.size() == 1);
  CHECK(execs.front()["headers"]["x-nullspace-dispatch-proof"].as_string() == "proof-of-sb_1");

  std::string out;
  std::string err;
  const ns::CommandResult streamed =
      commands.run("say", {.args = {"argument"},
                           .on_stdout = [&](std::string_view text) { out += text; },
                           .on_stderr = [&](std::string_view text) { err += text; }});
  CHECK(streamed.exit_code == 0);
  CHECK(out == "argument\n");
  CHECK(err.empty());

  ns::Command quiet = commands.run_background("say behind; exit 5");
  CHECK_FALSE(quiet.connected());
  const ns::CommandResult ended = quiet.wait({.timeout = 30s, .poll_interval = 10ms});
  CHECK(ended.exit_code == 5);
  CHECK(ended.stdout_text == "behind\n");
  CHECK(quiet.logs().output == "behind\n");

  CHECK(commands.run("nonsense").exit_code == 127);
  CHECK(error_of([&] { return commands.get_logs(99'999); }).code() == "not_found");
}

TEST_CASE("a background command takes input, is left and found again, and is killed") {
  Stage stage;
  const ns::Commands commands = stage.sandbox.commands();
  std::string live;
  ns::Command cat =
      commands.run_background("cat", {.on_stdout = [&](std::string_view text) { live += text; }});
  CHECK(cat.connected());
  cat.send_stdin("first\n");
  cat.close_stdin();
  const ns::CommandResult result = cat.wait({.timeout = 30s});
  CHECK(result.exit_code == 0);
  CHECK(result.stdout_text == "first\n");
  CHECK(live == "first\n");

  ns::Command sleeper = commands.run_background("say early; cat");
  const int pid = sleeper.pid();
  std::string later;
  ns::Command again =
      commands.connect(pid, {.on_stdout = [&](std::string_view text) { later += text; }});
  commands.send_stdin(pid, "late\n");
  commands.close_stdin(pid);
  const ns::CommandResult merged = again.wait({.timeout = 30s});
  CHECK(merged.exit_code == 0);
  // The log has what came before the second viewer, who saw only what came after.
  CHECK(merged.stdout_text == "early\nlate\n");
  CHECK(later == "late\n");

  ns::Command doomed = commands.run_background("sleep", {.on_stdout = [](std::string_view) {}});
  doomed.kill();
  CHECK(doomed.wait({.timeout = 30s}).exit_code == 137);
  CHECK(error_of([&] { return commands.connect(doomed.pid()); }).message().find("not running") !=
        std::string::npos);
  const auto processes = commands.list();
  CHECK(std::none_of(processes.begin(), processes.end(),
                     [](const ns::ProcessInfo& process) { return process.running; }));
}

TEST_CASE("a terminal is used, watched by two, resized, killed") {
  Stage stage;
  const ns::Pty pty = stage.sandbox.pty();
  ns::PtySession session = pty.create_session({.cols = 90, .rows = 20});
  CHECK(session.info().cols == 90);
  const auto collect = [](ns::PtySession& from, std::string& into) {
    return from.wait({.on_data = [&](std::string_view bytes) { into += bytes; }, .timeout = 30s});
  };

  ns::PtySession second = pty.connect(session.session_id());
  ns::PtySession third = pty.connect(session.info().pid);
  session.resize({.cols = 132, .rows = 50});
  session.send_input("size\n");
  session.send_input("bytes\n");
  session.send_input("exit 7\n");
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte)
    all_bytes += static_cast<char>(byte);
  const std::string expected = "size\r\n50 132\r\nbytes\r\n" + all_bytes + "exit 7\r\n";
  for (ns::PtySession* viewer : {&session, &second, &third}) {
    std::string output;
    CHECK(collect(*viewer, output).exit_code == 7);
    CHECK(output == expected);
  }
  CHECK(error_of([&] { return pty.connect(session.session_id()); }).code() == "not_found");

  ns::PtySession other = pty.create_session();
  pty.resize_session(other.session_id(), {.cols = 10, .rows = 11});
  CHECK(pty.get_session_info(other.session_id()).rows == 11);
  CHECK(pty.list_sessions().size() == 2);
  other.kill();
  CHECK(other.wait({.timeout = 30s}).exit_code == 137);

  ns::PtySession last = pty.create_session();
  pty.kill_session(last.session_id());
  CHECK(last.wait({.timeout = 30s}).exit_code == 137);
}

TEST_CASE("a terminal's wait times out as a value, and the session lives on") {
  Stage stage;
  ns::PtySession session = stage.sandbox.pty().create_session();
  const std::string id = session.session_id();
  const ns::PtyResult result = session.wait({.timeout = 100ms});
  CHECK(result.timed_out);
  CHECK(result.exit_code == 124);
  ns::PtySession again = stage.sandbox.pty().connect(id);
  again.send_input("exit 4\n");
  CHECK(again.wait({.timeout = 30s}).exit_code == 4);
}

TEST_CASE("large input reaches the terminal whole") {
  Stage stage;
  ns::PtySession session = stage.sandbox.pty().create_session();
  const std::string line(std::size_t{1} << 20, 'x');
  session.send_input(line + "\nexit 0\n");
  std::string output;
  (void)session.wait({.on_data = [&](std::string_view bytes) { output += bytes; }, .timeout = 60s});
  CHECK(output == line + "\r\nran: " + line + "\r\nexit 0\r\n");
}

TEST_CASE("a monitor sees sandboxes come and go, their figures and processes") {
  Stage stage;
  (void)stage.sandbox.commands().run_background("sleep");
  Watcher watcher;
  ns::MonitorOptions options = watcher.options();
  options.include_processes = true;
  ns::Subscription subscription = ns::Monitor(stage.client).subscribe(options);
  REQUIRE(watcher.wait_until([](const Watcher& seen) {
    return !seen.snapshots.empty() && !seen.metrics.empty() && !seen.processes.empty();
  }));
  const ns::Sandbox second = ns::Sandbox::create(stage.client, {.metadata = {{"k", "v"}}});
  second.kill();
  REQUIRE(watcher.wait_until([](const Watcher& seen) { return seen.updates.size() >= 2; }));
  subscription.stop();

  REQUIRE(watcher.snapshots.front().sandboxes.size() == 1);
  CHECK(watcher.snapshots.front().sandboxes.front().id == stage.sandbox.id());
  CHECK(watcher.metrics.front().sandbox_id == stage.sandbox.id());
  CHECK(watcher.metrics.front().metrics.cpu_percent == 3.5);
  REQUIRE(watcher.processes.front().processes.size() == 1);
  CHECK(watcher.processes.front().processes.front().command == "sleep");
  REQUIRE(watcher.updates[0].sandbox);
  CHECK(watcher.updates[0].sandbox->metadata.at("k").as_string() == "v");
  CHECK(watcher.updates[1].removed);
  CHECK_FALSE(watcher.updates[1].sandbox);
  CHECK(watcher.errors.empty());
  const auto hello = stage.peer.events("message", {{"channel", "monitor"}}).front()["message"];
  CHECK(hello["interval_ms"].as_int() == 500);
  CHECK(hello["include_processes"].as_bool() == true);
}

TEST_CASE("a path in front of the API is kept on REST and WebSockets") {
  PythonPeer peer({"--prefix", "/behind/a/proxy"});
  ns::ClientOptions options = options_for(peer);
  options.base_url = peer.url() + "/behind/a/proxy//";
  const ns::Client client(options);
  CHECK(client.is_healthy());
  const ns::Sandbox sandbox = ns::Sandbox::create(client);
  CHECK(sandbox.commands().run("say x", {.on_stdout = [](std::string_view) {}}).exit_code == 0);
  for (const ns::Json& request : peer.events("request")) {
    CHECK(request["target"].as_string().value().starts_with("/behind/a/proxy/"));
  }
}

TEST_CASE("run_once leaves no sandbox behind, however it ends") {
  Stage stage;
  CHECK(ns::Sandbox::run_once(stage.client, "say once").stdout_text == "once\n");
  CHECK(stage.peer.sandboxes_now() == 1);
  // Created, then refused, then killed.
  stage.peer.play_rest({"good", "internal-error"});
  CHECK(error_of([&] { return ns::Sandbox::run_once(stage.client, "say x"); }).code() ==
        "internal_error");
  CHECK(stage.peer.sandboxes_now() == 1);
  // exec_failed right after a create is waited out.
  stage.peer.play_rest({"good", "nested-error", "nested-error"});
  CHECK(ns::Sandbox::run_once(stage.client, "say ready").stdout_text == "ready\n");
  CHECK(stage.peer.sandboxes_now() == 1);
}

TEST_CASE("connections are reused from one request to the next") {
  Stage stage;
  const int before = stage.peer.count("connection");
  for (int i = 0; i < 20; ++i)
    CHECK(stage.sandbox.is_running());
  CHECK(stage.peer.count("connection") - before <= 1);
}

TEST_CASE("code is run by the interpreter of its language") {
  Stage stage;
  const std::vector<std::pair<std::string, std::vector<std::string>>> interpreters{
      {"python", {"python3", "-c"}}, {"javascript", {"node", "-e"}}, {"ruby", {"ruby", "-e"}},
      {"bash", {"bash", "-c"}},      {"sh", {"sh", "-c"}},           {"perl6", {"perl6", "-c"}}};
  for (const auto& [language, words] : interpreters) {
    CAPTURE(language);
    CHECK(stage.sandbox.process().code_run("code", {.language = language}).exit_code == 127);
    const ns::Json body =
        body_of(stage.peer.events("request", {{"path", "/v1/sandboxes/sb_1/exec"}}).back());
    CHECK(body["command"].as_string() == words[0]);
    CHECK(body["args"] == ns::Json(ns::Json::Array{words[1], "code"}));
  }
}

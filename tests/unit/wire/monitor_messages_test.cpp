#include "wire/monitor_messages.hpp"

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

const Timestamp kNow = *parse_timestamp("2026-05-02T12:00:00Z");

template <typename Event>
Event decoded(std::string_view text) {
  auto message = decode_monitor_message(text, kNow);
  INFO(text);
  if (!message.ok()) FAIL(message.error().message);
  CHECK(message->id == "monitor_42");
  const Event* event = std::get_if<Event>(&message->event);
  REQUIRE(event != nullptr);
  return *event;
}

void refuses(std::string_view text, std::string_view part) {
  const auto message = decode_monitor_message(text, kNow);
  INFO(text);
  REQUIRE_FALSE(message.ok());
  CHECK(message.error().code == "invalid_response");
  INFO(message.error().message);
  CHECK(contains(message.error().message, part));
}

// The recorded text in the words of the other generation.
std::string in_machine_words(std::string text) {
  for (std::size_t at = text.find("sandbox"); at != std::string::npos; at = text.find("sandbox")) {
    const bool plural = text.compare(at, 9, "sandboxes") == 0;
    text.replace(at, plural ? 9 : 7, plural ? "machines" : "machine");
  }
  return text;
}

const std::string kSnapshot =
    R"({"type":"monitor_snapshot","id":"monitor_42","sandboxes":[{"id":"sb_7k2","status":"running","config":{"vcpus":2,"memory_mb":512},"template":"base","metadata":{}}]})";
const std::string kUpdate =
    R"({"type":"monitor_update","id":"monitor_42","sandbox_id":"sb_7k2","sandbox":{"id":"sb_7k2","status":"paused","config":{"vcpus":2,"memory_mb":512},"template":"base"},"removed":false})";
const std::string kRemoved =
    R"({"type":"monitor_update","id":"monitor_42","sandbox_id":"sb_9zz","sandbox":null,"removed":true})";
const std::string kMetrics =
    R"({"type":"monitor_metrics","id":"monitor_42","sandbox_id":"sb_7k2","metrics":{"timestamp":"2026-05-02T08:01:00Z","cpu_percent":4.0,"cpu_count":2,"mem_used_bytes":90000000,"mem_total_bytes":536870912,"disk_used_bytes":1,"disk_total_bytes":2}})";
const std::string kProcesses =
    R"({"type":"monitor_processes","id":"monitor_42","sandbox_id":"sb_7k2","processes":[{"pid":12,"command":"sleep 60","running":true}]})";

}  // namespace

TEST_CASE("monitor_messages: the recorded messages, in both dialects") {
  for (const bool machine : {false, true}) {
    const auto words = [&](const std::string& text) {
      return machine ? in_machine_words(text) : text;
    };
    const auto snapshot = decoded<MonitorSnapshotEvent>(words(kSnapshot));
    REQUIRE(snapshot.sandboxes.size() == 1);
    CHECK(snapshot.sandboxes[0].id == "sb_7k2");
    CHECK(snapshot.sandboxes[0].status == SandboxStatus::running);
    CHECK(snapshot.sandboxes[0].config.memory_mb == 512);

    const auto update = decoded<MonitorUpdateEvent>(words(kUpdate));
    CHECK(update.sandbox_id == "sb_7k2");
    REQUIRE(update.sandbox);
    CHECK(update.sandbox->status == SandboxStatus::paused);
    CHECK_FALSE(update.removed);

    const auto removed = decoded<MonitorUpdateEvent>(words(kRemoved));
    CHECK(removed.sandbox_id == "sb_9zz");
    CHECK_FALSE(removed.sandbox);
    CHECK(removed.removed);

    const auto metrics = decoded<MonitorMetricsEvent>(words(kMetrics));
    CHECK(metrics.sandbox_id == "sb_7k2");
    CHECK(metrics.metrics.cpu_percent == 4.0);
    CHECK(metrics.metrics.mem_used_bytes == 90'000'000);
    CHECK(metrics.metrics.timestamp == parse_timestamp("2026-05-02T08:01:00Z"));
    CHECK_FALSE(metrics.metrics.network_rx_bytes);

    const auto processes = decoded<MonitorProcessesEvent>(words(kProcesses));
    REQUIRE(processes.processes.size() == 1);
    CHECK(processes.processes[0].command == "sleep 60");
  }
  CHECK(decoded<MonitorProblem>(
            R"({"type":"monitor_error","id":"monitor_42","message":"metrics backend unavailable"})")
            .message == "metrics backend unavailable");
}

TEST_CASE("monitor_messages: defaults of what may be missing") {
  CHECK(decoded<MonitorSnapshotEvent>(R"({"type":"monitor_snapshot","id":"monitor_42"})")
            .sandboxes.empty());
  CHECK(decoded<MonitorSnapshotEvent>(
            R"({"type":"monitor_snapshot","id":"monitor_42","machines":null})")
            .sandboxes.empty());
  CHECK(decoded<MonitorProcessesEvent>(
            R"({"type":"monitor_processes","id":"monitor_42","sandbox_id":"a"})")
            .processes.empty());
  CHECK_FALSE(
      decoded<MonitorUpdateEvent>(R"({"type":"monitor_update","id":"monitor_42","sandbox_id":"a"})")
          .removed);
  const auto metrics =
      decoded<MonitorMetricsEvent>(
          R"({"type":"monitor_metrics","id":"monitor_42","sandbox_id":"a","metrics":{"cpu_percent":1,"new":2}})")
          .metrics;
  CHECK(metrics.timestamp == kNow);
  CHECK(metrics.cpu_count == 1);
  CHECK(metrics.mem_total_bytes == 0);
  CHECK_FALSE(metrics.network_tx_bytes);
  CHECK(
      decoded<MonitorProcessesEvent>(
          R"({"type":"monitor_processes","id":"monitor_42","machine_id":"a","processes":[{"pid":1,"command":"x","running":true,"cpu":2}]})")
          .processes.size() == 1);
}

TEST_CASE("monitor_messages: an unknown type is handed on by its name") {
  CHECK(decoded<UnknownMessage>(R"({"type":"monitor_weather","id":"monitor_42"})") ==
        UnknownMessage{"monitor_weather"});
}

TEST_CASE("monitor_messages: malformed messages name what is wrong") {
  refuses("", "empty");
  refuses("{", "malformed");
  refuses("[]", "expected an object");
  refuses(R"({"id":"monitor_42"})", "type");
  refuses(R"({"type":"monitor_snapshot","sandboxes":[]})", "id");
  refuses(R"({"type":"monitor_snapshot","id":7})", "id");
  refuses(R"({"type":"monitor_snapshot","id":"m","sandboxes":{}})", "sandboxes");
  refuses(R"({"type":"monitor_snapshot","id":"m","machines":7})", "machines");
  refuses(R"({"type":"monitor_snapshot","id":"m","sandboxes":[{"id":"a"}]})", "sandbox.status");
  refuses(R"({"type":"monitor_update","id":"m","sandbox":null})", "sandbox_id");
  refuses(R"({"type":"monitor_update","id":"m","machine_id":7})", "machine_id");
  refuses(R"({"type":"monitor_update","id":"m","sandbox_id":"a","sandbox":[]})", "sandbox");
  refuses(R"({"type":"monitor_update","id":"m","sandbox_id":"a","removed":"yes"})", "removed");
  refuses(R"({"type":"monitor_metrics","id":"m","sandbox_id":"a"})", "metrics");
  refuses(R"({"type":"monitor_metrics","id":"m","metrics":{"cpu_percent":1}})", "sandbox_id");
  refuses(R"({"type":"monitor_metrics","id":"m","sandbox_id":"a","metrics":{}})",
          "metrics.cpu_percent");
  refuses(R"({"type":"monitor_metrics","id":"m","sandbox_id":"a","metrics":{"cpu_percent":"1"}})",
          "metrics.cpu_percent");
  refuses(
      R"({"type":"monitor_metrics","id":"m","sandbox_id":"a","metrics":{"cpu_percent":1,"cpu_count":"2"}})",
      "metrics.cpu_count");
  refuses(R"({"type":"monitor_metrics","id":"m","sandbox_id":"a","metrics":{"cpu_percent":NaN}})",
          "malformed");
  refuses(R"({"type":"monitor_processes","id":"m","sandbox_id":"a","processes":{}})", "processes");
  refuses(R"({"type":"monitor_processes","id":"m","sandbox_id":"a","processes":[{"pid":"1"}]})",
          "process.pid");
  refuses(R"({"type":"monitor_error","id":"m"})", "message");
  refuses(R"({"type":"monitor_error","id":"m","message":5})", "message");
  refuses(
      R"({"type":"monitor_snapshot","id":"m","sandboxes":)" + test::nested("[", "]", 100'000) + "}",
      "nested too deep");
}

TEST_CASE("monitor_messages: what a server writes, the SDK reads") {
  SandboxInfo sandbox;
  sandbox.id = "sb_7k2";
  sandbox.status = SandboxStatus::running;
  sandbox.template_id = "base";
  sandbox.config = {.vcpus = 2, .memory_mb = 512, .disk_mb = {}};
  const std::vector<SandboxInfo> sandboxes{sandbox, sandbox};
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    const bool machine = dialect == Dialect::machine;
    const std::string snapshot = encode_monitor_snapshot(dialect, "monitor_42", sandboxes);
    CHECK(json(snapshot).object().contains(machine ? "machines" : "sandboxes"));
    CHECK(decoded<MonitorSnapshotEvent>(snapshot).sandboxes.size() == 2);

    const std::string update = encode_monitor_update(
        dialect, "monitor_42", {.sandbox_id = "sb_7k2", .sandbox = sandbox, .removed = false});
    CHECK(json(update).object().contains(machine ? "machine" : "sandbox"));
    CHECK(decoded<MonitorUpdateEvent>(update).sandbox->id == "sb_7k2");

    const std::string gone = encode_monitor_update(
        dialect, "monitor_42", {.sandbox_id = "sb_9zz", .sandbox = {}, .removed = false});
    CHECK(json(gone) == json(machine ? in_machine_words(kRemoved) : kRemoved));

    SandboxMetrics metrics;
    metrics.timestamp = kNow;
    metrics.cpu_percent = 12.5;
    metrics.mem_total_bytes = 5'000'000'000;
    metrics.network_rx_bytes = 7;
    const std::string sample =
        encode_monitor_metrics(dialect, "monitor_42", {.sandbox_id = "sb_7k2", .metrics = metrics});
    CHECK(json(sample).object().contains(machine ? "machine_id" : "sandbox_id"));
    const auto read = decoded<MonitorMetricsEvent>(sample).metrics;
    CHECK(read.timestamp == kNow);
    CHECK(read.cpu_percent == 12.5);
    CHECK(read.mem_total_bytes == 5'000'000'000);
    CHECK(read.network_rx_bytes == 7);
    CHECK_FALSE(read.network_tx_bytes);

    const std::string processes = encode_monitor_processes(
        dialect, "monitor_42",
        {.sandbox_id = "sb_7k2",
         .processes = {{.pid = 12, .command = "sleep 60", .running = true}}});
    CHECK(json(processes) == json(machine ? in_machine_words(kProcesses) : kProcesses));
  }
  CHECK(decoded<MonitorProblem>(encode(MonitorProblem{"monitor_42", "down"})).message == "down");
}

TEST_CASE("monitor_messages: what the SDK writes is what the protocol shows") {
  CHECK(
      encode(MonitorSubscribe{"monitor_42", 2000ms, true}) ==
      R"({"type":"monitor_subscribe","id":"monitor_42","interval_ms":2000,"include_processes":true})");
  CHECK(encode(MonitorUnsubscribe{"monitor_42"}) ==
        R"({"type":"monitor_unsubscribe","id":"monitor_42"})");
}

TEST_CASE("monitor_messages: what the SDK writes, a server reads") {
  const auto read = [](std::string_view text) {
    return std::get<MonitorClientMessage>(decode_monitor_client_message(text));
  };
  const MonitorSubscribe subscribe{"monitor_42", 250ms, true};
  CHECK(std::get<MonitorSubscribe>(read(encode(subscribe))) == subscribe);
  CHECK(std::get<MonitorSubscribe>(read(R"({"type":"monitor_subscribe","id":"m"})")) ==
        MonitorSubscribe{"m", {}, false});
  CHECK(std::get<MonitorUnsubscribe>(read(encode(MonitorUnsubscribe{"m"}))) ==
        MonitorUnsubscribe{"m"});
}

TEST_CASE("monitor_messages: a server answers what it refuses") {
  const std::pair<std::string_view, std::string_view> bad[] = {
      {"", ""},
      {"nope", ""},
      {"[]", ""},
      {R"({"type":"monitor_subscribe"})", ""},
      {R"({"type":"monitor_subscribe","id":""})", ""},
      {R"({"id":"m"})", "m"},
      {R"({"type":"monitor_dance","id":"m"})", "m"},
      {R"({"type":"monitor_subscribe","id":"m","interval_ms":"2000"})", "m"},
      {R"({"type":"monitor_subscribe","id":"m","interval_ms":1.5})", "m"},
      {R"({"type":"monitor_subscribe","id":"m","include_processes":"yes"})", "m"},
  };
  for (const auto& [text, id] : bad) {
    INFO(text);
    const auto result = decode_monitor_client_message(text);
    const auto* problem = std::get_if<MonitorProblem>(&result);
    REQUIRE(problem != nullptr);
    CHECK(problem->id == id);
    CHECK(contains(problem->message, "invalid message"));
  }
}

TEST_CASE("monitor_messages: the interval is clamped") {
  CHECK(clamp_monitor_interval({}) == 2000ms);
  CHECK(clamp_monitor_interval(0ms) == 500ms);
  CHECK(clamp_monitor_interval(-5ms) == 500ms);
  CHECK(clamp_monitor_interval(1500ms) == 1500ms);
  CHECK(clamp_monitor_interval(1h) == 10s);
}

}  // namespace nullspace::inline v0::wire

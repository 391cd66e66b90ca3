#include "wire/monitor_messages.hpp"

#include <algorithm>
#include <utility>

#include "wire/dialect.hpp"
#include "wire/json.hpp"
#include "wire/model_json.hpp"

namespace nullspace::inline v0::wire {

namespace {

void begin_message(JsonWriter& writer, std::string_view type, std::string_view id) {
  writer.begin_object();
  writer.text("type", type);
  writer.text("id", id);
}

support::Result<MonitorSnapshotEvent> read_snapshot(ObjectReader& reader) {
  MonitorSnapshotEvent event;
  const JsonValue* list = reader.array(key_in_use(reader, &Noun::plural));
  if (list == nullptr) return event;
  event.sandboxes.reserve(list->Size());
  for (const JsonValue& value : list->GetArray()) {
    support::Result<SandboxInfo> sandbox = read_sandbox(value, "");
    if (!sandbox) return std::move(sandbox).error();
    event.sandboxes.push_back(std::move(*sandbox));
  }
  return event;
}

std::string read_sandbox_id(ObjectReader& reader) {
  return reader.required_name(key_in_use(reader, &Noun::id_key));
}

support::Result<MonitorUpdateEvent> read_update(ObjectReader& reader) {
  MonitorUpdateEvent event;
  event.sandbox_id = read_sandbox_id(reader);
  event.removed = reader.flag("removed").value_or(false);
  if (const JsonValue* value = reader.object(key_in_use(reader, &Noun::name))) {
    support::Result<SandboxInfo> sandbox = read_sandbox(*value, "");
    if (!sandbox) return std::move(sandbox).error();
    event.sandbox = std::move(*sandbox);
  }
  return event;
}

support::Result<MonitorMetricsEvent> read_metrics_event(ObjectReader& reader, Timestamp now) {
  MonitorMetricsEvent event;
  event.sandbox_id = read_sandbox_id(reader);
  const JsonValue* value = reader.object("metrics");
  if (value == nullptr) {
    reader.refuse("metrics", "expected an object, but it is missing");
    return event;
  }
  support::Result<SandboxMetrics> metrics = read_partial_metrics(*value, now);
  if (!metrics) return std::move(metrics).error();
  event.metrics = *metrics;
  return event;
}

support::Result<MonitorProcessesEvent> read_processes_event(ObjectReader& reader) {
  MonitorProcessesEvent event;
  event.sandbox_id = read_sandbox_id(reader);
  const JsonValue* list = reader.array("processes");
  if (list == nullptr) return event;
  support::Result<std::vector<ProcessInfo>> processes = read_processes(*list);
  if (!processes) return std::move(processes).error();
  event.processes = std::move(*processes);
  return event;
}

// What was read, unless the reader or an inner value found fault with it.
template <typename Event>
support::Result<MonitorServerMessage> finish(const ObjectReader& reader, std::string id,
                                             support::Result<Event> event) {
  if (reader.problem()) return *reader.problem();
  if (!event) return std::move(event).error();
  return MonitorServerMessage{std::move(id), std::move(*event)};
}

}  // namespace

std::string encode(const MonitorSubscribe& message) {
  JsonWriter writer;
  begin_message(writer, "monitor_subscribe", message.id);
  if (message.interval) writer.integer("interval_ms", message.interval->count());
  writer.flag("include_processes", message.include_processes);
  writer.end_object();
  return writer.take();
}

std::string encode(const MonitorUnsubscribe& message) {
  JsonWriter writer;
  begin_message(writer, "monitor_unsubscribe", message.id);
  writer.end_object();
  return writer.take();
}

std::string encode_monitor_snapshot(Dialect dialect, std::string_view id,
                                    std::span<const SandboxInfo> sandboxes) {
  JsonWriter writer;
  begin_message(writer, "monitor_snapshot", id);
  writer.key(noun(dialect).plural);
  writer.begin_array();
  for (const SandboxInfo& sandbox : sandboxes)
    write_sandbox(writer, sandbox, {.dialect = dialect});
  writer.end_array();
  writer.end_object();
  return writer.take();
}

std::string encode_monitor_update(Dialect dialect, std::string_view id,
                                  const MonitorUpdateEvent& event) {
  JsonWriter writer;
  begin_message(writer, "monitor_update", id);
  writer.text(noun(dialect).id_key, event.sandbox_id);
  writer.key(noun(dialect).name);
  if (event.sandbox) {
    write_sandbox(writer, *event.sandbox, {.dialect = dialect});
  } else {
    writer.null();
  }
  writer.flag("removed", event.removed || !event.sandbox);
  writer.end_object();
  return writer.take();
}

std::string encode_monitor_metrics(Dialect dialect, std::string_view id,
                                   const MonitorMetricsEvent& event) {
  JsonWriter writer;
  begin_message(writer, "monitor_metrics", id);
  writer.text(noun(dialect).id_key, event.sandbox_id);
  writer.key("metrics");
  write_metrics(writer, event.metrics);
  writer.end_object();
  return writer.take();
}

std::string encode_monitor_processes(Dialect dialect, std::string_view id,
                                     const MonitorProcessesEvent& event) {
  JsonWriter writer;
  begin_message(writer, "monitor_processes", id);
  writer.text(noun(dialect).id_key, event.sandbox_id);
  writer.key("processes");
  write_processes(writer, event.processes);
  writer.end_object();
  return writer.take();
}

std::string encode(const MonitorProblem& message) {
  JsonWriter writer;
  begin_message(writer, "monitor_error", message.id);
  writer.text("message", message.message);
  writer.end_object();
  return writer.take();
}

support::Result<MonitorServerMessage> decode_monitor_message(std::string_view text, Timestamp now) {
  const support::Result<Document> document = parse_document(std::string(text), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "monitor message", Blame::server);
  const std::string type = reader.required_text("type");
  std::string id = reader.required_text("id");
  if (reader.problem()) return *reader.problem();

  if (type == "monitor_metrics")
    return finish(reader, std::move(id), read_metrics_event(reader, now));
  if (type == "monitor_processes")
    return finish(reader, std::move(id), read_processes_event(reader));
  if (type == "monitor_update") return finish(reader, std::move(id), read_update(reader));
  if (type == "monitor_snapshot") return finish(reader, std::move(id), read_snapshot(reader));
  if (type == "monitor_error") {
    support::Result<MonitorProblem> problem = MonitorProblem{id, reader.required_text("message")};
    return finish(reader, std::move(id), std::move(problem));
  }
  return MonitorServerMessage{std::move(id), UnknownMessage{type}};
}

std::variant<MonitorClientMessage, MonitorProblem> decode_monitor_client_message(
    std::string_view text) {
  const auto refused = [](std::string id, std::string_view why) {
    return MonitorProblem{std::move(id), "invalid message: " + std::string(why)};
  };
  const support::Result<Document> document = parse_document(std::string(text), Blame::client);
  if (!document) return refused("", document.error().message);
  ObjectReader reader(document->root(), "monitor message", Blame::client);
  const std::string type = reader.required_text("type");
  std::string id = reader.required_name("id");
  MonitorClientMessage message;
  if (type == "monitor_subscribe") {
    MonitorSubscribe subscribe;
    subscribe.id = id;
    if (const std::optional<std::int64_t> interval = reader.integer("interval_ms")) {
      subscribe.interval = std::chrono::milliseconds(*interval);
    }
    subscribe.include_processes = reader.flag("include_processes").value_or(false);
    message = std::move(subscribe);
  } else if (type == "monitor_unsubscribe") {
    message = MonitorUnsubscribe{id};
  } else {
    reader.refuse("type", "unknown");
  }
  if (reader.problem()) return refused(std::move(id), reader.problem()->message);
  return message;
}

std::chrono::milliseconds clamp_monitor_interval(
    std::optional<std::chrono::milliseconds> interval) noexcept {
  constexpr std::chrono::milliseconds kDefault{2'000};
  constexpr std::chrono::milliseconds kShortest{500};
  constexpr std::chrono::milliseconds kLongest{10'000};
  return std::clamp(interval.value_or(kDefault), kShortest, kLongest);
}

}  // namespace nullspace::inline v0::wire

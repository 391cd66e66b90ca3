#include "wire/model_json.hpp"

#include <algorithm>
#include <utility>

#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr std::string_view kAttachmentsKey = "volume_attachments";
constexpr std::string_view kLegacyAttachmentKey = "shared_volume_mount";

SandboxConfig read_config(const JsonValue& value, std::optional<ErrorInfo>& problem) {
  ObjectReader reader(value, "sandbox.config", Blame::server);
  SandboxConfig config;
  config.vcpus = reader.small_integer("vcpus").value_or(0);
  config.memory_mb = reader.small_integer("memory_mb").value_or(0);
  config.disk_mb = reader.small_integer("disk_mb");
  if (!problem) problem = reader.problem();
  return config;
}

WarmPoolCheckout read_checkout(const JsonValue& value, std::optional<ErrorInfo>& problem) {
  ObjectReader reader(value, "sandbox.warm_pool_checkout", Blame::server);
  WarmPoolCheckout checkout;
  checkout.source = reader.required_text("source");
  checkout.hit = reader.required_flag("hit");
  checkout.id = reader.text_or_empty(reader.has("id") ? "id" : "pool_id");
  checkout.mode = reader.text_or_empty("mode");
  if (const std::optional<std::int64_t> waited = reader.integer("wait_ms")) {
    checkout.waited = std::chrono::milliseconds(*waited);
  }
  if (!problem) problem = reader.problem();
  return checkout;
}

// Nothing for what is no attachment: metadata belongs to the user, who may write there what he
// likes.
std::optional<VolumeAttachment> read_attachment(const JsonValue& value) {
  ObjectReader reader(value, kAttachmentsKey, Blame::server);
  VolumeAttachment attachment;
  attachment.volume_id = reader.required_text("volume_id");
  attachment.mount_path = reader.required_text("mount_path");
  attachment.read_only = reader.required_flag("read_only");
  attachment.id = reader.text_or_empty("id");
  attachment.sandbox_id = reader.text_or_empty(key_in_use(reader, &Noun::id_key));
  attachment.subpath = reader.text_or_empty("subpath");
  attachment.state = reader.text_or_empty("state");
  attachment.last_error_code = reader.text_or_empty("last_error_code");
  attachment.last_error_message = reader.text_or_empty("last_error_message");
  attachment.created_at = reader.timestamp("created_at");
  attachment.updated_at = reader.timestamp("updated_at");
  if (reader.problem()) return std::nullopt;
  return attachment;
}

std::vector<VolumeAttachment> read_attachments(const JsonValue& metadata) {
  std::vector<VolumeAttachment> attachments;
  const ObjectReader reader(metadata, "metadata", Blame::server);
  const JsonValue* list = reader.find(kAttachmentsKey);
  if (list != nullptr && list->IsArray()) {
    for (const JsonValue& item : list->GetArray()) {
      if (std::optional<VolumeAttachment> attachment = read_attachment(item)) {
        attachments.push_back(std::move(*attachment));
      }
    }
  }
  if (!attachments.empty()) return attachments;
  if (const JsonValue* single = reader.find(kLegacyAttachmentKey)) {
    if (std::optional<VolumeAttachment> attachment = read_attachment(*single)) {
      attachments.push_back(std::move(*attachment));
    }
  }
  return attachments;
}

void write_attachment(JsonWriter& writer, const VolumeAttachment& attachment, Dialect dialect) {
  writer.begin_object();
  writer.text("id", attachment.id);
  writer.text("volume_id", attachment.volume_id);
  writer.text(noun(dialect).id_key, attachment.sandbox_id);
  writer.text("mount_path", attachment.mount_path);
  write_text_or_null(writer, "subpath", attachment.subpath);
  writer.flag("read_only", attachment.read_only);
  writer.text("state", attachment.state);
  write_text_or_null(writer, "last_error_code", attachment.last_error_code);
  write_text_or_null(writer, "last_error_message", attachment.last_error_message);
  write_time_or_null(writer, "created_at", attachment.created_at);
  write_time_or_null(writer, "updated_at", attachment.updated_at);
  writer.end_object();
}

void write_metadata(JsonWriter& writer, const SandboxInfo& info, Dialect dialect) {
  writer.begin_object();
  for (const auto& [name, value] : info.metadata) {
    if (name == kAttachmentsKey && !info.volumes.empty()) continue;
    writer.key(name);
    writer.json(value);
  }
  if (!info.volumes.empty()) {
    writer.key(kAttachmentsKey);
    writer.begin_array();
    for (const VolumeAttachment& attachment : info.volumes)
      write_attachment(writer, attachment, dialect);
    writer.end_array();
  }
  writer.end_object();
}

void write_config(JsonWriter& writer, const SandboxConfig& config) {
  writer.begin_object();
  writer.integer("vcpus", config.vcpus);
  writer.integer("memory_mb", config.memory_mb);
  if (config.disk_mb) writer.integer("disk_mb", *config.disk_mb);
  writer.end_object();
}

void write_checkout(JsonWriter& writer, const WarmPoolCheckout& checkout) {
  writer.begin_object();
  writer.text("source", checkout.source);
  writer.flag("hit", checkout.hit);
  if (!checkout.id.empty()) writer.text("id", checkout.id);
  if (!checkout.mode.empty()) writer.text("mode", checkout.mode);
  if (checkout.waited) writer.integer("wait_ms", checkout.waited->count());
  writer.end_object();
}

// Decides which members of a sandbox are written. A member that was asked for by name and has no
// value is null; without a mask it is left out.
class MemberChoice {
 public:
  MemberChoice(JsonWriter& writer, std::span<const std::string> fields)
      : writer_(writer), fields_(fields) {}

  // Whether the value is to be written; the key is, then.
  [[nodiscard]] bool wants(std::string_view key, bool has_value = true) {
    const bool chosen =
        fields_.empty() || std::find(fields_.begin(), fields_.end(), key) != fields_.end();
    if (!chosen) return false;
    if (has_value) {
      writer_.key(key);
      return true;
    }
    if (!fields_.empty()) writer_.null(key);
    return false;
  }

  void time(std::string_view key, const std::optional<Timestamp>& value) {
    if (wants(key, value.has_value())) writer_.text(format_timestamp(*value));
  }

 private:
  JsonWriter& writer_;
  std::span<const std::string> fields_;
};

SandboxMetrics read_figures(ObjectReader& reader) {
  SandboxMetrics sample;
  sample.cpu_percent = reader.required_number("cpu_percent");
  sample.cpu_count = reader.small_integer("cpu_count").value_or(1);
  sample.mem_used_bytes = reader.integer("mem_used_bytes").value_or(0);
  sample.mem_total_bytes = reader.integer("mem_total_bytes").value_or(0);
  sample.disk_used_bytes = reader.integer("disk_used_bytes").value_or(0);
  sample.disk_total_bytes = reader.integer("disk_total_bytes").value_or(0);
  sample.network_rx_bytes = reader.integer("network_rx_bytes");
  sample.network_tx_bytes = reader.integer("network_tx_bytes");
  return sample;
}

}  // namespace

void write_text_or_null(JsonWriter& writer, std::string_view key, std::string_view value) {
  if (value.empty()) {
    writer.null(key);
  } else {
    writer.text(key, value);
  }
}

void write_time_or_null(JsonWriter& writer, std::string_view key,
                        const std::optional<Timestamp>& time) {
  write_text_or_null(writer, key, time ? format_timestamp(*time) : std::string());
}

std::string_view key_in_use(const ObjectReader& reader, std::string_view Noun::*member) {
  for (const Noun& candidate : kNouns) {
    if (reader.has(candidate.*member)) return candidate.*member;
  }
  return kNouns.front().*member;
}

support::Result<SandboxInfo> read_sandbox(const JsonValue& value,
                                          std::string_view default_template) {
  ObjectReader reader(value, "sandbox", Blame::server);
  std::optional<ErrorInfo> inner_problem;
  SandboxInfo info;
  info.id = reader.required_name("id");
  info.status_text = reader.required_text("status");
  info.status = status_from_word(info.status_text);
  if (const JsonValue* config = reader.object("config")) {
    info.config = read_config(*config, inner_problem);
  } else {
    reader.refuse("config", "expected an object, but it is missing");
  }
  info.template_id = reader.text("template").value_or(std::string(default_template));
  if (const JsonValue* metadata = reader.object("metadata")) {
    info.metadata = to_public_json(*metadata).object();
    info.volumes = read_attachments(*metadata);
  }
  info.created_at = reader.timestamp("created_at");
  info.started_at = reader.timestamp("started_at");
  info.timeout_at = reader.timestamp("timeout_at");
  info.expires_at = reader.timestamp("expires_at");
  if (const std::optional<std::int64_t> timeout = reader.integer("timeout_ms")) {
    info.timeout = std::chrono::milliseconds(*timeout);
  }
  if (const std::optional<std::string> action = reader.text("timeout_action")) {
    info.timeout_action = timeout_action_from_word(*action);
  }
  info.cwd = reader.text("cwd");
  info.snapshot_id = reader.text("snapshot_id");
  if (const JsonValue* checkout = reader.object("warm_pool_checkout")) {
    info.warm_pool_checkout = read_checkout(*checkout, inner_problem);
  }
  if (reader.problem()) return *reader.problem();
  if (inner_problem) return *inner_problem;
  return info;
}

void write_sandbox(JsonWriter& writer, const SandboxInfo& info, const SandboxEncoding& encoding) {
  MemberChoice choice(writer, encoding.fields);
  writer.begin_object();
  if (choice.wants("id")) writer.text(info.id);
  if (choice.wants("status")) {
    const bool has_word = info.status != SandboxStatus::unknown;
    writer.text(has_word ? status_word(info.status) : std::string_view(info.status_text));
  }
  if (choice.wants("config")) write_config(writer, info.config);
  if (choice.wants("template")) writer.text(info.template_id);
  if (choice.wants("metadata")) write_metadata(writer, info, encoding.dialect);
  choice.time("started_at", info.started_at);
  if (choice.wants("timeout_ms", info.timeout.has_value())) writer.integer(info.timeout->count());
  choice.time("timeout_at", info.timeout_at);
  choice.time("expires_at", info.expires_at);
  if (choice.wants("timeout_action", info.timeout_action.has_value())) {
    writer.text(timeout_action_word(*info.timeout_action));
  }
  choice.time("created_at", info.created_at);
  if (choice.wants("cwd")) {
    if (info.cwd) {
      writer.text(*info.cwd);
    } else {
      writer.null();
    }
  }
  if (choice.wants("snapshot_id", info.snapshot_id.has_value())) writer.text(*info.snapshot_id);
  if (choice.wants("traffic_access_token", encoding.traffic_access_token != nullptr)) {
    writer.text(encoding.traffic_access_token->reveal());
  }
  if (choice.wants("warm_pool_checkout", info.warm_pool_checkout.has_value())) {
    write_checkout(writer, *info.warm_pool_checkout);
  }
  writer.end_object();
}

support::Result<SandboxMetrics> read_metrics(const JsonValue& value) {
  ObjectReader reader(value, "metrics", Blame::server);
  for (const std::string_view key : {"timestamp", "cpu_percent", "cpu_count", "mem_used_bytes",
                                     "mem_total_bytes", "disk_used_bytes", "disk_total_bytes"}) {
    if (!reader.has(key)) reader.refuse(key, "is missing");
  }
  SandboxMetrics sample = read_figures(reader);
  const std::optional<Timestamp> timestamp = reader.timestamp("timestamp");
  if (!timestamp) reader.refuse("timestamp", "expected an RFC 3339 time");
  if (reader.problem()) return *reader.problem();
  sample.timestamp = *timestamp;
  return sample;
}

support::Result<SandboxMetrics> read_partial_metrics(const JsonValue& value, Timestamp now) {
  ObjectReader reader(value, "metrics", Blame::server);
  SandboxMetrics sample = read_figures(reader);
  sample.timestamp = reader.timestamp("timestamp").value_or(now);
  if (reader.problem()) return *reader.problem();
  return sample;
}

void write_metrics(JsonWriter& writer, const SandboxMetrics& sample) {
  const auto integer_or_null = [&](std::string_view key, const std::optional<std::int64_t>& value) {
    if (value) {
      writer.integer(key, *value);
    } else {
      writer.null(key);
    }
  };
  writer.begin_object();
  writer.text("timestamp", format_timestamp(sample.timestamp));
  writer.number("cpu_percent", sample.cpu_percent);
  writer.integer("cpu_count", sample.cpu_count);
  writer.integer("mem_used_bytes", sample.mem_used_bytes);
  writer.integer("mem_total_bytes", sample.mem_total_bytes);
  writer.integer("disk_used_bytes", sample.disk_used_bytes);
  writer.integer("disk_total_bytes", sample.disk_total_bytes);
  integer_or_null("network_rx_bytes", sample.network_rx_bytes);
  integer_or_null("network_tx_bytes", sample.network_tx_bytes);
  writer.end_object();
}

support::Result<std::vector<ProcessInfo>> read_processes(const JsonValue& array) {
  std::vector<ProcessInfo> processes;
  processes.reserve(array.Size());
  for (const JsonValue& item : array.GetArray()) {
    ObjectReader reader(item, "process", Blame::server);
    ProcessInfo process;
    process.pid = reader.required_int("pid");
    process.command = reader.required_text("command");
    process.running = reader.required_flag("running");
    if (reader.problem()) return *reader.problem();
    processes.push_back(std::move(process));
  }
  return processes;
}

void write_processes(JsonWriter& writer, std::span<const ProcessInfo> processes) {
  writer.begin_array();
  for (const ProcessInfo& process : processes) {
    writer.begin_object();
    writer.integer("pid", process.pid);
    writer.text("command", process.command);
    writer.flag("running", process.running);
    writer.end_object();
  }
  writer.end_array();
}

}  // namespace nullspace::inline v0::wire

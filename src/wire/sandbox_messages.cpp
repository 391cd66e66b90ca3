#include "wire/sandbox_messages.hpp"

#include <array>
#include <utility>

#include "support/error_info.hpp"
#include "wire/json.hpp"
#include "wire/model_json.hpp"
#include "wire/timestamp.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

template <typename Word>
struct Named {
  Word value;
  std::string_view name;
};

constexpr std::array<Named<SandboxStatus>, 5> kStatuses{{
    {SandboxStatus::creating, "creating"},
    {SandboxStatus::running, "running"},
    {SandboxStatus::paused, "paused"},
    {SandboxStatus::destroyed, "destroyed"},
    {SandboxStatus::error, "error"},
}};

constexpr std::string_view kUnknownWord = "unknown";

std::string_view warm_pool_word(WarmPoolMode mode) noexcept {
  switch (mode) {
    case WarmPoolMode::prefer:
      return "prefer";
    case WarmPoolMode::require:
      return "require";
    case WarmPoolMode::bypass:
      return "bypass";
  }
  return kUnknownWord;
}

void write_network(JsonWriter& writer, const std::optional<NetworkOptions>& network) {
  writer.key("network");
  if (!network) {
    writer.null();
    return;
  }
  writer.begin_object();
  if (network->allow_public_traffic)
    writer.flag("allow_public_traffic", *network->allow_public_traffic);
  if (!network->mask_request_host.empty())
    writer.text("mask_request_host", network->mask_request_host);
  if (!network->deny_out.empty()) {
    writer.key("deny_out");
    writer.texts(network->deny_out);
  }
  if (!network->allow_out.empty()) {
    writer.key("allow_out");
    writer.texts(network->allow_out);
  }
  writer.end_object();
}

void write_desktop(JsonWriter& writer, const std::optional<DesktopOptions>& desktop) {
  writer.key("desktop");
  const bool is_given =
      desktop && (desktop->width || desktop->height || desktop->dpi || !desktop->display.empty());
  if (!is_given) {
    writer.null();
    return;
  }
  writer.begin_object();
  if (desktop->width && desktop->height) {
    writer.key("resolution");
    writer.begin_object();
    writer.integer("width", *desktop->width);
    writer.integer("height", *desktop->height);
    writer.end_object();
  }
  if (desktop->dpi) writer.integer("dpi", *desktop->dpi);
  if (!desktop->display.empty()) writer.text("display", desktop->display);
  writer.end_object();
}

void write_volumes(JsonWriter& writer, const std::optional<std::vector<VolumeMount>>& volumes) {
  writer.key("volumes");
  if (!volumes) {
    writer.null();
    return;
  }
  writer.begin_array();
  for (const VolumeMount& volume : *volumes) {
    writer.begin_object();
    writer.text("ref", trim(volume.ref));
    writer.text("mount_path", volume.mount_path);
    writer.flag("read_only", volume.read_only);
    if (!volume.subpath.empty()) writer.text("subpath", volume.subpath);
    writer.end_object();
  }
  writer.end_array();
}

void write_warm_pool(JsonWriter& writer, const WarmPoolOptions& pool) {
  writer.key("warm_pool");
  writer.begin_object();
  if (const std::string_view id = trim(pool.id); !id.empty()) writer.text("id", id);
  if (pool.mode) writer.text("mode", warm_pool_word(*pool.mode));
  if (pool.wait) writer.integer("wait_ms", pool.wait->count());
  writer.end_object();
}

// The items of an answer that is either a bare array or an envelope around one; null when an
// envelope has none.
support::Result<const JsonValue*> items_of(const JsonValue& root) {
  if (root.IsArray()) return &root;
  ObjectReader reader(root, "page", Blame::server);
  const JsonValue* items = reader.array("items");
  if (reader.problem()) return *reader.problem();
  return items;
}

// Runs `read` over every item of an array.
template <typename Item, typename Read>
support::Result<std::vector<Item>> read_all(const JsonValue& array, const Read& read) {
  std::vector<Item> items;
  items.reserve(array.Size());
  for (const JsonValue& value : array.GetArray()) {
    support::Result<Item> item = read(value);
    if (!item) return std::move(item).error();
    items.push_back(std::move(*item));
  }
  return items;
}

support::Result<Document> parse_answer(std::string_view body) {
  return parse_document(std::string(body), Blame::server);
}

support::Result<Json> read_json_object(const JsonValue& value) {
  if (!value.IsObject()) return support::invalid_response("sandbox: expected an object");
  return to_public_json(value);
}

void write_sandboxes(JsonWriter& writer, std::span<const SandboxInfo> items,
                     const SandboxEncoding& encoding) {
  writer.begin_array();
  for (const SandboxInfo& item : items)
    write_sandbox(writer, item, encoding);
  writer.end_array();
}

}  // namespace

SandboxStatus status_from_word(std::string_view word) noexcept {
  for (const auto& status : kStatuses) {
    if (status.name == word) return status.value;
  }
  return SandboxStatus::unknown;
}

std::string_view status_word(SandboxStatus status) noexcept {
  for (const auto& candidate : kStatuses) {
    if (candidate.value == status) return candidate.name;
  }
  return kUnknownWord;
}

TimeoutAction timeout_action_from_word(std::string_view word) noexcept {
  if (word == "destroy") return TimeoutAction::destroy;
  if (word == "hibernate" || word == "pause") return TimeoutAction::hibernate;
  return TimeoutAction::unknown;
}

std::string_view timeout_action_word(TimeoutAction action) noexcept {
  if (action == TimeoutAction::destroy) return "destroy";
  if (action == TimeoutAction::hibernate) return "hibernate";
  return kUnknownWord;
}

int default_memory_mb(std::string_view template_id) noexcept {
  constexpr int kSmall = 512;
  constexpr int kForNotebooks = 2048;
  return template_id == "code-interpreter" ? kForNotebooks : kSmall;
}

std::string encode_create_request(const SandboxCreateOptions& options) {
  const bool from_snapshot = !options.snapshot_id.empty();
  JsonWriter writer;
  writer.begin_object();
  if (from_snapshot) {
    writer.text("snapshot_id", trim(options.snapshot_id));
  } else {
    // The server's own defaults are smaller: what is left out here would make another sandbox.
    writer.text("template", options.template_id);
    writer.integer("vcpus", options.vcpus);
    writer.integer("memory_mb", options.memory_mb.value_or(default_memory_mb(options.template_id)));
    if (options.disk_mb) writer.integer("disk_mb", *options.disk_mb);
  }
  writer.integer("timeout_ms", options.timeout.count());
  if (!from_snapshot) {
    writer.key("envs");
    writer.text_map(options.envs);
  }
  writer.key("metadata");
  writer.json(options.metadata);
  write_network(writer, options.network);
  if (!from_snapshot) {
    writer.flag("internet_access", options.internet_access);
    if (options.cwd.empty()) {
      writer.null("cwd");
    } else {
      writer.text("cwd", options.cwd);
    }
    write_desktop(writer, options.desktop);
  }
  write_volumes(writer, options.volumes);
  writer.flag("auto_resume", options.auto_resume);
  if (options.timeout_action) {
    writer.text("timeout_action", timeout_action_word(*options.timeout_action));
  }
  if (options.warm_pool) write_warm_pool(writer, *options.warm_pool);
  writer.end_object();
  return writer.take();
}

support::Result<std::string> encode_timeout_request(std::chrono::milliseconds timeout,
                                                    std::optional<TimeoutAction> action) {
  if (timeout.count() <= 0) return support::invalid_request("timeout must be positive");
  if (action == TimeoutAction::unknown)
    return support::invalid_request("timeout_action is unknown");
  JsonWriter writer;
  writer.begin_object();
  writer.integer("timeout_ms", timeout.count());
  if (action) writer.text("timeout_action", timeout_action_word(*action));
  writer.end_object();
  return writer.take();
}

support::Result<SandboxAnswer> decode_sandbox(std::string_view body,
                                              std::string_view default_template) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  support::Result<SandboxInfo> info = read_sandbox(document->root(), default_template);
  if (!info) return std::move(info).error();
  ObjectReader reader(document->root(), "sandbox", Blame::server);
  SandboxAnswer answer{std::move(*info), reader.text("traffic_access_token")};
  if (reader.problem()) return *reader.problem();
  return answer;
}

support::Result<Json> decode_sandbox_fields(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  return read_json_object(document->root());
}

support::Result<SandboxPage> decode_sandbox_page(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  const support::Result<const JsonValue*> items = items_of(document->root());
  if (!items) return items.error();
  SandboxPage page;
  if (*items != nullptr) {
    support::Result<std::vector<SandboxInfo>> sandboxes = read_all<SandboxInfo>(
        **items, [](const JsonValue& value) { return read_sandbox(value, ""); });
    if (!sandboxes) return std::move(sandboxes).error();
    page.items = std::move(*sandboxes);
  }
  if (document->root().IsObject()) {
    ObjectReader reader(document->root(), "page", Blame::server);
    page.next_token = reader.text_or_empty("next_token");
    page.has_next = reader.flag("has_next").value_or(false);
    if (reader.problem()) return *reader.problem();
  }
  return page;
}

support::Result<std::vector<Json>> decode_sandbox_page_fields(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  const support::Result<const JsonValue*> items = items_of(document->root());
  if (!items) return items.error();
  if (*items == nullptr) return std::vector<Json>{};
  return read_all<Json>(**items, read_json_object);
}

support::Result<std::vector<SandboxMetrics>> decode_metrics(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  if (!document->root().IsArray()) return support::invalid_response("metrics: expected an array");
  return read_all<SandboxMetrics>(document->root(), read_metrics);
}

std::string encode_sandbox(const SandboxInfo& info, const SandboxEncoding& encoding) {
  JsonWriter writer;
  write_sandbox(writer, info, encoding);
  return writer.take();
}

std::string encode_sandbox_array(std::span<const SandboxInfo> items,
                                 const SandboxEncoding& encoding) {
  JsonWriter writer;
  write_sandboxes(writer, items, encoding);
  return writer.take();
}

std::string encode_sandbox_page(const SandboxPage& page, const SandboxEncoding& encoding) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("items");
  write_sandboxes(writer, page.items, encoding);
  if (page.next_token.empty()) {
    writer.null("next_token");
  } else {
    writer.text("next_token", page.next_token);
  }
  writer.flag("has_next", page.has_next);
  writer.end_object();
  return writer.take();
}

std::string encode_metrics(std::span<const SandboxMetrics> samples) {
  JsonWriter writer;
  writer.begin_array();
  for (const SandboxMetrics& sample : samples)
    write_metrics(writer, sample);
  writer.end_array();
  return writer.take();
}

std::string encode_timeout_answer(const TimeoutAnswer& answer) {
  JsonWriter writer;
  writer.begin_object();
  writer.integer("timeout_ms", answer.timeout.count());
  writer.text("timeout_action", timeout_action_word(answer.action));
  if (answer.timeout_at) writer.text("timeout_at", format_timestamp(*answer.timeout_at));
  if (answer.remaining) writer.integer("remaining_ms", answer.remaining->count());
  writer.end_object();
  return writer.take();
}

std::string encode_destroyed(std::string_view id) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("id", id);
  writer.text("status", status_word(SandboxStatus::destroyed));
  writer.end_object();
  return writer.take();
}

std::string encode_health() {
  return R"({"status":"ok"})";
}

}  // namespace nullspace::inline v0::wire

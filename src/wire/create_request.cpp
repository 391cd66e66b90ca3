// A create from the server's side: what can be refused without knowing templates, quotas and
// volumes.
#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>

#include "support/error_info.hpp"
#include "wire/exec_json.hpp"
#include "wire/json.hpp"
#include "wire/sandbox_messages.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr std::int64_t kMaxTimeoutMs = 86'400'000'000;
constexpr int kMinDiskMb = 512;
constexpr int kMaxDiskMb = 131'072;
constexpr int kMaxInt = std::numeric_limits<int>::max();
// Belongs to the service; users may neither start in it nor mount over it.
constexpr std::string_view kReservedDirectory = "/workspace/.nullspace";

bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_inside(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto [end, unused] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return end == directory.end();
}

// Normal form without a slash at its end, "" for a path that is not absolute.
std::filesystem::path normal_path(std::string_view text) {
  if (!text.starts_with('/') || text.find('\0') != std::string_view::npos) return {};
  std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

std::string read_cwd(ObjectReader& reader) {
  const std::string cwd = reader.text_or_empty("cwd");
  if (cwd.empty()) return {};
  const std::filesystem::path path = normal_path(cwd);
  if (path.empty()) {
    reader.refuse("cwd", "expected an absolute path");
  } else if (is_inside(path, kReservedDirectory)) {
    reader.refuse("cwd", "lies in a directory of the service");
  }
  return path.string();
}

// Moves the first problem of an inner object out.
void pass_on(const ObjectReader& from, std::optional<ErrorInfo>& problem) {
  if (!problem) problem = from.problem();
}

NetworkOptions read_network(const JsonValue& value, std::optional<ErrorInfo>& problem) {
  ObjectReader reader(value, "network", Blame::client);
  NetworkOptions network;
  network.allow_public_traffic = reader.flag("allow_public_traffic");
  network.mask_request_host = reader.text_or_empty("mask_request_host");
  if (has_control(network.mask_request_host)) {
    reader.refuse("mask_request_host", "must not contain control characters");
  }
  network.deny_out = reader.texts("deny_out");
  network.allow_out = reader.texts("allow_out");
  pass_on(reader, problem);
  return network;
}

DesktopOptions read_desktop(const JsonValue& value, std::optional<ErrorInfo>& problem) {
  ObjectReader reader(value, "desktop", Blame::client);
  DesktopOptions desktop;
  if (const JsonValue* resolution = reader.object("resolution")) {
    ObjectReader size(*resolution, "desktop.resolution", Blame::client);
    desktop.width = size.required_int("width", 1, kMaxInt);
    desktop.height = size.required_int("height", 1, kMaxInt);
    pass_on(size, problem);
  }
  desktop.dpi = reader.small_integer("dpi", 1);
  desktop.display = reader.text_or_empty("display");
  const bool is_display = desktop.display.size() > 1 && desktop.display.front() == ':' &&
                          desktop.display.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!desktop.display.empty() && !is_display)
    reader.refuse("display", "expected ':' and a number");
  pass_on(reader, problem);
  return desktop;
}

ErrorInfo volume_refusal(std::string code, std::string message) {
  ErrorInfo info = support::invalid_request(std::move(message));
  info.code = std::move(code);
  return info;
}

std::vector<VolumeMount> read_volumes(const JsonValue& array, std::optional<ErrorInfo>& problem) {
  std::vector<VolumeMount> volumes;
  std::vector<std::filesystem::path> taken;
  for (const JsonValue& value : array.GetArray()) {
    ObjectReader reader(value, "volumes", Blame::client);
    VolumeMount volume;
    volume.ref = trim(reader.required_text("ref"));
    if (volume.ref.empty()) reader.refuse("ref", "must not be blank");
    volume.mount_path = reader.required_text("mount_path");
    volume.read_only = reader.flag("read_only").value_or(false);
    volume.subpath = reader.text_or_empty("subpath");
    pass_on(reader, problem);
    if (problem) return {};

    const std::filesystem::path path = normal_path(volume.mount_path);
    if (path.empty() || path == "/" || is_inside(path, kReservedDirectory)) {
      problem =
          volume_refusal("volume_invalid_mount_path", "volumes.mount_path: cannot be mounted on");
      return {};
    }
    for (const std::filesystem::path& other : taken) {
      if (is_inside(path, other) || is_inside(other, path)) {
        problem =
            volume_refusal("volume_overlapping_mounts", "volumes.mount_path: overlaps another one");
        return {};
      }
    }
    taken.push_back(path);
    volume.mount_path = path.string();
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

WarmPoolOptions read_warm_pool(const JsonValue& value, std::optional<ErrorInfo>& problem) {
  ObjectReader reader(value, "warm_pool", Blame::client);
  WarmPoolOptions pool;
  pool.id = trim(reader.text_or_empty("id"));
  if (const std::optional<std::string> mode = reader.text("mode")) {
    if (*mode == "prefer") {
      pool.mode = WarmPoolMode::prefer;
    } else if (*mode == "require") {
      pool.mode = WarmPoolMode::require;
    } else if (*mode == "bypass") {
      pool.mode = WarmPoolMode::bypass;
    } else {
      reader.refuse("mode", "expected prefer, require or bypass");
    }
  }
  if (pool.id.empty() && pool.mode != WarmPoolMode::bypass)
    reader.refuse("id", "must not be blank");
  if (const std::optional<int> wait = reader.small_integer("wait_ms", 0)) {
    pool.wait = std::chrono::milliseconds(*wait);
  }
  pass_on(reader, problem);
  return pool;
}

std::optional<TimeoutAction> read_action(ObjectReader& reader, std::string_view key,
                                         std::string_view other_word_for_hibernate) {
  const std::optional<std::string> word = reader.text(key);
  if (!word) return std::nullopt;
  if (*word == "destroy") return TimeoutAction::destroy;
  if (*word == other_word_for_hibernate) return TimeoutAction::hibernate;
  reader.refuse(key, "expected destroy or " + std::string(other_word_for_hibernate));
  return std::nullopt;
}

// Two vocabularies for one thing; both may be there if they agree.
std::optional<TimeoutAction> read_timeout_action(ObjectReader& reader,
                                                 std::optional<ErrorInfo>& problem) {
  const std::optional<TimeoutAction> action = read_action(reader, "timeout_action", "hibernate");
  const JsonValue* lifecycle_value = reader.object("lifecycle");
  if (lifecycle_value == nullptr) return action;
  ObjectReader lifecycle(*lifecycle_value, "lifecycle", Blame::client);
  const std::optional<TimeoutAction> on_timeout = read_action(lifecycle, "on_timeout", "pause");
  if (action && on_timeout && action != on_timeout) {
    lifecycle.refuse("on_timeout", "contradicts timeout_action");
  }
  pass_on(lifecycle, problem);
  return action ? action : on_timeout;
}

}  // namespace

support::Result<CreateRequest> decode_create_request(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "create", Blame::client);
  std::optional<ErrorInfo> inner_problem;
  CreateRequest request;

  if (reader.has("snapshot_id")) request.snapshot_id = reader.required_name("snapshot_id");
  if (const std::optional<std::string> name = reader.text("template")) {
    request.template_id = *name;
    if (trim(*name).empty()) reader.refuse("template", "must not be blank");
  }
  request.vcpus = reader.small_integer("vcpus", 1).value_or(request.vcpus);
  request.memory_mb = reader.small_integer("memory_mb", 1).value_or(request.memory_mb);
  request.disk_mb = reader.small_integer("disk_mb", kMinDiskMb, kMaxDiskMb);
  if (request.disk_mb && !request.snapshot_id.empty()) {
    reader.refuse("disk_mb", "cannot be changed by a create from a snapshot");
  }
  if (const std::optional<std::int64_t> timeout = reader.integer("timeout_ms", 1, kMaxTimeoutMs)) {
    request.timeout = std::chrono::milliseconds(*timeout);
  }
  request.envs = read_envs(reader, "envs");
  request.metadata = reader.json_object("metadata");
  if (const JsonValue* network = reader.object("network")) {
    request.network = read_network(*network, inner_problem);
  }
  request.internet_access = reader.flag("internet_access").value_or(true);
  request.cwd = read_cwd(reader);
  if (const JsonValue* desktop = reader.object("desktop")) {
    request.desktop = read_desktop(*desktop, inner_problem);
    if (request.template_id != "desktop")
      reader.refuse("desktop", "needs the template \"desktop\"");
  }
  if (const JsonValue* volumes = reader.array("volumes")) {
    if (volumes->Empty()) reader.refuse("volumes", "must not be empty");
    request.volumes = read_volumes(*volumes, inner_problem);
  }
  request.auto_resume = reader.flag("auto_resume").value_or(false);
  const std::optional<TimeoutAction> action = read_timeout_action(reader, inner_problem);
  if (request.auto_resume && action == TimeoutAction::destroy) {
    reader.refuse("auto_resume", "needs a sandbox that hibernates");
  }
  request.timeout_action = action.value_or(TimeoutAction::destroy);
  if (const JsonValue* pool = reader.object("warm_pool")) {
    request.warm_pool = read_warm_pool(*pool, inner_problem);
  }

  if (reader.problem()) return *reader.problem();
  if (inner_problem) return *inner_problem;
  return request;
}

support::Result<TimeoutRequest> decode_timeout_request(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "timeout", Blame::client);
  TimeoutRequest request;
  request.timeout =
      std::chrono::milliseconds(reader.required_integer("timeout_ms", 1, kMaxTimeoutMs));
  request.action = read_action(reader, "timeout_action", "hibernate");
  if (reader.problem()) return *reader.problem();
  return request;
}

}  // namespace nullspace::inline v0::wire

/// @file
/// What the service says about a sandbox: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/export.hpp>
#include <nullspace/json.hpp>
#include <nullspace/secret.hpp>

namespace nullspace::inline v0 {

/// An instant as the service reports it, in UTC with microseconds.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/// Environment variables: name to value.
using EnvMap = std::map<std::string, std::string, std::less<>>;

enum class SandboxStatus {
  unknown,  ///< A word this SDK does not know; SandboxInfo::status_text has it.
  creating,
  running,
  paused,  ///< Hibernated; SandboxInfo::snapshot_id can be resumed.
  destroyed,
  error
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(SandboxStatus status) noexcept;

/// What happens when a sandbox's time is up.
enum class TimeoutAction {
  unknown,
  destroy,
  hibernate,
  pause = hibernate  ///< The service uses both words for one thing.
};
[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(TimeoutAction action) noexcept;

struct SandboxConfig {
  int vcpus{0};
  int memory_mb{0};
  std::optional<int> disk_mb{};
};

/// How a warm pool took part in a create.
struct WarmPoolCheckout {
  /// `ready_instance`, `cold_create` or `bypassed`.
  std::string source{};
  /// true only for `ready_instance`.
  bool hit{false};
  std::string id{};
  std::string mode{};
  std::optional<std::chrono::milliseconds> waited{};
};

/// A volume mounted into a sandbox.
struct VolumeAttachment {
  std::string id{};
  std::string volume_id{};
  std::string sandbox_id{};
  std::string mount_path{};
  std::string subpath{};
  bool read_only{false};
  /// `requested`, `mounting`, `mounted`, `paused`, `released`, `failed`, ...
  std::string state{};
  std::string last_error_code{};
  std::string last_error_message{};
  std::optional<Timestamp> created_at{};
  std::optional<Timestamp> updated_at{};
};

/// One sandbox object (`GET /v1/sandboxes/{id}`). Times that the server did not give, or gave in a
/// form that is no time, are absent.
struct SandboxInfo {
  std::string id{};
  SandboxStatus status{SandboxStatus::unknown};
  /// The status as the server wrote it.
  std::string status_text{};
  SandboxConfig config{};
  std::string template_id{};
  Json::Object metadata{};
  std::optional<Timestamp> created_at{};
  std::optional<Timestamp> started_at{};
  /// The time-out window last set.
  std::optional<std::chrono::milliseconds> timeout{};
  /// When it ends, if nobody moves it.
  std::optional<Timestamp> timeout_at{};
  std::optional<Timestamp> expires_at{};
  std::optional<TimeoutAction> timeout_action{};
  std::optional<std::string> cwd{};
  /// Only while paused: the snapshot to resume.
  std::optional<std::string> snapshot_id{};
  /// Volume attachments found in the metadata; entries that are none are skipped.
  std::vector<VolumeAttachment> volumes{};
  std::optional<WarmPoolCheckout> warm_pool_checkout{};
};

/// One sample of a sandbox's resource use. Byte counts are bytes, cpu_percent is percent of all its
/// CPUs.
struct SandboxMetrics {
  Timestamp timestamp{};
  double cpu_percent{0};
  int cpu_count{1};
  std::int64_t mem_used_bytes{0};
  std::int64_t mem_total_bytes{0};
  std::int64_t disk_used_bytes{0};
  std::int64_t disk_total_bytes{0};
  std::optional<std::int64_t> network_rx_bytes{};
  std::optional<std::int64_t> network_tx_bytes{};
};

/// A process in a sandbox.
struct ProcessInfo {
  int pid{0};
  std::string command{};
  bool running{false};
};

}  // namespace nullspace::inline v0

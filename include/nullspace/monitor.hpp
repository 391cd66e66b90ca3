/// @file
/// Live figures of all sandboxes of the account.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nullspace/client.hpp>
#include <nullspace/error.hpp>
#include <nullspace/export.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/subscription.hpp>

namespace nullspace::inline v0 {

/// All sandboxes as they are now (`monitor_snapshot`): comes first, and again after every
/// reconnect. Before one that follows a reconnect, sandboxes that went away meanwhile are reported
/// by MonitorUpdateEvent with `removed`.
struct MonitorSnapshotEvent {
  std::vector<SandboxInfo> sandboxes{};
};

/// One sandbox appeared, changed or went away (`monitor_update`).
struct MonitorUpdateEvent {
  std::string sandbox_id{};
  /// Absent when it is gone.
  std::optional<SandboxInfo> sandbox{};
  bool removed{false};
};

/// `monitor_metrics`: once per interval and running sandbox.
struct MonitorMetricsEvent {
  std::string sandbox_id{};
  SandboxMetrics metrics{};
};

/// `monitor_processes`: with include_processes, once per interval and running sandbox.
struct MonitorProcessesEvent {
  std::string sandbox_id{};
  std::vector<ProcessInfo> processes{};
};

/// All callbacks of one subscription run on the client's executor, in order, never two at once.
struct MonitorOptions {
  /// Time between samples. The server clamps it to 500 ms ... 10 s.
  std::chrono::milliseconds interval{2'000};
  bool include_processes{false};
  std::function<void(const MonitorSnapshotEvent&)> on_snapshot{};
  std::function<void(const MonitorUpdateEvent&)> on_update{};
  std::function<void(const MonitorMetricsEvent&)> on_metrics{};
  std::function<void(const MonitorProcessesEvent&)> on_processes{};
  /// Something went wrong: the server reported a problem (`monitor_error`), a message was malformed
  /// (`invalid_response`), a callback threw (kind callback, which ends the subscription), or the
  /// stream is over for good. Losing and regaining the connection is not an error: see
  /// on_state_change.
  std::function<void(const Error&)> on_error{};
  /// Connecting, connected, reconnecting, closed, with the cause.
  std::function<void(const StateChange&)> on_state_change{};
};

/// Subscribes to `/v1/monitor/ws`. Cheap to copy, thread-safe.
class NULLSPACE_EXPORT Monitor {
 public:
  /// With a client of its own, configured from the environment.
  Monitor();
  explicit Monitor(Client client) noexcept;

  /// Opens the stream and returns once the server has accepted the connection. A connection lost
  /// later is opened again by itself (ClientOptions::reconnect): it subscribes anew and gets a
  /// fresh snapshot. Throws Error when the first connection cannot be made: `unauthorized`,
  /// `transport_error`, `timeout`, `not_implemented`; `invalid_request` for an interval that is not
  /// positive.
  [[nodiscard]] Subscription subscribe(MonitorOptions options = {}) const;

 private:
  Client client_;
};

}  // namespace nullspace::inline v0

// The messages of /v1/monitor/ws.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <nullspace/dialect.hpp>
#include <nullspace/monitor.hpp>
#include <nullspace/sandbox_info.hpp>

#include "support/result.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::inline v0::wire {

// --- client to server ---

struct MonitorSubscribe {
  std::string id{};
  // As sent; the server clamps it with clamp_monitor_interval().
  std::optional<std::chrono::milliseconds> interval{};
  bool include_processes{false};
  friend bool operator==(const MonitorSubscribe&, const MonitorSubscribe&) = default;
};
struct MonitorUnsubscribe {
  std::string id{};
  friend bool operator==(const MonitorUnsubscribe&, const MonitorUnsubscribe&) = default;
};

[[nodiscard]] std::string encode(const MonitorSubscribe& message);
[[nodiscard]] std::string encode(const MonitorUnsubscribe& message);

// --- server to client ---

// `monitor_error`; the stream goes on.
struct MonitorProblem {
  std::string id{};
  std::string message{};
  friend bool operator==(const MonitorProblem&, const MonitorProblem&) = default;
};

[[nodiscard]] std::string encode_monitor_snapshot(Dialect dialect, std::string_view id,
                                                  std::span<const SandboxInfo> sandboxes);
// Without `sandbox` it is gone: null and removed.
[[nodiscard]] std::string encode_monitor_update(Dialect dialect, std::string_view id,
                                                const MonitorUpdateEvent& event);
[[nodiscard]] std::string encode_monitor_metrics(Dialect dialect, std::string_view id,
                                                 const MonitorMetricsEvent& event);
[[nodiscard]] std::string encode_monitor_processes(Dialect dialect, std::string_view id,
                                                   const MonitorProcessesEvent& event);
[[nodiscard]] std::string encode(const MonitorProblem& message);

// --- the SDK reads ---

struct MonitorServerMessage {
  // Echo of the subscription's id.
  std::string id{};
  std::variant<UnknownMessage, MonitorSnapshotEvent, MonitorUpdateEvent, MonitorMetricsEvent,
               MonitorProcessesEvent, MonitorProblem>
      event{};
};
// Either dialect. `now` stands in for a sample's time that is missing. Errors: invalid_response;
// the stream can go on after it.
[[nodiscard]] support::Result<MonitorServerMessage> decode_monitor_message(std::string_view text,
                                                                           Timestamp now);

// --- a server reads ---

using MonitorClientMessage = std::variant<MonitorSubscribe, MonitorUnsubscribe>;
// The message, or the answer to one that is refused (its text contains "invalid message").
[[nodiscard]] std::variant<MonitorClientMessage, MonitorProblem> decode_monitor_client_message(
    std::string_view text);
// What the server makes of the interval asked for: default 2 s, 500 ms to 10 s.
[[nodiscard]] std::chrono::milliseconds clamp_monitor_interval(
    std::optional<std::chrono::milliseconds> interval) noexcept;

}  // namespace nullspace::inline v0::wire

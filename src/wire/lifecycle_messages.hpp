// Lifecycle events: the lists of REST and the messages of the two sockets. See lifecycle_query.hpp
// for what a list is asked by.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nullspace/dialect.hpp>
#include <nullspace/json.hpp>
#include <nullspace/lifecycle_event.hpp>

#include "support/result.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::inline v0::wire {

// --- REST ---

// One event by itself; it is also the body of a webhook. Errors: invalid_response.
[[nodiscard]] std::string encode_lifecycle_event(Dialect dialect, const LifecycleEvent& event);
[[nodiscard]] support::Result<LifecycleEvent> decode_lifecycle_event(std::string_view body);

// {"events": [...], "offset": ..., "limit": ..., "has_more": ...}
[[nodiscard]] std::string encode_lifecycle_page(Dialect dialect, const LifecyclePage& page);
// Entries that are no objects are skipped; an event that lacks something is invalid_response.
[[nodiscard]] support::Result<LifecyclePage> decode_lifecycle_page(std::string_view body);

// --- client to server ---

// Texts that are empty and options that are absent are not sent. Absent is not the same as false or
// zero: a server replays nothing to a subscriber that says nothing about replay.
struct LifecycleSubscribe {
  std::string sandbox_id{};
  std::string snapshot_id{};
  std::optional<LifecycleOperation> operation{};
  std::optional<LifecycleStatus> status{};
  std::optional<LifecycleAudience> audience{};
  std::optional<bool> live_only{};
  std::string after_event_id{};
  std::optional<int> replay_limit{};
  // Every key and value must match the event's.
  Json::Object metadata{};
  friend bool operator==(const LifecycleSubscribe&, const LifecycleSubscribe&) = default;
};
[[nodiscard]] std::string encode(Dialect dialect, const LifecycleSubscribe& message);

// --- server to client ---

// What a server says it would do for a client that comes back. Servers contradict themselves here:
// clients ignore it.
enum class ReconnectMode { unknown, cursor_replay, live_only };
[[nodiscard]] std::string_view reconnect_mode_word(ReconnectMode mode) noexcept;

// The first answer.
struct LifecycleSubscribed {
  ReconnectMode reconnect_mode{ReconnectMode::unknown};
  friend bool operator==(const LifecycleSubscribed&, const LifecycleSubscribed&) = default;
};
// `error`.
struct LifecycleProblem {
  std::string message{};
  friend bool operator==(const LifecycleProblem&, const LifecycleProblem&) = default;
};

// Repeats the filters of what was subscribed to; the audience is customer unless it was given.
[[nodiscard]] std::string encode_lifecycle_subscribed(Dialect dialect,
                                                      const LifecycleSubscribe& subscription,
                                                      ReconnectMode mode);
[[nodiscard]] std::string encode_lifecycle_event_message(Dialect dialect,
                                                         const LifecycleEvent& event);
[[nodiscard]] std::string encode(const LifecycleProblem& message);

// What a server says to an after_event_id that it does not know, or no longer; it closes then.
inline constexpr std::string_view kUnknownCursor = "unknown after_event_id";
// Whether that is what it said: the words are not documented, so other ones are understood too.
[[nodiscard]] bool is_unknown_cursor(const LifecycleProblem& problem) noexcept;

// --- the SDK reads ---

using LifecycleServerMessage =
    std::variant<UnknownMessage, LifecycleSubscribed, LifecycleEvent, LifecycleProblem>;
// Either dialect. Errors: invalid_response; the stream can go on after it.
[[nodiscard]] support::Result<LifecycleServerMessage> decode_lifecycle_message(
    std::string_view text);

// --- a server reads ---

// The message, or the answer to one that is refused (its text contains "invalid message"). Refuses
// words it does not know, a replay_limit that is negative and the audience `internal`; a
// replay_limit above kMaxReplay is brought down to it.
[[nodiscard]] std::variant<LifecycleSubscribe, LifecycleProblem> decode_lifecycle_client_message(
    std::string_view text);

// The most that is replayed to one subscriber at once.
inline constexpr int kMaxReplay = 1'000;
// What the SDK asks for when its caller does not say.
inline constexpr int kDefaultReplay = 100;

}  // namespace nullspace::inline v0::wire

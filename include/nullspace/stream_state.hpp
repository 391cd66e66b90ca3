/// @file
/// The states of a live connection, and how an application sees them change.
#pragma once

#include <optional>
#include <string_view>

#include <nullspace/error.hpp>
#include <nullspace/export.hpp>

namespace nullspace::inline v0 {

/// Where a background stream stands.
enum class StreamState {
  connecting,    ///< First attempt under way. Next: connected, reconnecting or closed.
  connected,     ///< Messages flow. Next: reconnecting or closed.
  reconnecting,  ///< The connection was lost; waiting for the next attempt. Next: connected or
                 ///< closed.
  closed         ///< Over: stopped, ended by the server for good, or given up. Nothing follows.
};

[[nodiscard]] NULLSPACE_EXPORT std::string_view to_string(StreamState state) noexcept;

/// One change of state.
struct StateChange {
  StreamState state{StreamState::connecting};
  /// Why, for reconnecting and for a close that nobody asked for.
  std::optional<Error> cause{};
};

}  // namespace nullspace::inline v0

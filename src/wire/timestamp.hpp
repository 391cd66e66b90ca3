// RFC 3339 instants.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nullspace/sandbox_info.hpp>

namespace nullspace::inline v0::wire {

// Any offset, any number of fraction digits (cut to microseconds), a leap second as the second
// after it. Nothing for anything that is no RFC 3339 date-time.
[[nodiscard]] std::optional<Timestamp> parse_timestamp(std::string_view text);

// `2026-05-02T08:00:01.250Z`
[[nodiscard]] std::string format_timestamp(Timestamp instant);

}  // namespace nullspace::inline v0::wire

// The event object, from and to JSON: lists, sockets and webhooks carry the same.
#pragma once

#include <string_view>

#include <nullspace/dialect.hpp>
#include <nullspace/lifecycle_event.hpp>

#include "support/result.hpp"
#include "wire/json.hpp"

namespace nullspace::inline v0::wire {

// Either dialect. Errors: invalid_response.
[[nodiscard]] support::Result<LifecycleEvent> read_lifecycle_event(const JsonValue& value);
void write_lifecycle_event(JsonWriter& writer, Dialect dialect, const LifecycleEvent& event);

// Errors are remembered by the reader.
[[nodiscard]] Timestamp required_timestamp(ObjectReader& reader, std::string_view key);

}  // namespace nullspace::inline v0::wire

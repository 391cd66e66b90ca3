// The values that REST answers and monitor messages share, from and to JSON.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "support/result.hpp"
#include "wire/dialect.hpp"
#include "wire/json.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0::wire {

// The key of this kind in whichever dialect the object speaks: kNouns[...].*member.
[[nodiscard]] std::string_view key_in_use(const ObjectReader& reader,
                                          std::string_view Noun::*member);

[[nodiscard]] support::Result<SandboxInfo> read_sandbox(const JsonValue& value,
                                                        std::string_view default_template);

void write_sandbox(JsonWriter& writer, const SandboxInfo& info, const SandboxEncoding& encoding);

// For REST, where every member must be there.
[[nodiscard]] support::Result<SandboxMetrics> read_metrics(const JsonValue& value);
// For the monitor, where only cpu_percent must.
[[nodiscard]] support::Result<SandboxMetrics> read_partial_metrics(const JsonValue& value,
                                                                   Timestamp now);
void write_metrics(JsonWriter& writer, const SandboxMetrics& sample);

[[nodiscard]] support::Result<std::vector<ProcessInfo>> read_processes(const JsonValue& array);
void write_processes(JsonWriter& writer, std::span<const ProcessInfo> processes);

// Members that are null when there is nothing to say.
void write_text_or_null(JsonWriter& writer, std::string_view key, std::string_view value);
void write_time_or_null(JsonWriter& writer, std::string_view key,
                        const std::optional<Timestamp>& time);

}  // namespace nullspace::inline v0::wire

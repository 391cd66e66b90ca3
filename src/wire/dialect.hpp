// The noun of the service: the one place that knows that a sandbox is called a machine in the next
// generation. Writers take the dialect; readers use kNouns to accept either spelling.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/dialect.hpp>

namespace nullspace::inline v0::wire {

struct Noun {
  Dialect dialect;
  std::string_view name;           // "sandbox"; also the object in monitor_update
  std::string_view plural;         // "sandboxes"; also the list in monitor_snapshot
  std::string_view prefix;         // "/v1/sandboxes"
  std::string_view id_key;         // "sandbox_id"
  std::string_view source_id_key;  // "source_sandbox_id"
  std::string_view target_id_key;  // "target_sandbox_id"
  std::string_view id_prefix;  // "sb_", for servers that make up ids; clients treat ids as opaque
  std::string_view not_found_code;         // "sandbox_not_found"
  std::string_view not_ready_code;         // "sandbox_not_ready"
  std::string_view paused_code;            // "sandbox_paused_auto_resume_disabled"
  std::string_view preview_disabled_code;  // "preview_sandbox_disabled"
};

inline constexpr std::array<Noun, 2> kNouns{{
    {Dialect::sandbox, "sandbox", "sandboxes", "/v1/sandboxes", "sandbox_id", "source_sandbox_id",
     "target_sandbox_id", "sb_", "sandbox_not_found", "sandbox_not_ready",
     "sandbox_paused_auto_resume_disabled", "preview_sandbox_disabled"},
    {Dialect::machine, "machine", "machines", "/v1/machines", "machine_id", "source_machine_id",
     "target_machine_id", "mch_", "machine_not_found", "machine_not_ready",
     "machine_paused_auto_resume_disabled", "preview_machine_disabled"},
}};

[[nodiscard]] constexpr const Noun& noun(Dialect dialect) noexcept {
  return dialect == Dialect::machine ? kNouns[1] : kNouns[0];
}

// "sandbox" or "machine"; nothing for any other word.
[[nodiscard]] std::optional<Dialect> dialect_from_text(std::string_view text) noexcept;

// The code as the sandbox dialect spells it: `machine_not_found` becomes `sandbox_not_found`,
// others stay. For comparisons only; an Error keeps the server's own word.
[[nodiscard]] std::string canonical_code(std::string_view code);

// The other way, for servers: a code of the sandbox dialect as `dialect` spells it.
[[nodiscard]] std::string code_in(Dialect dialect, std::string_view code);

}  // namespace nullspace::inline v0::wire

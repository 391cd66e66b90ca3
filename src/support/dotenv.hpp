// The `.env` file of a project, read by the service's own simple rules (no export, no expansion, no
// comments behind values).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace nullspace::inline v0::support {

// Later lines override earlier ones. Lines that are no assignment are skipped.
[[nodiscard]] std::map<std::string, std::string, std::less<>> parse_dotenv(std::string_view text);

// Without white space at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

}  // namespace nullspace::inline v0::support

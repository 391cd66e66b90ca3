// nullspace::Json from and to text, for those who must not see RapidJSON.
#pragma once

#include <string>
#include <string_view>

#include <nullspace/json.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

// Errors: invalid_response.
[[nodiscard]] support::Result<Json> parse_json(std::string_view text);

}  // namespace nullspace::inline v0::wire

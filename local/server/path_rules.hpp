#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "local/server/api_error.hpp"

namespace nullspace::local {

// A working directory as a client may name it: absolute, normalized, and not the service's own
// corner.
std::variant<std::string, ApiError> normalize_directory(std::string_view path);

}  // namespace nullspace::local

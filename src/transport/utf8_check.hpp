// RFC 6455 wants text messages to be UTF-8.
#pragma once

#include <string_view>

namespace nullspace::inline v0::transport {

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF. Fast where the text is mostly
// ASCII.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace nullspace::inline v0::transport

// Base64 with the standard alphabet and padding (RFC 4648 section 4), as terminal bytes travel in
// JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nullspace::inline v0::wire {

[[nodiscard]] std::string encode_base64(std::string_view bytes);

// Strict: whole groups of four, padding only at the end, no white space, no stray bits in the last
// character. Nothing for anything else.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace nullspace::inline v0::wire

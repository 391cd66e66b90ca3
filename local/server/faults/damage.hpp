#pragma once

#include <string>
#include <string_view>

namespace nullspace::local {

// A JSON text that has become none, but is still UTF-8.
std::string garbage_json(std::string_view json);
// A text with a byte in its middle that no UTF-8 has.
std::string bad_utf8(std::string_view text);
// The `type` of a message of ours; "" when it has none.
std::string_view message_type(std::string_view json);

}  // namespace nullspace::local

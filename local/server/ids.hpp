#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nullspace::local {

// `bytes` random bytes from the kernel, as lower-case hex.
std::string random_hex(std::size_t bytes);

// `sb_1f...`: the prefix and enough randomness that nobody guesses another one's.
std::string new_id(std::string_view prefix);

}  // namespace nullspace::local

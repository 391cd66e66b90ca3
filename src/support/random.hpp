// Randomness for ids and jitter, from the operating system.
#pragma once

#include <cstddef>
#include <string>

namespace nullspace::inline v0::support {

// Lower-case UUID v4, 36 characters.
[[nodiscard]] std::string random_uuid();
// Lower-case hexadecimal digits.
[[nodiscard]] std::string random_hex(std::size_t digits);
// Uniform in [0, 1).
[[nodiscard]] double random_unit();

}  // namespace nullspace::inline v0::support

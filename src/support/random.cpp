#include "support/random.hpp"

#include <array>
#include <random>

namespace nullspace::inline v0::support {

namespace {

std::string random_digits(std::size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device source;
  std::string digits;
  digits.reserve(count);
  while (digits.size() < count) {
    unsigned bits = source();
    for (int nibble = 0; nibble < 8 && digits.size() < count; ++nibble, bits >>= 4U) {
      digits += kDigits[bits & 0xFU];
    }
  }
  return digits;
}

}  // namespace

std::string random_hex(std::size_t digits) {
  return random_digits(digits);
}

std::string random_uuid() {
  std::string digits = random_digits(32);
  digits[12] = '4';
  // The variant: the two top bits of this digit are 10.
  constexpr std::array<char, 4> kVariant{'8', '9', 'a', 'b'};
  digits[16] = kVariant[static_cast<unsigned char>(digits[16]) % kVariant.size()];
  for (const std::size_t dash : {20U, 16U, 12U, 8U})
    digits.insert(dash, 1, '-');
  return digits;
}

double random_unit() {
  std::random_device source;
  return std::generate_canonical<double, 32>(source);
}

}  // namespace nullspace::inline v0::support

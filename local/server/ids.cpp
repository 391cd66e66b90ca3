#include "local/server/ids.hpp"

#include <openssl/rand.h>

#include <cstdlib>
#include <vector>

namespace nullspace::local {

std::string random_hex(std::size_t bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::vector<unsigned char> random(bytes);
  // Guessable ids and tokens would be worse than no server.
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) std::abort();
  std::string text;
  text.reserve(2 * bytes);
  for (const unsigned char byte : random) {
    text.push_back(kDigits[byte >> 4U]);
    text.push_back(kDigits[byte & 0xFU]);
  }
  return text;
}

std::string new_id(std::string_view prefix) {
  return std::string(prefix) + random_hex(8);
}

}  // namespace nullspace::local

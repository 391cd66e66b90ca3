#include "local/server/webhook_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <climits>
#include <cstdlib>

namespace nullspace::local {

std::string webhook_signature(const Secret& secret, std::string_view body) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string_view key = secret.reveal();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // A request body is never that long, and an unsigned delivery would be worse than none.
  if (key.size() > INT_MAX || HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(body.data()), body.size(),
                                   digest.data(), &size) == nullptr) {
    std::abort();
  }
  std::string text = "sha256=";
  for (std::size_t i = 0; i < size; ++i) {
    text.push_back(kDigits[digest.at(i) >> 4U]);
    text.push_back(kDigits[digest.at(i) & 0xFU]);
  }
  return text;
}

}  // namespace nullspace::local

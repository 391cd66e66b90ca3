#include "wire/webhook_signature.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace nullspace::inline v0::wire {

namespace {

constexpr std::string_view kPrefix = "sha256=";
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kDigestSize = 32;

using Digest = std::array<unsigned char, kDigestSize>;

Digest hmac_sha256(std::string_view key, std::string_view message) {
  Digest digest{};
  unsigned int size = 0;
  const bool fits = key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
  // OpenSSL counts bytes as unsigned char; text is char.
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  if (!fits || HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, message.size(),
                    digest.data(), &size) == nullptr) {
    throw std::runtime_error("HMAC-SHA256 is not to be had");
  }
  return digest;
}

int digit_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Digest> parse_signature(std::string_view text) noexcept {
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  if (text.size() != 2 * kDigestSize) return std::nullopt;
  Digest digest{};
  for (std::size_t i = 0; i < kDigestSize; ++i) {
    const int high = digit_value(text[2 * i]);
    const int low = digit_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.at(i) = static_cast<unsigned char>(high * 16 + low);
  }
  return digest;
}

}  // namespace

std::string sign_webhook(const Secret& secret, std::string_view body) {
  std::string signature(kPrefix);
  for (const unsigned char byte : hmac_sha256(secret.reveal(), body)) {
    signature.push_back(kDigits[byte >> 4U]);
    signature.push_back(kDigits[byte & 15U]);
  }
  return signature;
}

SignatureMatch match_signature(std::string_view signature, std::span<const Secret> secrets,
                               std::string_view body) {
  const std::optional<Digest> given = parse_signature(signature);
  if (!given) return SignatureMatch::malformed;
  unsigned matches = 0;
  for (const Secret& secret : secrets) {
    const Digest expected = hmac_sha256(secret.reveal(), body);
    matches |= CRYPTO_memcmp(expected.data(), given->data(), kDigestSize) == 0 ? 1U : 0U;
  }
  return matches != 0 ? SignatureMatch::matches : SignatureMatch::differs;
}

}  // namespace nullspace::inline v0::wire

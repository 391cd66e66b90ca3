#include "local/server/auth.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdlib>

namespace nullspace::local {

KeyRing::KeyRing(const std::vector<Secret>& keys) {
  for (const Secret& key : keys)
    digests_.push_back(digest(key.reveal()));
}

// Digests are of one length, so that a comparison tells nothing about the key's.
KeyRing::Digest KeyRing::digest(std::string_view text) {
  Digest result{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), result.data(), &size, EVP_sha256(), nullptr) != 1) {
    std::abort();
  }
  return result;
}

std::optional<AccountId> KeyRing::account_of(const HttpRequest& request) const {
  const std::string_view header = request.header("authorization").value_or("");
  const std::size_t space = header.find(' ');
  const bool bearer =
      space != std::string_view::npos && lower_case(header.substr(0, space)) == "bearer";
  const Digest given = digest(bearer ? trim(header.substr(space + 1)) : std::string_view());
  std::optional<AccountId> account;
  for (std::size_t i = 0; i < digests_.size(); ++i) {
    if (CRYPTO_memcmp(given.data(), digests_[i].data(), given.size()) == 0 && bearer) account = i;
  }
  return account;
}

}  // namespace nullspace::local

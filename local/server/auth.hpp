#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <nullspace/secret.hpp>

#include "local/server/http_message.hpp"

namespace nullspace::local {

// Each API key is an account of its own.
using AccountId = std::size_t;

class KeyRing {
 public:
  explicit KeyRing(const std::vector<Secret>& keys);

  // The account of `Authorization: Bearer <key>`. Takes the same time for every wrong key.
  [[nodiscard]] std::optional<AccountId> account_of(const HttpRequest& request) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest(std::string_view text);

  std::vector<Digest> digests_;
};

}  // namespace nullspace::local

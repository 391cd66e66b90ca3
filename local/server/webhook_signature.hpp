#pragma once

#include <string>
#include <string_view>

#include <nullspace/secret.hpp>

namespace nullspace::local {

inline constexpr std::string_view kWebhookSignatureVersion = "v1";

// `sha256=` and the HMAC-SHA256 of the body as it is sent, in lower-case hex.
[[nodiscard]] std::string webhook_signature(const Secret& secret, std::string_view body);

}  // namespace nullspace::local

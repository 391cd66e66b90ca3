// How a webhook is signed: the one place that knows. Senders sign with it, receivers verify with
// it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <nullspace/secret.hpp>

namespace nullspace::inline v0::wire {

// --- the headers of a delivery ---

inline constexpr std::string_view kWebhookIdHeader = "x-nullspace-webhook-id";
inline constexpr std::string_view kDeliveryIdHeader = "x-nullspace-delivery-id";
inline constexpr std::string_view kEventIdHeader = "x-nullspace-event-id";
inline constexpr std::string_view kSignatureVersionHeader = "x-nullspace-signature-version";
inline constexpr std::string_view kSignatureHeader = "x-nullspace-signature";

// --- the scheme ---

inline constexpr std::string_view kSignatureVersion = "v1";

// `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the body's bytes, keyed with the
// secret's.
[[nodiscard]] std::string sign_webhook(const Secret& secret, std::string_view body);

enum class SignatureMatch { matches, malformed, differs };
// Whether one of the secrets made the signature. The prefix may be missing. Takes the same time
// wherever signatures differ and whichever secret it was.
[[nodiscard]] SignatureMatch match_signature(std::string_view signature,
                                             std::span<const Secret> secrets,
                                             std::string_view body);

}  // namespace nullspace::inline v0::wire

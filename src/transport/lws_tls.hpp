// The TLS side of a WebSocket client.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nullspace/client.hpp>

#include "support/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace nullspace::inline v0::transport {

using SslContext = std::shared_ptr<ssl_ctx_st>;

// TLS 1.2 or later, with the roots that the options name, else the system's (that takes tens of
// milliseconds).
[[nodiscard]] support::Result<SslContext> make_ssl_context(const TlsOptions& options);

// Why the handshake failed, as far as OpenSSL tells. `ssl` may be null.
[[nodiscard]] std::string describe_tls_failure(ssl_st* ssl);

// Whether the certificate of this (verified) connection is for that numeric address.
[[nodiscard]] bool certificate_names_address(ssl_st* ssl, const std::string& address);

}  // namespace nullspace::inline v0::transport

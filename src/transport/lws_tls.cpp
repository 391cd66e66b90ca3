#include "transport/lws_tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "support/error_info.hpp"

namespace nullspace::inline v0::transport {

namespace {

std::string newest_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason != nullptr ? reason : "unknown TLS error";
}

}  // namespace

support::Result<SslContext> make_ssl_context(const TlsOptions& options) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context) return support::transport_error("TLS is not available: " + newest_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION);
  // libwebsockets repeats a write from another place in memory.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (!options.ca_file.empty() &&
      SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) != 1) {
    return support::transport_error("cannot load the trusted roots from " + options.ca_file + ": " +
                                    newest_error());
  }
  if (!options.ca_directory.empty() &&
      SSL_CTX_load_verify_locations(context.get(), nullptr, options.ca_directory.c_str()) != 1) {
    return support::transport_error("cannot use the directory of trusted roots " +
                                    options.ca_directory + ": " + newest_error());
  }
  if (options.verify && options.ca_file.empty() && options.ca_directory.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  }
  return context;
}

std::string describe_tls_failure(ssl_st* ssl) {
  if (ssl != nullptr) {
    const long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK) {
      return std::string("the server's certificate is not accepted: ") +
             X509_verify_cert_error_string(verified);
    }
  }
  const unsigned long error = ERR_peek_last_error();
  const char* reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
  return reason != nullptr ? std::string("the TLS handshake failed: ") + reason
                           : "the TLS handshake failed";
}

bool certificate_names_address(ssl_st* ssl, const std::string& address) {
  if (ssl == nullptr) return false;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get_peer_certificate(ssl),
                                                                X509_free);
  return certificate && X509_check_ip_asc(certificate.get(), address.c_str(), 0) == 1;
}

}  // namespace nullspace::inline v0::transport

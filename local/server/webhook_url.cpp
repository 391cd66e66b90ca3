#include "local/server/webhook_url.hpp"

#include "transport/url.hpp"

namespace nullspace::local {

std::optional<ApiError> refuse_webhook_url(std::string_view url) {
  const auto parsed = transport::parse_url(url);
  if (!parsed) return invalid_request("url: " + parsed.error().message);
  if (parsed->scheme == "https") return std::nullopt;
  if (parsed->scheme == "http" && transport::is_loopback_host(parsed->host)) return std::nullopt;
  return invalid_request("url: expected an https URL, or an http URL of this machine");
}

}  // namespace nullspace::local

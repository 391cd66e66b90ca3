#include "transport/url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "support/error_info.hpp"

namespace nullspace::inline v0::transport {

namespace {

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::uint16_t default_port(std::string_view scheme) noexcept {
  return scheme == "https" || scheme == "wss" ? 443 : 80;
}

bool is_ipv6_literal(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// Letters, digits, '-', '.', '_': names and IPv4 literals. Anything else is a trick or must be
// punycode.
bool is_host_name(std::string_view host) noexcept {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > 65535)
    return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

support::Result<Url> refused(const char* why) {
  return support::invalid_request(std::string("invalid URL: ") + why);
}

}  // namespace

bool Url::secure() const noexcept {
  return scheme == "https" || scheme == "wss";
}

bool Url::has_default_port() const noexcept {
  return port == default_port(scheme);
}

std::string Url::host_header() const {
  std::string header = host.find(':') == std::string::npos ? host : '[' + host + ']';
  if (!has_default_port()) header += ':' + std::to_string(port);
  return header;
}

std::string Url::to_string() const {
  return scheme + "://" + host_header() + target;
}

support::Result<Url> parse_url(std::string_view text) {
  for (const char c : text) {
    if (c <= 0x20 || c >= 0x7F)
      return refused("blanks, control characters and non-ASCII must be percent-encoded");
    if (c == '\\') return refused("a backslash must be percent-encoded");
    if (c == '#') return refused("it has a fragment");
  }
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return refused("it has no scheme");
  Url url;
  url.scheme = to_lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https" && url.scheme != "ws" && url.scheme != "wss") {
    return refused("the scheme must be http, https, ws or wss");
  }

  const std::string_view rest = text.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  const std::string_view target = rest.substr(authority_end);
  if (authority.find('@') != std::string_view::npos)
    return refused("it holds a user name or a password");

  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos)
      return refused("the IPv6 literal has no closing bracket");
    url.host = to_lower(authority.substr(1, bracket - 1));
    if (!is_ipv6_literal(url.host)) return refused("there is no IPv6 address between the brackets");
    port = authority.substr(bracket + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = to_lower(authority.substr(0, colon));
    if (!is_host_name(url.host)) return refused("the host is missing or not a host name");
    port = authority.substr(colon);
  }
  if (port.empty()) {
    url.port = default_port(url.scheme);
  } else {
    const auto number = port.starts_with(':') ? parse_port(port.substr(1)) : std::nullopt;
    if (!number) return refused("the port is not a number from 1 to 65535");
    url.port = *number;
  }

  if (!target.starts_with('/')) url.target = '/';
  url.target += target;
  return url;
}

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::string name = to_lower(host);
  std::array<unsigned char, 16> address{};
  if (inet_pton(AF_INET, name.c_str(), address.data()) == 1) return address[0] == 127;
  if (inet_pton(AF_INET6, name.c_str(), address.data()) == 1) {
    constexpr std::array<unsigned char, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0,
                                                      0, 0, 0, 0, 0, 0, 0, 1};
    constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    return address == kLoopback ||
           (std::equal(kMapped.begin(), kMapped.end(), address.begin()) && address[12] == 127);
  }
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || name.ends_with(".localhost");
}

std::string to_websocket_url(std::string_view http_url) {
  const std::string scheme = to_lower(http_url.substr(0, http_url.find("://")));
  if (scheme == "http" || scheme == "https") {
    return (scheme == "http" ? "ws" : "wss") + std::string(http_url.substr(scheme.size()));
  }
  return std::string(http_url);
}

}  // namespace nullspace::inline v0::transport

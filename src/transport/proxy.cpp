#include "transport/proxy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <initializer_list>

#include "support/error_info.hpp"

namespace nullspace::inline v0::transport {

namespace {

using Names = std::initializer_list<const char*>;

// Upper-case HTTP_PROXY is left out on purpose, as curl does: a CGI program gets it from the Proxy
// header of a request.
constexpr std::array kVariables{"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

std::string_view first_set(const Environment& environment, Names names) {
  for (const char* name : names) {
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) return found->second;
  }
  return {};
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

using AddressBytes = std::array<unsigned char, 16>;

// Length of the address in bytes, 0 when the text is none.
std::size_t parse_address(const std::string& text, AddressBytes& bytes) {
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return 4;
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return 16;
  return 0;
}

bool address_matches(const AddressBytes& host, std::size_t size, std::string_view entry) {
  std::size_t bits = size * 8;
  const std::size_t slash = entry.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view digits = entry.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > size * 8)
      return false;
    entry = entry.substr(0, slash);
  }
  if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
  AddressBytes network{};
  if (parse_address(std::string(entry), network) != size) return false;
  for (std::size_t i = 0; i < size && bits > 0; ++i) {
    const std::size_t here = std::min<std::size_t>(bits, 8);
    const auto mask = static_cast<unsigned char>(0xFFU << (8 - here));
    if (((host[i] ^ network[i]) & mask) != 0) return false;
    bits -= here;
  }
  return true;
}

bool name_matches(std::string_view host, std::string_view entry) {
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.ends_with('.')) entry.remove_suffix(1);
  if (entry.empty()) return false;
  return host == entry || (host.size() > entry.size() && host.ends_with(entry) &&
                           host[host.size() - entry.size() - 1] == '.');
}

bool is_exempt(std::string_view host, std::string_view list) {
  if (host.ends_with('.')) host.remove_suffix(1);
  AddressBytes address{};
  const std::size_t size = parse_address(std::string(host), address);
  std::size_t position = 0;
  while (position < list.size()) {
    const std::size_t begin = list.find_first_not_of(", \t", position);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(list.find_first_of(", \t", begin), list.size());
    const std::string entry = to_lower(list.substr(begin, end - begin));
    position = end;
    if (entry == "*") return true;
    if (size > 0 ? address_matches(address, size, entry) : name_matches(host, entry)) return true;
  }
  return false;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

}  // namespace

Environment read_proxy_environment() {
  Environment environment;
  for (const char* name : kVariables) {
    if (const char* value = std::getenv(name); value != nullptr) environment.emplace(name, value);
  }
  return environment;
}

std::string choose_proxy(const Url& url, const std::optional<std::string>& configured,
                         const Environment& environment) {
  if (configured) return *configured;
  if (is_loopback_host(url.host)) return {};
  std::string_view proxy = url.secure() ? first_set(environment, {"https_proxy", "HTTPS_PROXY"})
                                        : first_set(environment, {"http_proxy"});
  if (proxy.empty()) proxy = first_set(environment, {"all_proxy", "ALL_PROXY"});
  if (proxy.empty() || is_exempt(url.host, first_set(environment, {"no_proxy", "NO_PROXY"})))
    return {};
  return std::string(proxy);
}

std::string Proxy::address() const {
  const bool literal = host.find(':') != std::string::npos;
  return scheme + "://" + (literal ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

support::Result<Proxy> parse_proxy(std::string_view text) {
  const auto refused = [](const char* why) {
    return support::invalid_request(std::string("invalid proxy: ") + why);
  };
  Proxy proxy;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end != std::string_view::npos) {
    proxy.scheme = to_lower(text.substr(0, scheme_end));
    text.remove_prefix(scheme_end + 3);
  }
  constexpr std::array kSchemes{"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
  if (std::find(kSchemes.begin(), kSchemes.end(), proxy.scheme) == kSchemes.end()) {
    return refused("the scheme must be http, https, socks4, socks4a, socks5 or socks5h");
  }
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = text.substr(0, at);
    const std::size_t colon = std::min(login.find(':'), login.size());
    proxy.user = percent_decoded(login.substr(0, colon));
    if (colon < login.size()) proxy.password = percent_decoded(login.substr(colon + 1));
    text.remove_prefix(at + 1);
    for (const std::string& part : {proxy.user, proxy.password}) {
      if (std::any_of(part.begin(), part.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
        return refused("the login holds control characters");
      }
    }
  }
  // The rest is what a URL has between scheme and path.
  const std::string_view authority =
      text.substr(0, std::min(text.find_first_of("/?#"), text.size()));
  const auto url = parse_url("http://" + std::string(authority));
  if (!url) return refused("it is not of the form http://[user:password@]host[:port]");
  proxy.host = url->host;
  const std::size_t bracket = authority.rfind(']');
  const bool has_port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
                        std::string_view::npos;
  proxy.port = has_port ? url->port : (proxy.scheme == "https" ? 443 : 1080);
  return proxy;
}

}  // namespace nullspace::inline v0::transport

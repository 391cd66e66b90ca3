#include "local/server/host_guard.hpp"

#include <arpa/inet.h>

#include <string>

#include "local/server/http_message.hpp"

namespace nullspace::local {

bool is_loopback_host(std::string_view host) {
  std::string name;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    name = host.substr(1, end - 1);
  } else if (host.find(':') != host.rfind(':')) {
    name = host;  // a bare IPv6 address
  } else {
    name = lower_case(host.substr(0, host.find(':')));
  }
  if (name.ends_with('.')) name.pop_back();
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return false;
}

}  // namespace nullspace::local

// The server of the environment behind a proxy that can turn into a black hole.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nullspace/nullspace.hpp>

#include "tests/support/tcp_proxy.hpp"

namespace bench {

inline std::uint16_t port_of(std::string_view url) {
  const std::string_view digits = url.substr(url.rfind(':') + 1);
  std::uint16_t port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (port == 0) throw std::runtime_error("no port in NULLSPACE_API_URL");
  return port;
}

inline std::unique_ptr<nullspace::tests::TcpProxy> proxy_to(const std::string& url) {
  return std::make_unique<nullspace::tests::TcpProxy>(
      nullspace::tests::TcpProxy::Options{.target_port = port_of(url)});
}

inline nullspace::ClientOptions options_through(const nullspace::tests::TcpProxy& proxy) {
  nullspace::ClientOptions options;
  options.api_key = nullspace::Secret(std::getenv("NULLSPACE_API_KEY"));
  options.base_url = proxy.url();
  options.proxy = "";
  return options;
}

}  // namespace bench

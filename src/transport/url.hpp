// Absolute http, https, ws and wss URLs, taken apart strictly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/result.hpp"

namespace nullspace::inline v0::transport {

struct Url {
  // Lower case: http, https, ws or wss.
  std::string scheme{};
  // Lower case, an IPv6 literal without its brackets.
  std::string host{};
  std::uint16_t port{0};
  // Path and query as they go into the request line; starts with '/'.
  std::string target{};

  [[nodiscard]] bool secure() const noexcept;
  [[nodiscard]] bool has_default_port() const noexcept;
  // `host`, `host:port`, `[v6]`, `[v6]:port`: without the port when it is the scheme's own.
  [[nodiscard]] std::string host_header() const;
  [[nodiscard]] std::string to_string() const;
};

// Refuses what has no business in the URL of an API: user names and passwords, fragments, blanks,
// control characters, bytes above 0x7E, backslashes, empty hosts, ports outside 1..65535. The text
// of a refused URL is not repeated in the error.
[[nodiscard]] support::Result<Url> parse_url(std::string_view text);

// 127.0.0.0/8, ::1, their v4-mapped form, `localhost` and names below it. Takes a host with or
// without brackets.
[[nodiscard]] bool is_loopback_host(std::string_view host);

// `http://h/p` to `ws://h/p`, `https://h/p` to `wss://h/p`; what follows the scheme is kept as it
// is.
[[nodiscard]] std::string to_websocket_url(std::string_view http_url);

}  // namespace nullspace::inline v0::transport

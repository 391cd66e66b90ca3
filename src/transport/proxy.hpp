// Which proxy a connection goes through. One rule for both stacks, the one users know from curl.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "support/result.hpp"
#include "transport/url.hpp"

namespace nullspace::inline v0::transport {

using Environment = std::map<std::string, std::string, std::less<>>;

// The variables this room looks at, as they are now. Not thread-safe against setenv().
[[nodiscard]] Environment read_proxy_environment();

// The proxy for `url` as it was written, "" for none.
// `configured` (ClientOptions::proxy) decides alone when it is set; "" is no proxy. Else, for http
// and ws: `http_proxy`; for https and wss: `https_proxy`, `HTTPS_PROXY`; then `all_proxy`,
// `ALL_PROXY`; none for loopback hosts and for those that `no_proxy` or `NO_PROXY` names: `*`,
// names with all below them, addresses and CIDR blocks, parted by commas or blanks.
[[nodiscard]] std::string choose_proxy(const Url& url, const std::optional<std::string>& configured,
                                       const Environment& environment);

// A proxy taken apart, so that its password stays out of every message.
struct Proxy {
  // http, https, socks4, socks4a, socks5 or socks5h.
  std::string scheme{"http"};
  std::string host{};
  std::uint16_t port{0};
  // Percent-decoded.
  std::string user{};
  std::string password{};

  // `scheme://host:port`
  [[nodiscard]] std::string address() const;
};

// Without a scheme it is http; without a port 1080, as curl has it (443 for https). The error does
// not repeat the text.
[[nodiscard]] support::Result<Proxy> parse_proxy(std::string_view text);

}  // namespace nullspace::inline v0::transport

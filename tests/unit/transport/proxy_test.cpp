#include "transport/proxy.hpp"

#include <optional>
#include <string>

#include "tests/support/catch.hpp"

using nullspace::transport::choose_proxy;
using nullspace::transport::Environment;
using nullspace::transport::parse_proxy;
using nullspace::transport::parse_url;

namespace {

std::string chosen(const char* url, const Environment& environment,
                   const std::optional<std::string>& configured = {}) {
  return choose_proxy(*parse_url(url), configured, environment);
}

}  // namespace

TEST_CASE("each scheme has its variable") {
  const Environment environment{{"http_proxy", "http://plain:1"}, {"https_proxy", "http://tls:2"}};
  CHECK(chosen("http://h.test/", environment) == "http://plain:1");
  CHECK(chosen("ws://h.test/", environment) == "http://plain:1");
  CHECK(chosen("https://h.test/", environment) == "http://tls:2");
  CHECK(chosen("wss://h.test/", environment) == "http://tls:2");
}

TEST_CASE("lower case comes first, upper case serves all but http, all_proxy the rest") {
  CHECK(chosen("https://h.test/", {{"HTTPS_PROXY", "up"}, {"https_proxy", "low"}}) == "low");
  CHECK(chosen("https://h.test/", {{"HTTPS_PROXY", "up"}}) == "up");
  CHECK(chosen("http://h.test/", {{"HTTP_PROXY", "set-by-a-cgi-client"}}).empty());
  CHECK(chosen("http://h.test/", {{"all_proxy", "all"}}) == "all");
  CHECK(chosen("https://h.test/", {{"ALL_PROXY", "all"}, {"https_proxy", ""}}) == "all");
  CHECK(chosen("https://h.test/", {}).empty());
}

TEST_CASE("loopback hosts are never proxied by the environment") {
  const Environment environment{
      {"http_proxy", "p:1"}, {"https_proxy", "p:1"}, {"all_proxy", "p:1"}};
  for (const char* url :
       {"http://127.0.0.1:3000/", "ws://localhost/", "https://[::1]/", "wss://x.localhost/"}) {
    CAPTURE(url);
    CHECK(chosen(url, environment).empty());
  }
}

TEST_CASE("the configured proxy decides alone") {
  const Environment environment{{"https_proxy", "env:1"}, {"no_proxy", "*"}};
  CHECK(chosen("https://h.test/", environment, "mine:2") == "mine:2");
  CHECK(chosen("http://127.0.0.1/", environment, "mine:2") == "mine:2");
  CHECK(chosen("https://h.test/", {{"https_proxy", "env:1"}}, "").empty());
}

TEST_CASE("no_proxy") {
  const auto proxied = [](const char* url, const char* list) {
    return !chosen(url, {{"http_proxy", "p:1"}, {"no_proxy", list}}).empty();
  };
  CHECK_FALSE(proxied("http://h.test/", "*"));
  CHECK_FALSE(proxied("http://h.test/", "a.test, h.test"));
  CHECK_FALSE(proxied("http://h.test/", "a.test h.test"));
  CHECK_FALSE(proxied("http://H.TEST/", "h.Test"));
  CHECK_FALSE(proxied("http://sub.h.test/", "h.test"));
  CHECK_FALSE(proxied("http://sub.h.test/", ".h.test"));
  CHECK_FALSE(proxied("http://h.test/", ".h.test"));
  CHECK_FALSE(proxied("http://h.test./", "h.test"));
  CHECK_FALSE(proxied("http://h.test/", "h.test."));
  CHECK_FALSE(proxied("http://10.1.2.3/", "10.0.0.0/8"));
  CHECK_FALSE(proxied("http://10.1.2.3/", "10.1.2.3"));
  CHECK_FALSE(proxied("http://[2001:db8::1]/", "2001:db8::/32"));
  CHECK_FALSE(proxied("http://[2001:db8::1]/", "[2001:db8::1]"));
  CHECK(proxied("http://nothh.test/", "h.test"));
  CHECK(proxied("http://h.test.evil/", "h.test"));
  CHECK(proxied("http://11.1.2.3/", "10.0.0.0/8"));
  CHECK(proxied("http://10.1.2.3/", "10.1.2.0/33"));
  CHECK(proxied("http://10.1.2.3/", "10.1.2.0/x"));
  CHECK(proxied("http://10.1.2.3/", "2.3"));
  CHECK(proxied("http://h.test/", ""));
  CHECK(proxied("http://h.test/", " , ,"));
  CHECK_FALSE(chosen("http://h.test/", {{"http_proxy", "p:1"}, {"NO_PROXY", "other"}}).empty());
}

TEST_CASE("a proxy is taken apart") {
  const auto plain = parse_proxy("http://proxy.test:3128");
  REQUIRE(plain);
  CHECK(plain->address() == "http://proxy.test:3128");
  CHECK(plain->user.empty());

  const auto full = parse_proxy("https://me:p%40ss:x@[::1]:8080/ignored");
  REQUIRE(full);
  CHECK(full->scheme == "https");
  CHECK(full->host == "::1");
  CHECK(full->port == 8080);
  CHECK(full->user == "me");
  CHECK(full->password == "p@ss:x");
  CHECK(full->address() == "https://[::1]:8080");

  CHECK(parse_proxy("proxy.test")->address() == "http://proxy.test:1080");
  CHECK(parse_proxy("proxy.test:80")->port == 80);
  CHECK(parse_proxy("https://proxy.test")->port == 443);
  CHECK(parse_proxy("socks5h://s.test:9050")->scheme == "socks5h");
}

TEST_CASE("a bad proxy is refused without repeating its password") {
  for (const char* text : {"", "ftp://h:1", "http://", "http://u:hunter2@",
                           "http://u:hunter2@h:99999", "http://u%0Ax:hunter2@h:1"}) {
    CAPTURE(text);
    const auto proxy = parse_proxy(text);
    REQUIRE_FALSE(proxy);
    CHECK(proxy.error().message.find("hunter2") == std::string::npos);
  }
}

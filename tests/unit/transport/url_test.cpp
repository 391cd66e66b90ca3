#include "transport/url.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::transport::is_loopback_host;
using nullspace::transport::parse_url;
using nullspace::transport::to_websocket_url;

TEST_CASE("a URL is taken apart") {
  const auto url = parse_url("HTTPS://API.Example.test:8443/v1/x%20y?a=b&c=%2F");
  REQUIRE(url);
  CHECK(url->scheme == "https");
  CHECK(url->host == "api.example.test");
  CHECK(url->port == 8443);
  CHECK(url->target == "/v1/x%20y?a=b&c=%2F");
  CHECK(url->secure());
  CHECK_FALSE(url->has_default_port());
  CHECK(url->host_header() == "api.example.test:8443");
  CHECK(url->to_string() == "https://api.example.test:8443/v1/x%20y?a=b&c=%2F");
}

TEST_CASE("ports have defaults and paths begin with a slash") {
  CHECK(parse_url("http://h")->port == 80);
  CHECK(parse_url("ws://h")->port == 80);
  CHECK(parse_url("https://h")->port == 443);
  CHECK(parse_url("wss://h:443")->host_header() == "h");
  CHECK(parse_url("http://h")->target == "/");
  CHECK(parse_url("http://h?q=1")->target == "/?q=1");
  CHECK(parse_url("http://h:80/")->to_string() == "http://h/");
}

TEST_CASE("IPv6 literals keep their brackets only where they are needed") {
  const auto url = parse_url("ws://[::1]:3000/x");
  REQUIRE(url);
  CHECK(url->host == "::1");
  CHECK(url->port == 3000);
  CHECK(url->host_header() == "[::1]:3000");
  CHECK(parse_url("wss://[2001:DB8::7]")->host_header() == "[2001:db8::7]");
}

TEST_CASE("what is no API URL is refused, and the refusal does not repeat it") {
  const std::string_view text =
      GENERATE("", "h", "/v1", "http:/h", "ftp://h", "file:///etc/passwd", "http://", "http:///x",
               "http://?x", "http://:80", "http://user@h/", "http://user:hunter2@h/",
               "http://h/#part", "http://h:0", "http://h:65536", "http://h:8x",
               "http://h:", "http://h:-1", "http://h:99999999999999999999", "http://[::1",
               "http://[::g]/", "http://[]/", "http://[::1]x/", "http://[127.0.0.1]/", "http://h /",
               "http://h/a b", "http://h/\r\nX: y", "http://h/\t", "http://h\\@evil/",
               "http://h/\xC3\xA9", "http://h%2Fevil/", "http://exa$mple/", "javascript://h/%0A");
  CAPTURE(text);
  const auto url = parse_url(text);
  REQUIRE_FALSE(url);
  CHECK(url.error().code == "invalid_request");
  CHECK(url.error().message.find("hunter2") == std::string::npos);
  CHECK_FALSE(parse_url(std::string("http://h/\0x", 11)));
}

TEST_CASE("loopback hosts") {
  for (const char* host : {"localhost", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1",
                           "127.8.9.10", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
  for (const char* host : {"", "localhost.example.test", "notlocalhost", "127.0.0.1.example.test",
                           "128.0.0.1", "0.0.0.0", "::2", "::", "127.1", "2130706433", "0x7f.0.0.1",
                           "::ffff:128.0.0.1", "example.test", "[::1"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}

TEST_CASE("the WebSocket form of an HTTP URL keeps all that follows the scheme") {
  CHECK(to_websocket_url("http://h:3000/api") == "ws://h:3000/api");
  CHECK(to_websocket_url("https://h/api/v1/monitor/ws?x=1") == "wss://h/api/v1/monitor/ws?x=1");
  CHECK(to_websocket_url("HTTPS://h") == "wss://h");
  CHECK(to_websocket_url("wss://h/x") == "wss://h/x");
}

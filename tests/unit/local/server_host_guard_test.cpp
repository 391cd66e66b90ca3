#include "local/server/host_guard.hpp"

#include "tests/support/catch.hpp"

using nullspace::local::is_loopback_host;

TEST_CASE("names and addresses of this machine are let in") {
  for (const char* host :
       {"localhost", "LOCALHOST:3000", "app.localhost", "localhost.", "127.0.0.1", "127.8.9.1:80",
        "[::1]", "[::1]:3000", "::1", "[::ffff:127.0.0.1]:1"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
}

TEST_CASE("everything else is not") {
  for (const char* host :
       {"", "example.com", "localhost.example.com", "127.0.0.1.example.com", "notlocalhost",
        "10.0.0.1", "0.0.0.0", "[::2]:1", "[::1", "128.0.0.1", "2130706433"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}

#include "local/server/webhook_signature.hpp"

#include "tests/support/catch.hpp"

using nullspace::Secret;
using nullspace::local::webhook_signature;

// RFC 4231, test cases 2 and 6.
TEST_CASE("the signature is an HMAC-SHA256 in hex") {
  CHECK(webhook_signature("Jefe", "what do ya want for nothing?") ==
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(webhook_signature(std::string(131, '\xaa'),
                          "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("every byte of key and body counts") {
  using namespace std::string_literals;
  CHECK(webhook_signature("key", "body"s + '\0') != webhook_signature("key", "body"));
  CHECK(webhook_signature("key"s + '\0' + "x", "body") !=
        webhook_signature("key"s + '\0' + "y", "body"));
  CHECK(webhook_signature("key", "").size() == 7 + 64);
}

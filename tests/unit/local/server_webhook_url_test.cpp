#include "local/server/webhook_url.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::local::refuse_webhook_url;

TEST_CASE("https goes anywhere, http stays on this machine") {
  for (const char* url :
       {"https://hooks.example.test/ns", "https://10.0.0.1:8443/", "http://127.0.0.1:9000/hook",
        "http://localhost:9000/hook?x=1", "http://[::1]:9000/"}) {
    INFO(url);
    CHECK_FALSE(refuse_webhook_url(url));
  }
  for (const char* url :
       {"", "hook", "/hook", "http://hooks.example.test/", "http://127.0.0.1.example.test/",
        "http://localhost@example.test/", "https://user:password@example.test/", "ftp://127.0.0.1/",
        "ws://127.0.0.1/", "file:///etc/passwd", "https://", "https://example.test:99999/",
        "https://example.test/\r\nX-Header: 1", "https://example.test/a b"}) {
    INFO(url);
    const auto refusal = refuse_webhook_url(url);
    REQUIRE(refusal);
    CHECK(refusal->status == 400);
    CHECK(refusal->code == "invalid_request");
  }
}

TEST_CASE("a refusal does not repeat what may be a secret") {
  const auto refusal = refuse_webhook_url("http://hooks.example.test/tok_12345");
  REQUIRE(refusal);
  CHECK(refusal->message.find("tok_12345") == std::string::npos);
}

#include <nullspace/secret.hpp>

#include <sstream>
#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

using nullspace::Secret;

TEST_CASE("a secret does not print itself") {
  const Secret secret("ns_live_1");
  std::ostringstream out;
  out << secret;
  CHECK(out.str() == "***");
  CHECK(to_string(secret) == "***");
  CHECK(secret.reveal() == "ns_live_1");
}

TEST_CASE("an empty secret looks like any other") {
  const Secret secret;
  CHECK(secret.empty());
  CHECK(to_string(secret) == "***");
  CHECK(Secret(static_cast<const char*>(nullptr)).empty());
}

TEST_CASE("secrets compare by their text") {
  CHECK(Secret("a") == Secret(std::string("a")));
  CHECK(Secret(std::string_view("abc")) == Secret("abc"));
  CHECK(Secret("abc") != Secret("abd"));
  CHECK(Secret("abc") != Secret("bbc"));
  CHECK(Secret("abc") != Secret("ab"));
  CHECK(Secret(std::string("a\0b", 3)) != Secret(std::string("a\0c", 3)));
  CHECK(Secret() == Secret(""));
}

#include "local/server/url.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using nullspace::local::parse_target;
using nullspace::local::percent_decode;
using Segments = std::vector<std::string>;

TEST_CASE("an encoded slash stays inside its segment and dots mean nothing") {
  CHECK(parse_target("/v1/a%2Fb/..")->segments == Segments{"v1", "a/b", ".."});
  CHECK(parse_target("/v1/%2e%2e/x")->segments == Segments{"v1", "..", "x"});
  CHECK(parse_target("/v1//x")->segments == Segments{"v1", "", "x"});
  CHECK(parse_target("/v1/x/")->segments == Segments{"v1", "x"});
  CHECK(parse_target("/a+b")->segments == Segments{"a+b"});
  CHECK(parse_target("/a%00b")->segments == Segments{std::string("a\0b", 3)});
}

TEST_CASE("a query is decoded both ways that clients encode it") {
  const auto target = parse_target("/x?a=1+2&b=1%202&c=%2B&d&=e&a=3");
  REQUIRE(target);
  CHECK(target->query.at("a") == "3");
  CHECK(target->query.at("b") == "1 2");
  CHECK(target->query.at("c") == "+");
  CHECK(target->query.at("d").empty());
  CHECK(target->query_text == "a=1+2&b=1%202&c=%2B&d&=e&a=3");
  CHECK(target->has_query);
  CHECK_FALSE(parse_target("/x")->has_query);
}

TEST_CASE("wrong escapes are refused") {
  for (const char* text : {"/%", "/%4", "/%4x", "/%x4", "/a?b=%", "x", ""}) {
    CAPTURE(text);
    CHECK_FALSE(parse_target(text));
  }
  CHECK(percent_decode("%41%7a", false) == "Az");
}

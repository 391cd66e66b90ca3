#include "transport/header_check.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::HttpHeaders;
using nullspace::transport::equal_without_case;
using nullspace::transport::find_header_fault;
using nullspace::transport::is_token;

TEST_CASE("header lines that can be written") {
  CHECK_FALSE(find_header_fault({}));
  CHECK_FALSE(find_header_fault({{"Authorization", "Bearer ns_live_x"},
                                 {"X-Empty", ""},
                                 {"x-tab", "a\tb"},
                                 {"x-high", "\xC3\xA9"}}));
}

TEST_CASE("header lines that would become others") {
  using namespace std::string_literals;
  for (const std::string& value : {"secret\r\nX-Evil: 1"s, "secret\n"s, "secret\r"s, "secret\0"s,
                                   "secret\x7F"s, "secret\x1B"s}) {
    const auto fault = find_header_fault({{"Authorization", value}});
    REQUIRE(fault);
    CHECK(fault->find("secret") == std::string::npos);
  }
  for (const std::string& name : {""s, "a b"s, "a:"s, "a\r\n"s, "a\0b"s, "\xC3\xA9"s})
    CHECK(find_header_fault({{name, "v"}}));
}

TEST_CASE("tokens") {
  CHECK(is_token("PATCH"));
  CHECK_FALSE(is_token(""));
  CHECK_FALSE(is_token("GET /x"));
  CHECK(equal_without_case("Content-Type", "content-TYPE"));
  CHECK_FALSE(equal_without_case("Content-Type", "content-typ"));
}

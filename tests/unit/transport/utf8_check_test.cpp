#include "transport/utf8_check.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::transport::is_utf8;

TEST_CASE("text is text wherever its characters fall") {
  const std::string_view character =
      GENERATE("a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
               "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF");
  for (std::size_t before = 0; before < 20; ++before) {
    for (std::size_t after = 0; after < 20; ++after) {
      REQUIRE(is_utf8(std::string(before, 'x') + std::string(character) + std::string(after, 'y')));
    }
  }
}

TEST_CASE("what is no text is none wherever it falls") {
  const std::string_view broken = GENERATE(
      "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2",
      "\xC2"
      "A",
      "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE1\x80",
      "\xE1\x80"
      "A",
      "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF1\x80\x80", "\xFE", "\xFF");
  for (std::size_t before = 0; before < 20; ++before) {
    for (std::size_t after = 0; after < 20; ++after) {
      REQUIRE_FALSE(
          is_utf8(std::string(before, 'x') + std::string(broken) + std::string(after, 'y')));
    }
  }
  CHECK(is_utf8(""));
  CHECK(is_utf8(std::string(3, '\0')));
}

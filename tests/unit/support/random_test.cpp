#include "support/random.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

namespace support = nullspace::support;

namespace {

// x: a digit, y: one that begins with the bits 10.
bool is_uuid_v4(std::string_view text) {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view allowed = kForm[i] == 'x'   ? "0123456789abcdef"
                                     : kForm[i] == 'y' ? "89ab"
                                                       : kForm.substr(i, 1);
    if (allowed.find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a UUID is a lower-case version 4 one, and never the same") {
  std::set<std::string> seen;
  std::set<char> variants;
  for (int i = 0; i < 500; ++i) {
    const std::string uuid = support::random_uuid();
    CAPTURE(uuid);
    REQUIRE(is_uuid_v4(uuid));
    seen.insert(uuid);
    variants.insert(uuid[19]);
  }
  CHECK(seen.size() == 500);
  CHECK(variants.size() == 4);
}

TEST_CASE("hexadecimal digits, as many as asked for") {
  for (const std::size_t digits : {0U, 1U, 7U, 8U, 9U, 33U}) {
    const std::string text = support::random_hex(digits);
    CHECK(text.size() == digits);
    CHECK(text.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
  CHECK(support::random_hex(16) != support::random_hex(16));
}

TEST_CASE("a unit number is below one") {
  double lowest = 1;
  double highest = 0;
  for (int i = 0; i < 500; ++i) {
    const double unit = support::random_unit();
    REQUIRE(unit >= 0.0);
    REQUIRE(unit < 1.0);
    lowest = std::min(lowest, unit);
    highest = std::max(highest, unit);
  }
  CHECK(lowest < 0.2);
  CHECK(highest > 0.8);
}

#include "wire/config_file.hpp"

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

using nullspace::wire::parse_config_file;

TEST_CASE("config_file: the values that count") {
  const auto values = parse_config_file(R"({
  "api_key": " ns_live_8c1f ",
  "base_url": "https://api.example.test",
  "api_url": "https://old.example.test",
  "other": "x"
})");
  CHECK(values.size() == 3);
  CHECK(values.at("api_key") == "ns_live_8c1f");
  CHECK(values.at("base_url") == "https://api.example.test");
  CHECK(values.at("api_url") == "https://old.example.test");
}

TEST_CASE("config_file: blank values and wrong types do not count") {
  CHECK(parse_config_file(R"({"api_key": "  ", "base_url": 7, "api_url": null})").empty());
  CHECK(parse_config_file(R"({"api_key": ["x"], "base_url": {}})").empty());
  // One bad value does not spoil the others.
  CHECK(parse_config_file(R"({"api_key": 7, "base_url": "http://localhost:1"})").size() == 1);
}

TEST_CASE("config_file: a broken file is an empty one") {
  for (const std::string_view text :
       {"", "null", "[]", "\"x\"", "7", "{", R"({"api_key": "x")", "not json"}) {
    CHECK(parse_config_file(text).empty());
  }
  CHECK(parse_config_file(nullspace::test::nested("[", "]", 100'000)).empty());
}

#include <nullspace/json.hpp>

#include <cstdint>
#include <limits>
#include <string>

#include <nullspace/error.hpp>

#include "tests/support/catch.hpp"

using nullspace::Json;

TEST_CASE("a value knows what it is, and nothing else") {
  CHECK(Json().is_null());
  CHECK(Json(nullptr).is_null());
  CHECK(Json(true).as_bool() == true);
  CHECK_FALSE(Json(true).as_int());
  CHECK(Json(7).as_int() == 7);
  CHECK(Json(7).as_double() == 7.0);
  CHECK_FALSE(Json(7).as_bool());
  CHECK_FALSE(Json(7.5).as_int());
  CHECK(Json("text").as_string() == "text");
  CHECK_FALSE(Json("7").as_int());
  CHECK(Json(Json::Array{1, 2}).array().size() == 2);
  CHECK(Json(Json::Array{1, 2}).object().empty());
  CHECK(Json(Json::Object{{"a", 1}}).array().empty());
}

TEST_CASE("numbers keep 64 bits") {
  CHECK(Json(std::numeric_limits<std::int64_t>::max()).as_int() == INT64_MAX);
  CHECK(Json(std::numeric_limits<std::int64_t>::min()).as_int() == INT64_MIN);
  CHECK(Json::parse("9223372036854775807").as_int() == INT64_MAX);
  CHECK(Json::parse(Json(INT64_MIN).dump()).as_int() == INT64_MIN);
  // Above the signed range it is a double.
  CHECK_FALSE(Json(std::numeric_limits<std::uint64_t>::max()).as_int());
  CHECK(Json(std::numeric_limits<std::uint64_t>::max()).as_double() == 18446744073709551615.0);
}

TEST_CASE("members that are not there are null, however deep one asks") {
  const Json value = Json::parse(R"({"a": {"b": [1, {"c": null}]}})");
  CHECK(value["a"]["b"].array().at(0).as_int() == 1);
  CHECK(value["a"]["x"]["y"]["z"].is_null());
  CHECK(value["a"]["b"]["c"].is_null());
  CHECK(Json("text")["a"].is_null());
}

TEST_CASE("what is written can be read again") {
  const Json value(Json::Object{{"team", "search"},
                                {"run", 7},
                                {"share", 0.25},
                                {"flags", Json::Array{true, nullptr}},
                                {"quote\"", "line\nbreak \xC3\xA9"}});
  CHECK(Json::parse(value.dump()) == value);
  // Bytes that are no text are replaced, so that the text stays JSON.
  CHECK(Json::parse(Json("\xFF").dump()).as_string() == "\xEF\xBF\xBD");
}

TEST_CASE("text that is no JSON is the caller's mistake") {
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":}", "nul", "1 2", "'a'", "{\"a\":1}x", "1e999"}) {
    CAPTURE(text);
    try {
      (void)Json::parse(text);
      FAIL("was accepted");
    } catch (const nullspace::Error& error) {
      CHECK(error.kind() == nullspace::ErrorKind::invalid_request);
    }
  }
}

TEST_CASE("nesting has a limit") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  CHECK_NOTHROW(Json::parse(nested(64)));
  CHECK_THROWS_AS(Json::parse(nested(65)), nullspace::Error);
  CHECK_THROWS_AS(Json::parse(nested(1'000'000)), nullspace::Error);
}

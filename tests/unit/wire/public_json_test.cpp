#include "wire/public_json.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <nullspace/error.hpp>
#include <nullspace/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

using nullspace::Error;
using nullspace::Json;

namespace {

Json random_json(std::mt19937& random, int depth) {
  std::uniform_int_distribution<int> pick(0, depth > 0 ? 7 : 5);
  switch (pick(random)) {
    case 0:
      return nullptr;
    case 1:
      return true;
    case 2:
      return static_cast<std::int64_t>(random()) * (random() % 2 == 0 ? 1 : -1) * 2'000'000'000;
    case 3:
      return std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 100) +
             0.1;
    case 4:
      return std::string("te\"x\\t\n\x1b\x7f€😀") + std::string(1, '\0') + std::to_string(random());
    case 5:
      return "";
    case 6: {
      Json::Array array;
      for (int i = 0; i < 4; ++i)
        array.push_back(random_json(random, depth - 1));
      return array;
    }
    default: {
      Json::Object object;
      for (int i = 0; i < 4; ++i)
        object[std::to_string(random() % 100)] = random_json(random, depth - 1);
      return object;
    }
  }
}

}  // namespace

TEST_CASE("Json: values know their type") {
  const Json value =
      Json::parse(R"({"b": true, "i": -7, "d": 1.5, "s": "x", "a": [1, null], "n": null})");
  CHECK(value.is_object());
  CHECK(value["b"].as_bool() == true);
  CHECK(value["i"].as_int() == -7);
  CHECK(value["i"].as_double() == -7.0);
  CHECK(value["d"].as_double() == 1.5);
  CHECK_FALSE(value["d"].as_int());
  CHECK(value["s"].as_string() == "x");
  CHECK(value["a"].array().size() == 2);
  CHECK(value["n"].is_null());
  CHECK(value["missing"].is_null());
  CHECK(value["s"]["deeper"].is_null());
  CHECK_FALSE(value["s"].as_int());
  CHECK_FALSE(value["b"].as_int());
  CHECK(value["s"].object().empty());
  CHECK(value["s"].array().empty());
  CHECK_FALSE(value.as_string());
}

TEST_CASE("Json: 64-bit integers stay integers") {
  CHECK(Json::parse("9223372036854775807").as_int() == std::numeric_limits<std::int64_t>::max());
  CHECK(Json::parse("-9223372036854775808").as_int() == std::numeric_limits<std::int64_t>::min());
  CHECK(Json::parse("9223372036854775807").dump() == "9223372036854775807");
  CHECK_FALSE(Json::parse("9223372036854775808").as_int());
  CHECK(Json::parse("18446744073709551616").as_double() == 18446744073709551616.0);
}

TEST_CASE("Json: what is dumped is parsed again") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const Json value = random_json(random, 4);
    CHECK(Json::parse(value.dump()) == value);
  }
}

TEST_CASE("Json: dumps compactly, escapes what must be, keeps NUL") {
  CHECK(Json(Json::Object{{"b", 1}, {"a", Json::Array{true, nullptr, "x"}}}).dump() ==
        R"({"a":[true,null,"x"],"b":1})");
  CHECK(Json(std::string("a\0b", 3)).dump() == R"("a\u0000b")");
  CHECK(Json("\x1b[0m\r\n\"\\").dump() == R"("\u001B[0m\r\n\"\\")");
  CHECK(Json("bad \xFF").dump() == "\"bad \uFFFD\"");
  CHECK(Json(Json::Object{{"k\xFF", 1}}).dump() == "{\"k\uFFFD\":1}");
  CHECK(Json(std::nan("")).dump() == "null");
  CHECK(Json(std::numeric_limits<double>::infinity()).dump() == "null");
}

TEST_CASE("Json: a string keeps everything after an escaped NUL") {
  CHECK(Json::parse(R"("a\u0000b")").as_string() == std::string("a\0b", 3));
}

TEST_CASE("Json: 64 levels are read, 65 are not") {
  CHECK_NOTHROW(Json::parse(nullspace::test::nested("[", "]", 64)));
  CHECK_THROWS_AS(Json::parse(nullspace::test::nested("[", "]", 65)), Error);
  CHECK_THROWS_AS(Json::parse(nullspace::test::nested("{\"a\":", "}", 65)), Error);
  CHECK_THROWS_AS(Json::parse(nullspace::test::nested("[", "]", 100'000)), Error);
}

TEST_CASE("Json: malformed text throws invalid_request") {
  for (const std::string& bad : {std::string(),
                                 std::string("{"),
                                 std::string("[1,]"),
                                 std::string("{\"a\":1,}"),
                                 std::string("{'a':1}"),
                                 std::string("NaN"),
                                 std::string("Infinity"),
                                 std::string("-"),
                                 std::string("01"),
                                 std::string("1."),
                                 std::string("nul"),
                                 std::string("\"a"),
                                 std::string("\"\\x\""),
                                 std::string("\"\\ud800\""),
                                 std::string("1 2"),
                                 std::string("{\"a\" 1}"),
                                 std::string("1e400"),
                                 std::string("1e99999999999999999999"),
                                 std::string("1e-99999999999999999999"),
                                 std::string(500, '9'),
                                 "0." + std::string(500, '1'),
                                 std::string("[1]\0", 4),
                                 std::string("\"a\0b\"", 5),
                                 std::string("\"\x1b\""),
                                 std::string("// c\n1"),
                                 std::string("\xEF\xBB\xBF{}")}) {
    INFO(bad);
    try {
      static_cast<void>(Json::parse(bad));
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == "invalid_request");
    }
  }
}

#include "wire/json.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;
using nullspace::test::nested;

namespace {

Document parsed(std::string text) {
  auto document = parse_document(std::move(text), Blame::server);
  REQUIRE(document.ok());
  return std::move(*document);
}

}  // namespace

TEST_CASE("json: the check lets everything ordinary pass") {
  for (const std::string_view text : {"{}", "[1,2.5e-10,-3E+12]", R"({"a":"[[[[{{{{","b":"\"]}"})",
                                      " \t\r\n1 ", R"("\\")", R"(["\\\"","\\"])", "1e9999"}) {
    INFO(text);
    CHECK_FALSE(check_json_text(text));
  }
  CHECK_FALSE(check_json_text(nested("[", "]", 64)));
  // Brackets side by side are not depth.
  std::string wide = "[";
  for (int i = 0; i < 1000; ++i)
    wide += "[],{},";
  CHECK_FALSE(check_json_text(wide + "1]"));
}

TEST_CASE("json: the check refuses depth, size, absurd numbers and NUL") {
  CHECK(check_json_text(nested("[", "]", 65)));
  CHECK(check_json_text(nested("{\"a\":", "}", 100'000)));
  CHECK(check_json_text(std::string(100'000, '[')));
  CHECK(check_json_text("1e10000"));
  CHECK(check_json_text("[1E-123456]"));
  CHECK(check_json_text("{\"a\":1e" + std::string(1'000'000, '9') + "}"));
  CHECK(check_json_text(std::string(401, '1')));
  CHECK_FALSE(check_json_text(std::string(400, '1')));
  CHECK(check_json_text(std::string_view("1\0", 2)));
  CHECK(check_json_text("\"unterminated"));
  CHECK(check_json_text("[\"unterminated\\\"]"));
  CHECK(check_json_text("[1,2", {.max_bytes = 3}));
  CHECK_FALSE(check_json_text("[1]", {.max_bytes = 3}));
}

TEST_CASE("json: a million keys are read in passing") {
  std::string text = "{";
  for (int i = 0; i < 1'000'000; ++i)
    text += "\"k\":0,";
  text += "\"last\":1}";
  const Document document = parsed(std::move(text));
  ObjectReader reader(document.root(), "object", Blame::server);
  CHECK(reader.required_int("last") == 1);
}

TEST_CASE("json: errors say whose fault they are and where") {
  const auto response = parse_document("{\"a\":]", Blame::server);
  REQUIRE_FALSE(response.ok());
  CHECK(response.error().code == "invalid_response");
  CHECK(contains(response.error().message, "byte 5"));
  const auto request = parse_document("", Blame::client);
  REQUIRE_FALSE(request.ok());
  CHECK(request.error().code == "invalid_request");
}

TEST_CASE("json: a document may be moved") {
  Document first = parsed(R"({"a":"short"})");
  const Document second = std::move(first);
  ObjectReader reader(second.root(), "object", Blame::server);
  CHECK(reader.required_text("a") == "short");
}

TEST_CASE("json: a reader reads what is there") {
  const Document document =
      parsed(R"({"text":"x","flag":false,"int":-5,"big":5000000000,"number":1.5,"null":null,
      "list":["a","b"],"map":{"A":"1"},"object":{"k":[1]},"time":"2026-05-02T08:00:01Z","notime":"soon"})");
  ObjectReader reader(document.root(), "thing", Blame::server);
  CHECK(reader.required_text("text") == "x");
  CHECK(reader.required_name("text") == "x");
  CHECK_FALSE(reader.required_flag("flag"));
  CHECK(reader.required_int("int") == -5);
  CHECK(reader.required_integer("big") == 5'000'000'000);
  CHECK(reader.required_number("number") == 1.5);
  CHECK(reader.required_number("int") == -5);
  CHECK(reader.texts("list") == std::vector<std::string>{"a", "b"});
  CHECK(reader.text_map("map").at("A") == "1");
  CHECK(reader.json_object("object").at("k").array().size() == 1);
  CHECK(reader.timestamp("time"));
  CHECK_FALSE(reader.timestamp("notime"));
  CHECK_FALSE(reader.timestamp("int"));
  // null and absent are one.
  for (const std::string_view key : {"null", "absent"}) {
    CHECK_FALSE(reader.has(key));
    CHECK_FALSE(reader.text(key));
    CHECK_FALSE(reader.flag(key));
    CHECK_FALSE(reader.integer(key));
    CHECK_FALSE(reader.small_integer(key));
    CHECK(reader.texts(key).empty());
    CHECK(reader.text_map(key).empty());
    CHECK(reader.object(key) == nullptr);
  }
  CHECK_FALSE(reader.problem());
}

TEST_CASE("json: a reader names what it refuses") {
  const Document document = parsed(
      R"({"text":1,"flag":"true","int":1.5,"big":5000000000,"huge":18446744073709551615,"list":["a",1],
                 "map":{"A":1},"object":[],"array":{},"empty":"","number":"1"})");
  const auto problem_of = [&](auto read) {
    ObjectReader reader(document.root(), "thing", Blame::server);
    read(reader);
    REQUIRE(reader.problem());
    CHECK(reader.problem()->code == "invalid_response");
    return reader.problem()->message;
  };
  using Reader = ObjectReader;
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_text("text")); }),
                 "thing.text: expected a string"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_text("gone")); }),
                 "thing.gone"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_text("gone")); }),
                 "missing"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_name("empty")); }),
                 "thing.empty"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.text("text")); }), "thing.text"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.flag("flag")); }),
                 "thing.flag: expected true or false"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.integer("int")); }),
                 "thing.int: expected an integer"));
  CHECK(
      contains(problem_of([](Reader& r) { static_cast<void>(r.integer("huge")); }), "thing.huge"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.small_integer("big")); }),
                 "thing.big"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_int("gone")); }),
                 "thing.gone"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.integer("big", 1, 7)); }),
                 "from 1 to 7"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.required_number("number")); }),
                 "thing.number"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.texts("list")); }), "thing.list"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.text_map("map")); }), "thing.map"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.object("object")); }),
                 "thing.object: expected an object"));
  CHECK(contains(problem_of([](Reader& r) { static_cast<void>(r.array("array")); }),
                 "thing.array: expected an array"));
}

TEST_CASE("json: a reader keeps the first problem") {
  const Document document = parsed(R"({"a":1})");
  ObjectReader reader(document.root(), "thing", Blame::client);
  static_cast<void>(reader.text("a"));
  reader.refuse("b", "second");
  REQUIRE(reader.problem());
  CHECK(contains(reader.problem()->message, "thing.a"));
  CHECK(reader.problem()->code == "invalid_request");
}

TEST_CASE("json: a reader of what is no object reads nothing") {
  const Document document = parsed("[1]");
  ObjectReader reader(document.root(), "thing", Blame::server);
  CHECK(reader.problem());
  CHECK(reader.required_text("a").empty());
  CHECK(contains(reader.problem()->message, "expected an object"));
}

TEST_CASE("json: a writer writes members of every kind") {
  JsonWriter writer;
  writer.begin_object();
  writer.text("text", "x\xFF");
  writer.integer("integer", -1);
  writer.number("number", 0.5);
  writer.flag("flag", true);
  writer.null("null");
  writer.key("texts");
  writer.texts({"a", "b"});
  writer.key("map");
  writer.text_map({{"A", "1"}});
  writer.end_object();
  CHECK(writer.take() ==
        "{\"text\":\"x\uFFFD\",\"integer\":-1,\"number\":0.5,\"flag\":true,\"null\":null,\"texts\":"
        "[\"a\",\"b\"],"
        "\"map\":{\"A\":\"1\"}}");
}

}  // namespace nullspace::inline v0::wire

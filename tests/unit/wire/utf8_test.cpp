#include "wire/utf8.hpp"

#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

using nullspace::wire::is_valid_utf8;
using nullspace::wire::replace_invalid_utf8;
using nullspace::wire::Utf8Stream;

namespace {

// All of a text in pieces, with what is left at the end.
std::string stream_in_pieces(std::string_view text, std::size_t piece_size) {
  Utf8Stream stream;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece_size) {
    const std::string piece = stream.push(text.substr(i, piece_size));
    CHECK(is_valid_utf8(piece));
    out += piece;
  }
  return out + stream.flush();
}

std::string random_text(std::mt19937& random, int characters) {
  static const std::vector<std::string> kCharacters{"a",      "\n", "\x1b",   "é",         "ß",
                                                    "€",      "語", "\u0800", "\uD7FF",    "\uE000",
                                                    "\uFFFF", "𝄞",  "😀",     "\U0010FFFF"};
  std::uniform_int_distribution<std::size_t> pick(0, kCharacters.size() - 1);
  std::string text;
  for (int i = 0; i < characters; ++i)
    text += kCharacters[pick(random)];
  return text;
}

}  // namespace

TEST_CASE("utf8: valid text is recognised") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("plain"));
  CHECK(is_valid_utf8(std::string_view("a\0b", 3)));
  CHECK(is_valid_utf8("käse €5 😀"));
  CHECK(is_valid_utf8("\xF4\x8F\xBF\xBF"));
}

TEST_CASE("utf8: what is no text is recognised") {
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xC3(", "eight ok\xE2("}) {
    INFO(bad);
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("utf8: each maximal broken part becomes one U+FFFD") {
  CHECK(replace_invalid_utf8("a\xFFz") == "a\uFFFDz");
  CHECK(replace_invalid_utf8("\xC0\xAF") == "\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("\xE2\x82 x") == "\uFFFD x");
  CHECK(replace_invalid_utf8("\xF0\x9F\x98\xE2\x82\xAC") == "\uFFFD€");
  CHECK(replace_invalid_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
  CHECK(replace_invalid_utf8("end\xF0\x9F") == "end\uFFFD");
  CHECK(replace_invalid_utf8("käse") == "käse");
}

TEST_CASE("utf8: a stream holds back what is incomplete") {
  Utf8Stream stream;
  CHECK(stream.push("a\xE2") == "a");
  CHECK(stream.pending());
  CHECK(stream.push("\x82").empty());
  CHECK(stream.push("\xAC!") == "€!");
  CHECK_FALSE(stream.pending());
  CHECK(stream.flush().empty());
}

TEST_CASE("utf8: a stream replaces what is never completed") {
  Utf8Stream stream;
  CHECK(stream.push("\xF0\x9F\x98").empty());
  CHECK(stream.push("x") == "\uFFFDx");
  CHECK(stream.push("\xE2\x82").empty());
  CHECK(stream.push("\xE2\x82\xAC") == "\uFFFD€");
  CHECK(stream.push("\xC3").empty());
  CHECK(stream.flush() == "\uFFFD");
  CHECK(stream.flush().empty());
}

TEST_CASE("utf8: pieces of any size give the whole text") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const std::string text = random_text(random, 40);
    REQUIRE(is_valid_utf8(text));
    CHECK(replace_invalid_utf8(text) == text);
    for (std::size_t size = 1; size < 8; ++size)
      CHECK(stream_in_pieces(text, size) == text);
  }
}

TEST_CASE("utf8: pieces of arbitrary bytes are replaced as the whole would be") {
  std::mt19937 random(8);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = nullspace::test::random_bytes(random, 60);
    // Mixed with real text, so that sequences are cut short in every way.
    bytes += random_text(random, 5).substr(0, 7) + nullspace::test::random_bytes(random, 10);
    const std::string whole = replace_invalid_utf8(bytes);
    CHECK(is_valid_utf8(whole));
    CHECK(is_valid_utf8(bytes) == (whole == bytes));
    for (std::size_t size = 1; size < 6; ++size)
      CHECK(stream_in_pieces(bytes, size) == whole);
  }
}

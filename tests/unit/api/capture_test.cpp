#include "api/capture.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "wire/utf8.hpp"

using nullspace::Capture;

namespace {

std::string letters(std::size_t count, std::size_t from = 0) {
  std::string text;
  for (std::size_t i = from; i < from + count; ++i)
    text += static_cast<char>('a' + i % 26);
  return text;
}

}  // namespace

TEST_CASE("below the limit everything is kept") {
  Capture capture(10);
  capture.append("");
  capture.append("12345");
  capture.append("67890");
  CHECK(capture.text() == "1234567890");
  CHECK(capture.omitted() == 0);
  CHECK(capture.size() == 10);
}

TEST_CASE("beyond the limit the middle is left out, and counted") {
  Capture capture(10);
  capture.append(letters(26));
  CHECK(capture.text() == "abcde" + std::string("vwxyz"));
  CHECK(capture.omitted() == 16);
}

TEST_CASE("it does not matter in which pieces the text came") {
  const std::size_t piece = GENERATE(1U, 2U, 3U, 7U, 64U, 1000U);
  const std::string all = letters(5000);
  Capture capture(100);
  for (std::size_t at = 0; at < all.size(); at += piece)
    capture.append(std::string_view(all).substr(at, piece));
  CHECK(capture.text() == all.substr(0, 50) + all.substr(4950));
  CHECK(capture.omitted() == 4900);
}

TEST_CASE("large pieces are cut exactly, too") {
  const std::string large(200'000, 'x');
  Capture capture(300'000);
  for (int i = 0; i < 4; ++i)
    capture.append(large);
  capture.append("end");
  CHECK(capture.size() == 300'000);
  CHECK(capture.omitted() + capture.size() == 800'003);
  CHECK(capture.text().ends_with("xend"));
}

TEST_CASE("a limit of nothing keeps nothing") {
  Capture capture(0);
  capture.append("text");
  CHECK(capture.text().empty());
  CHECK(capture.omitted() == 4);
}

TEST_CASE("a limit of one byte") {
  Capture capture(1);
  capture.append("text");
  CHECK(capture.text() == "t");
  CHECK(capture.omitted() == 3);
}

TEST_CASE("characters are kept whole, on both sides of the gap") {
  const std::string character =
      GENERATE(as<std::string>{}, "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80");
  const std::size_t limit = GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 31U);
  const std::size_t per_piece = GENERATE(1U, 2U, 50U);
  Capture capture(limit);
  std::string piece;
  for (std::size_t i = 0; i < per_piece; ++i)
    piece += character;
  std::size_t total = 0;
  for (int i = 0; i < 20; ++i) {
    capture.append(piece);
    total += piece.size();
  }
  CAPTURE(limit, capture.text());
  CHECK(nullspace::wire::is_valid_utf8(capture.text()));
  CHECK(capture.text().size() == capture.size());
  CHECK(capture.size() <= limit);
  CHECK(capture.size() + capture.omitted() == total);
}

#include "local/server/output_log.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::local::OutputLog;
using nullspace::wire::OutputStream;

namespace {

constexpr std::size_t kLimit = std::size_t{256} << 10U;

}  // namespace

TEST_CASE("streams are kept apart and in the order they came") {
  OutputLog log(kLimit);
  log.append(OutputStream::out, "a");
  log.append(OutputStream::out, "b");
  log.append(OutputStream::err, "X");
  log.append(OutputStream::out, "c");
  log.append(OutputStream::err, "Y");
  CHECK(log.text(OutputStream::out) == "abc");
  CHECK(log.text(OutputStream::err) == "XY");
  CHECK(log.interleaved() == "abXcY");
  CHECK(log.total(OutputStream::out) == 3);
}

TEST_CASE("of a flood exactly the last bytes are kept") {
  OutputLog log(kLimit);
  std::string all;
  for (int i = 0; all.size() < 3 * kLimit; ++i) {
    const std::string line = std::to_string(i) + "\n";
    log.append(OutputStream::out, line);
    all += line;
  }
  log.append(OutputStream::err, "kept");
  CHECK(log.text(OutputStream::out) == all.substr(all.size() - kLimit));
  CHECK(log.text(OutputStream::err) == "kept");
  CHECK(log.interleaved() == all.substr(all.size() - kLimit) + "kept");
  CHECK(log.total(OutputStream::out) == all.size());
  CHECK(log.memory() < 2 * kLimit);
}

TEST_CASE("many small pieces of both streams do not cost more than they may") {
  OutputLog log(kLimit);
  for (int i = 0; i < 100'000; ++i) {
    log.append(OutputStream::out, "o");
    log.append(OutputStream::err, "e");
  }
  CHECK(log.memory() < 3 * kLimit);
  const std::string tail = log.interleaved();
  REQUIRE(tail.size() >= 2);
  CHECK(tail.substr(tail.size() - 2) == "oe");
}

TEST_CASE("a cut does not leave half a character at the front") {
  OutputLog log(kLimit);
  std::string text;
  for (std::size_t i = 0; i < kLimit; ++i)
    text += "\xE2\x82\xAC";
  log.append(OutputStream::out, "x" + text);
  const std::string kept = log.text(OutputStream::out);
  CHECK(kept.size() <= kLimit);
  CHECK(kept.size() > kLimit - 3);
  CHECK(kept.substr(0, 3) == "\xE2\x82\xAC");
}

TEST_CASE("a log of nothing only counts") {
  OutputLog log(0);
  log.append(OutputStream::out, "abc");
  CHECK(log.text(OutputStream::out).empty());
  CHECK(log.total(OutputStream::out) == 3);
}

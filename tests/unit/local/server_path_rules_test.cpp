#include "local/server/path_rules.hpp"

#include <string>
#include <variant>

#include "tests/support/catch.hpp"

namespace {

std::string normal(std::string_view path) {
  const auto result = nullspace::local::normalize_directory(path);
  const auto* text = std::get_if<std::string>(&result);
  return text != nullptr ? *text : "refused";
}

}  // namespace

TEST_CASE("directories are normalized by their text") {
  CHECK(normal("/") == "/");
  CHECK(normal("/workspace/") == "/workspace");
  CHECK(normal("/a/./b/../c//") == "/a/c");
  CHECK(normal("//a") == "/a");
  CHECK(normal("/../../etc") == "/etc");
}

TEST_CASE("relative, broken and reserved ones are refused") {
  CHECK(normal("") == "refused");
  CHECK(normal("a/b") == "refused");
  CHECK(normal(std::string_view("/a\0b", 4)) == "refused");
  CHECK(normal("/workspace/.nullspace") == "refused");
  CHECK(normal("/workspace/x/../.nullspace/y") == "refused");
  CHECK(normal("/workspace/.nullspacex") == "/workspace/.nullspacex");
}

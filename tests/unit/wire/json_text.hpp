#pragma once

#include <random>
#include <string>
#include <string_view>

#include <nullspace/json.hpp>

#include "tests/support/catch.hpp"
#include "wire/public_json.hpp"

namespace nullspace::test {

// JSON text as a value, so that members may stand in any order.
inline Json json(std::string_view text) {
  const auto parsed = wire::parse_json(text);
  INFO(text);
  REQUIRE(parsed.ok());
  return *parsed;
}

// [[[[...]]]] or {"a":{"a":...}}
inline std::string nested(std::string_view open, std::string_view close, int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i)
    text.append(open);
  for (int i = 0; i < depth; ++i)
    text.append(close);
  return text;
}

inline std::string random_bytes(std::mt19937& random, std::size_t max_size) {
  std::string bytes(std::uniform_int_distribution<std::size_t>(0, max_size)(random), '\0');
  std::uniform_int_distribution<int> byte(0, 255);
  for (char& c : bytes)
    c = static_cast<char>(byte(random));
  return bytes;
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace nullspace::test

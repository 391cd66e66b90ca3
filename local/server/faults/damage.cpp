#include "local/server/faults/damage.hpp"

namespace nullspace::local {

std::string garbage_json(std::string_view json) {
  std::size_t half = json.size() / 2;
  while (half > 0 && (static_cast<unsigned char>(json[half]) & 0xC0U) == 0x80U)
    --half;
  // Inside a string or not: what ends with an opening brace is never complete.
  return std::string(json.substr(0, half)) + "]}{";
}

std::string bad_utf8(std::string_view text) {
  const std::size_t half = text.size() / 2;
  return std::string(text.substr(0, half)) + '\xFF' + std::string(text.substr(half));
}

std::string_view message_type(std::string_view json) {
  // Messages are written with their type in front.
  constexpr std::string_view kFront = R"({"type":")";
  if (!json.starts_with(kFront)) return {};
  json.remove_prefix(kFront.size());
  return json.substr(0, json.find('"'));
}

}  // namespace nullspace::local

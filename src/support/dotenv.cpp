#include "support/dotenv.hpp"

namespace nullspace::inline v0::support {

namespace {

std::string_view strip(std::string_view text, std::string_view characters) noexcept {
  const std::size_t first = text.find_first_not_of(characters);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(characters) - first + 1);
}

}  // namespace

std::string_view trim(std::string_view text) noexcept {
  return strip(text, " \t\r\n\v\f");
}

std::map<std::string, std::string, std::less<>> parse_dotenv(std::string_view text) {
  std::map<std::string, std::string, std::less<>> values;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);

    const std::size_t equals = line.find('=');
    if (line.empty() || line.front() == '#' || equals == std::string_view::npos) continue;
    values.insert_or_assign(std::string(trim(line.substr(0, equals))),
                            std::string(strip(trim(line.substr(equals + 1)), "'\"")));
  }
  return values;
}

}  // namespace nullspace::inline v0::support

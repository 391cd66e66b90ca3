#include "wire/dialect.hpp"

namespace nullspace::inline v0::wire {

namespace {

// The codes that carry the noun. A list and not a search-and-replace: `machine_learning_error` is
// nobody's noun.
constexpr std::array kCodes{&Noun::not_found_code, &Noun::not_ready_code, &Noun::paused_code,
                            &Noun::preview_disabled_code};

std::string translate(std::string_view code, const Noun& from, const Noun& to) {
  for (const auto member : kCodes) {
    if (code == from.*member) return std::string(to.*member);
  }
  return std::string(code);
}

}  // namespace

std::optional<Dialect> dialect_from_text(std::string_view text) noexcept {
  for (const Noun& candidate : kNouns) {
    if (candidate.name == text) return candidate.dialect;
  }
  return std::nullopt;
}

std::string canonical_code(std::string_view code) {
  return translate(code, noun(Dialect::machine), noun(Dialect::sandbox));
}

std::string code_in(Dialect dialect, std::string_view code) {
  return translate(code, noun(Dialect::sandbox), noun(dialect));
}

}  // namespace nullspace::inline v0::wire

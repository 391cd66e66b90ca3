// What stands between the quotes of a JSON string. Output of commands and terminals passes here in
// large pieces, so it is copied in runs; RapidJSON goes character by character, which costs more
// than all the rest of a message.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nullspace::inline v0::wire {

// Bytes at the front that stand for themselves: no control character, quote or backslash.
[[nodiscard]] std::size_t plain_prefix(std::string_view text) noexcept;

// How a byte that does not stand for itself is written.
struct Escape {
  std::array<char, 6> text{};
  std::size_t size{0};
  [[nodiscard]] std::string_view view() const noexcept { return {text.data(), size}; }
};
[[nodiscard]] Escape escape(char c) noexcept;

// The text that is meant. Nothing for a control character, a quote or an unknown escape.
[[nodiscard]] std::optional<std::string> unescape(std::string_view raw);

}  // namespace nullspace::inline v0::wire

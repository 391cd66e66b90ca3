// UTF-8 where it cannot be trusted: program output, JSON from outside, strings of the application.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace nullspace::inline v0::wire {

// U+FFFD, what stands for bytes that are no text.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_valid_utf8(std::string_view bytes) noexcept;

// One U+FFFD for each maximal part of a broken sequence, as the Unicode standard recommends.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view bytes);

// Cuts a stream of bytes into pieces of whole characters. A sequence that may still be completed is
// held back, at most three bytes; broken ones are replaced at once.
class Utf8Stream {
 public:
  // The text that is complete now. May be empty.
  [[nodiscard]] std::string push(std::string_view bytes);
  // At the end of the stream: U+FFFD for a sequence that was never completed, else nothing.
  [[nodiscard]] std::string flush();
  [[nodiscard]] bool pending() const noexcept { return held_size_ > 0; }

 private:
  std::array<char, 3> held_{};
  std::size_t held_size_{0};
};

}  // namespace nullspace::inline v0::wire

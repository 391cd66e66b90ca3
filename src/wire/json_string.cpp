#include "wire/json_string.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace nullspace::inline v0::wire {

namespace {

constexpr std::uint64_t kEach = 0x0101010101010101U;
constexpr std::uint64_t kHighBits = 0x8080808080808080U;

// The high bit of every byte that is zero, and perhaps of more significant ones.
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return (word - kEach) & ~word & kHighBits;
}

// The high bit of every byte that does not stand for itself, and perhaps of more significant ones.
constexpr std::uint64_t special_bytes(std::uint64_t word) noexcept {
  const std::uint64_t controls = (word - kEach * 0x20U) & ~word & kHighBits;
  return controls | zero_bytes(word ^ (kEach * '"')) | zero_bytes(word ^ (kEach * '\\'));
}

bool is_plain(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
}

// The four hex digits at the front as a number.
std::optional<std::uint32_t> read_unit(std::string_view digits) noexcept {
  if (digits.size() < 4) return std::nullopt;
  std::uint32_t unit = 0;
  for (const char c : digits.substr(0, 4)) {
    std::uint32_t value = 0;
    if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = static_cast<std::uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      value = static_cast<std::uint32_t>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    unit = unit * 16 + value;
  }
  return unit;
}

// Writes at most four bytes and moves `out` behind them.
void put_utf8(char*& out, std::uint32_t character) noexcept {
  const auto put = [&out](std::uint32_t byte) {
    *out++ = static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xC0U | (character >> 6U));
    put(0x80U | (character & 0x3FU));
  } else if (character < 0x10000) {
    put(0xE0U | (character >> 12U));
    put(0x80U | ((character >> 6U) & 0x3FU));
    put(0x80U | (character & 0x3FU));
  } else {
    put(0xF0U | (character >> 18U));
    put(0x80U | ((character >> 12U) & 0x3FU));
    put(0x80U | ((character >> 6U) & 0x3FU));
    put(0x80U | (character & 0x3FU));
  }
}

bool is_high_surrogate(std::uint32_t unit) noexcept {
  return unit >= 0xD800 && unit <= 0xDBFF;
}
bool is_low_surrogate(std::uint32_t unit) noexcept {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

// `rest` stands behind "\u". false when no number follows. Half of a surrogate pair is legal JSON
// (writers that count in UTF-16 cut there), but no character: U+FFFD stands for it.
bool take_unicode(std::string_view& rest, char*& out) noexcept {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  const std::optional<std::uint32_t> unit = read_unit(rest);
  if (!unit) return false;
  rest.remove_prefix(4);
  const bool wants_low = is_high_surrogate(*unit) && rest.starts_with("\\u");
  const std::optional<std::uint32_t> low = wants_low ? read_unit(rest.substr(2)) : std::nullopt;
  if (low && is_low_surrogate(*low)) {
    rest.remove_prefix(6);
    put_utf8(out, 0x10000U + ((*unit - 0xD800U) << 10U) + (*low - 0xDC00U));
  } else {
    const bool is_half = is_high_surrogate(*unit) || is_low_surrogate(*unit);
    put_utf8(out, is_half ? kReplacement : *unit);
  }
  return true;
}

// `rest` starts with a backslash. false when it escapes nothing.
bool take_escape(std::string_view& rest, char*& out) noexcept {
  if (rest.size() < 2) return false;
  const char c = rest[1];
  rest.remove_prefix(2);
  switch (c) {
    case '"':
    case '\\':
    case '/':
      *out++ = c;
      return true;
    case 'b':
      *out++ = '\b';
      return true;
    case 'f':
      *out++ = '\f';
      return true;
    case 'n':
      *out++ = '\n';
      return true;
    case 'r':
      *out++ = '\r';
      return true;
    case 't':
      *out++ = '\t';
      return true;
    case 'u':
      return take_unicode(rest, out);
    default:
      return false;
  }
}

// The letter of a short escape, or 0.
char short_escape(char c) noexcept {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

}  // namespace

std::size_t plain_prefix(std::string_view text) noexcept {
  std::size_t size = 0;
  while (text.size() - size >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + size, sizeof word);
    const std::uint64_t special = special_bytes(word);
    if (special == 0) {
      size += sizeof word;
    } else if constexpr (std::endian::native == std::endian::little) {
      // The first byte in memory is the least significant one, whose mark can be trusted.
      return size + static_cast<std::size_t>(std::countr_zero(special)) / 8;
    } else {
      break;
    }
  }
  while (size < text.size() && is_plain(text[size]))
    ++size;
  return size;
}

Escape escape(char c) noexcept {
  if (const char letter = short_escape(c); letter != 0) return {{'\\', letter}, 2};
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  return {{'\\', 'u', '0', '0', kHexDigits[byte >> 4U], kHexDigits[byte & 15U]}, 6};
}

std::optional<std::string> unescape(std::string_view raw) {
  // No escape is shorter than what it stands for.
  std::string text(raw.size(), '\0');
  char* out = text.data();
  while (true) {
    const std::size_t plain = plain_prefix(raw);
    out = std::copy_n(raw.data(), plain, out);
    raw.remove_prefix(plain);
    if (raw.empty()) break;
    if (raw.front() != '\\' || !take_escape(raw, out)) return std::nullopt;
  }
  text.resize(static_cast<std::size_t>(out - text.data()));
  return text;
}

}  // namespace nullspace::inline v0::wire

#include "wire/base64.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Our own, not OpenSSL's: EVP_DecodeBlock accepts white space and misplaced padding and reports a
// length that is not that of the data, so that a strict decoder has to go over the text twice; and
// a table for each of the four positions is about twice as fast, which counts because all terminal
// output passes here.

namespace nullspace::inline v0::wire {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// --- decoding: four table entries, or-ed, are the three bytes of a group as they lie in memory ---

using DecodeTable = std::array<std::uint32_t, 256>;

// Puts a byte where it is the i-th one in memory; the fourth is never part of the data.
constexpr std::uint32_t in_memory(std::uint32_t byte, unsigned i) noexcept {
  return byte << (std::endian::native == std::endian::little ? 8 * i : 24 - 8 * i);
}
constexpr std::uint32_t kInvalid = in_memory(0xFF, 3);

constexpr DecodeTable make_decode_table(unsigned position) {
  DecodeTable table{};
  table.fill(kInvalid);
  for (std::uint32_t value = 0; value < kAlphabet.size(); ++value) {
    const std::uint32_t bits = value << (18 - 6 * position);
    table.at(static_cast<unsigned char>(kAlphabet[value])) =
        in_memory(bits >> 16U, 0) | in_memory((bits >> 8U) & 0xFFU, 1) | in_memory(bits & 0xFFU, 2);
  }
  return table;
}

constexpr std::array<DecodeTable, 4> kDecode{make_decode_table(0), make_decode_table(1),
                                             make_decode_table(2), make_decode_table(3)};

std::uint32_t decode_group(const char* text) noexcept {
  const auto at = [text](std::size_t i) { return kDecode[i][static_cast<unsigned char>(text[i])]; };
  return at(0) | at(1) | at(2) | at(3);
}

// --- encoding: twelve bits are two characters ---

struct CharacterPair {
  char first;
  char second;
};

constexpr std::array<CharacterPair, 4096> make_encode_table() {
  std::array<CharacterPair, 4096> table{};
  for (std::size_t bits = 0; bits < table.size(); ++bits) {
    table.at(bits) = {kAlphabet[bits >> 6U], kAlphabet[bits & 63U]};
  }
  return table;
}

constexpr std::array<CharacterPair, 4096> kEncode = make_encode_table();

void encode_group(std::uint32_t bits, char* out) noexcept {
  std::memcpy(out, &kEncode[bits >> 12U], 2);
  std::memcpy(out + 2, &kEncode[bits & 0xFFFU], 2);
}

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  char* out = text.data();
  const auto byte = [&](std::size_t i) {
    return std::uint32_t{static_cast<unsigned char>(bytes[i])};
  };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3, out += 4) {
    encode_group((byte(i) << 16U) | (byte(i + 1) << 8U) | byte(i + 2), out);
  }
  if (i < bytes.size()) {
    const bool is_pair = i + 1 < bytes.size();
    encode_group((byte(i) << 16U) | (is_pair ? byte(i + 1) << 8U : 0U), out);
    out[3] = '=';
    if (!is_pair) out[2] = '=';
  }
  return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return std::string();
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=')
    ++padding;

  // Every group but the last writes a fourth byte, which the next one overwrites.
  std::string bytes(text.size() / 4 * 3, '\0');
  const char* in = text.data();
  const char* const last = in + text.size() - 4;
  char* out = bytes.data();
  std::uint32_t seen = 0;
  for (; in < last; in += 4, out += 3) {
    const std::uint32_t group = decode_group(in);
    seen |= group;
    std::memcpy(out, &group, 4);
  }
  std::array<char, 4> tail{};
  std::memcpy(tail.data(), in, 4);
  for (std::size_t i = 0; i < padding; ++i)
    tail.at(3 - i) = 'A';
  const std::uint32_t group = decode_group(tail.data());
  seen |= group;
  std::memcpy(out, &group, 3);
  if ((seen & kInvalid) != 0) return std::nullopt;

  // Bits that belong to no byte must be zero, or two texts would mean the same bytes.
  for (std::size_t i = bytes.size() - padding; i < bytes.size(); ++i) {
    if (bytes[i] != '\0') return std::nullopt;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace nullspace::inline v0::wire

#include "wire/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace nullspace::inline v0::wire {

namespace {

// How the bytes at the front of a text go on.
struct Sequence {
  // Bytes that belong together: a character, or the maximal part of a broken one.
  std::size_t size{1};
  enum class State { complete, broken, unfinished } state{State::complete};
};

bool is_continuation(unsigned char byte) noexcept {
  return (byte & 0xC0U) == 0x80U;
}

// The table of well-formed sequences of the Unicode standard (3-7): what the second byte may be
// depends on the first.
Sequence read_sequence(std::string_view bytes) noexcept {
  using enum Sequence::State;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {1, complete};
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, broken};
  }
  if (bytes.size() < 2) return {1, unfinished};
  if (at(1) < low || at(1) > high) return {1, broken};
  for (std::size_t i = 2; i < length; ++i) {
    if (i >= bytes.size()) return {i, unfinished};
    if (!is_continuation(at(i))) return {i, broken};
  }
  return {length, complete};
}

// Bytes at the front that are ASCII, eight at a time: most output is nothing else.
std::size_t ascii_prefix(std::string_view bytes) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  std::size_t size = 0;
  while (bytes.size() - size >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + size, sizeof word);
    if ((word & kHighBits) != 0) break;
    size += sizeof word;
  }
  while (size < bytes.size() && static_cast<unsigned char>(bytes[size]) < 0x80)
    ++size;
  return size;
}

// Bytes at the front that are complete characters.
std::size_t valid_prefix(std::string_view bytes) noexcept {
  std::size_t size = 0;
  while (true) {
    size += ascii_prefix(bytes.substr(size));
    if (size == bytes.size()) return size;
    const Sequence next = read_sequence(bytes.substr(size));
    if (next.state != Sequence::State::complete) return size;
    size += next.size;
  }
}

// Appends text to `out` and returns the bytes at the end that may still become a character.
std::string_view append_clean(std::string_view bytes, std::string& out) {
  while (true) {
    const std::size_t valid = valid_prefix(bytes);
    out.append(bytes.substr(0, valid));
    bytes.remove_prefix(valid);
    if (bytes.empty()) return bytes;
    const Sequence next = read_sequence(bytes);
    if (next.state == Sequence::State::unfinished) return bytes;
    out.append(kReplacementCharacter);
    bytes.remove_prefix(next.size);
  }
}

}  // namespace

bool is_valid_utf8(std::string_view bytes) noexcept {
  return valid_prefix(bytes) == bytes.size();
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  if (!append_clean(bytes, out).empty()) out.append(kReplacementCharacter);
  return out;
}

std::string Utf8Stream::push(std::string_view bytes) {
  std::string out;
  out.reserve(held_size_ + bytes.size());
  // Complete what was held back byte by byte; a byte that does not fit leaves a broken sequence and
  // starts a new one.
  while (held_size_ > 0 && !bytes.empty()) {
    std::array<char, 4> joined{};
    std::copy_n(held_.begin(), held_size_, joined.begin());
    joined.at(held_size_) = bytes.front();
    const std::string_view candidate(joined.data(), held_size_ + 1);
    const Sequence sequence = read_sequence(candidate);
    if (sequence.state == Sequence::State::broken) {
      out.append(kReplacementCharacter);
      held_size_ = 0;
      break;
    }
    bytes.remove_prefix(1);
    if (sequence.state == Sequence::State::complete) {
      out.append(candidate);
      held_size_ = 0;
    } else {
      held_.at(held_size_++) = candidate.back();
    }
  }
  const std::string_view rest = append_clean(bytes, out);
  if (!rest.empty()) {
    std::copy(rest.begin(), rest.end(), held_.begin());
    held_size_ = rest.size();
  }
  return out;
}

std::string Utf8Stream::flush() {
  const bool was_pending = pending();
  held_size_ = 0;
  return was_pending ? std::string(kReplacementCharacter) : std::string();
}

}  // namespace nullspace::inline v0::wire

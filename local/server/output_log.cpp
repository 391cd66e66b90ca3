#include "local/server/output_log.hpp"

#include <algorithm>

namespace nullspace::local {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 10U;
constexpr std::size_t kChunkCost = 64;

std::size_t index_of(wire::OutputStream stream) {
  return stream == wire::OutputStream::out ? 0 : 1;
}

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

void OutputLog::append(wire::OutputStream stream, std::string_view bytes) {
  Half& half = halves_[index_of(stream)];
  half.total += bytes.size();
  if (limit_ == 0) return;
  while (!bytes.empty()) {
    const bool joins = !half.chunks.empty() && half.chunks.back().sequence == sequence_ &&
                       half.chunks.back().bytes.size() < kChunkBytes;
    if (!joins) {
      half.chunks.push_back({++sequence_, {}});
      half.charged += kChunkCost;
    }
    std::string& target = half.chunks.back().bytes;
    const std::string_view part = bytes.substr(0, kChunkBytes - target.size());
    target.append(part);
    half.bytes += part.size();
    half.charged += part.size();
    bytes.remove_prefix(part.size());
  }
  while (half.charged > limit_ + kChunkBytes && half.chunks.size() > 1) {
    const std::size_t size = half.chunks.front().bytes.size();
    half.bytes -= size;
    half.charged -= size + kChunkCost;
    half.chunks.pop_front();
  }
}

void OutputLog::clear() {
  halves_[0].chunks.clear();
  halves_[1].chunks.clear();
  halves_[0].bytes = halves_[0].charged = 0;
  halves_[1].bytes = halves_[1].charged = 0;
  limit_ = 0;
}

std::uint64_t OutputLog::total(wire::OutputStream stream) const {
  return halves_[index_of(stream)].total;
}

// Bytes at the front of what is kept that do not belong to the last `limit_`.
std::size_t OutputLog::skipped(const Half& half) const {
  std::size_t skip = half.bytes > limit_ ? half.bytes - limit_ : 0;
  if (half.total == half.bytes && skip == 0) return 0;
  const std::string& front = half.chunks.front().bytes;
  for (int i = 0; i < 3 && skip < front.size() && continues_character(front[skip]); ++i)
    ++skip;
  return skip;
}

std::string OutputLog::text(wire::OutputStream stream) const {
  const Half& half = halves_[index_of(stream)];
  std::string text;
  if (half.chunks.empty()) return text;
  text.reserve(half.bytes);
  std::size_t skip = skipped(half);
  for (const Chunk& chunk : half.chunks) {
    const std::size_t left_out = std::min(skip, chunk.bytes.size());
    text.append(chunk.bytes, left_out);
    skip -= left_out;
  }
  return text;
}

std::string OutputLog::interleaved() const {
  std::string text;
  std::array<std::size_t, 2> at{};
  std::array<std::size_t, 2> skip{};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!halves_[i].chunks.empty()) skip[i] = skipped(halves_[i]);
  }
  while (true) {
    const bool out = at[0] < halves_[0].chunks.size();
    const bool err = at[1] < halves_[1].chunks.size();
    if (!out && !err) return text;
    const bool take_out =
        out && (!err || halves_[0].chunks[at[0]].sequence < halves_[1].chunks[at[1]].sequence);
    const std::size_t i = take_out ? 0 : 1;
    const std::string& bytes = halves_[i].chunks[at[i]].bytes;
    const std::size_t left_out = std::min(skip[i], bytes.size());
    text.append(bytes, left_out);
    skip[i] -= left_out;
    ++at[i];
  }
}

}  // namespace nullspace::local

#include "api/capture.hpp"

#include <algorithm>

namespace nullspace::inline v0 {

namespace {

constexpr std::size_t kPieceSize = std::size_t{64} << 10;

// The first position at or after `at` that is not inside a UTF-8 sequence.
std::size_t next_boundary(std::string_view text, std::size_t at) {
  const auto inside = [&text](std::size_t i) {
    return (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
  };
  while (at < text.size() && inside(at))
    ++at;
  return at;
}

}  // namespace

void Capture::append(std::string_view text) {
  if (tail_.empty() && omitted_ == 0 && head_.size() < head_limit_) {
    std::size_t fits = std::min(text.size(), head_limit_ - head_.size());
    // A character that does not fit whole goes to the tail whole.
    while (fits > 0 && fits < text.size() && next_boundary(text, fits) != fits)
      --fits;
    head_.append(text.substr(0, fits));
    text.remove_prefix(fits);
  }
  if (text.empty()) return;
  // Small pieces share a string, which is cheaper than one each.
  if (!tail_.empty() && tail_.back().size() + text.size() <= kPieceSize) {
    tail_.back().append(text);
  } else {
    tail_.emplace_back(text);
  }
  tail_bytes_ += text.size();
  trim_tail();
}

void Capture::trim_tail() {
  while (tail_bytes_ > tail_limit_) {
    const std::string& oldest = tail_.front();
    const std::size_t excess = tail_bytes_ - tail_limit_;
    const std::size_t left = oldest.size() - skipped_;
    if (excess < left) {
      // Not erased but skipped: cutting it shorter again and again would move its rest every time.
      const std::size_t cut = next_boundary(oldest, skipped_ + excess) - skipped_;
      if (cut < left) {
        skipped_ += cut;
        tail_bytes_ -= cut;
        omitted_ += cut;
        return;
      }
    }
    tail_bytes_ -= left;
    omitted_ += left;
    skipped_ = 0;
    tail_.pop_front();
  }
}

void Capture::clear() {
  head_.clear();
  tail_.clear();
  skipped_ = 0;
  tail_bytes_ = 0;
  omitted_ = 0;
}

std::string Capture::text() const {
  std::string all;
  all.reserve(size());
  all = head_;
  std::size_t skip = skipped_;
  for (const std::string& piece : tail_) {
    all.append(piece, skip);
    skip = 0;
  }
  return all;
}

}  // namespace nullspace::inline v0

// Output kept for a result: all of it up to a limit, beyond that its beginning and its end.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace nullspace::inline v0 {

class Capture {
 public:
  explicit Capture(std::size_t limit) : head_limit_(limit - limit / 2), tail_limit_(limit / 2) {}

  void append(std::string_view text);
  void clear();
  [[nodiscard]] std::string text() const;
  // Bytes that had to be left out of the middle.
  [[nodiscard]] std::size_t omitted() const noexcept { return omitted_; }
  [[nodiscard]] std::size_t size() const noexcept { return head_.size() + tail_bytes_; }

 private:
  void trim_tail();

  std::size_t head_limit_;
  std::size_t tail_limit_;
  std::string head_;
  std::deque<std::string> tail_;
  // Bytes at the beginning of the oldest piece that are left out already.
  std::size_t skipped_{0};
  std::size_t tail_bytes_{0};
  std::size_t omitted_{0};
};

}  // namespace nullspace::inline v0

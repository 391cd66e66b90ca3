#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "wire/exec_messages.hpp"

namespace nullspace::local {

// The last bytes of a command's two streams, and in which order they came.
class OutputLog {
 public:
  explicit OutputLog(std::size_t limit_per_stream) : limit_(limit_per_stream) {}

  void append(wire::OutputStream stream, std::string_view bytes);
  void clear();

  // At most the limit; where something was cut off the text begins with a whole character.
  [[nodiscard]] std::string text(wire::OutputStream stream) const;
  [[nodiscard]] std::string interleaved() const;
  // Ever appended, kept or not.
  [[nodiscard]] std::uint64_t total(wire::OutputStream stream) const;
  // Roughly what it takes.
  [[nodiscard]] std::size_t memory() const { return half(0).charged + half(1).charged; }

 private:
  struct Chunk {
    std::uint64_t sequence = 0;
    std::string bytes;
  };
  struct Half {
    std::deque<Chunk> chunks;
    std::size_t bytes = 0;
    std::size_t charged = 0;  // with what a chunk costs by itself
    std::uint64_t total = 0;
  };

  [[nodiscard]] const Half& half(std::size_t index) const { return halves_[index]; }
  [[nodiscard]] std::size_t skipped(const Half& half) const;

  std::size_t limit_;
  std::uint64_t sequence_ = 0;
  std::array<Half, 2> halves_;
};

}  // namespace nullspace::local

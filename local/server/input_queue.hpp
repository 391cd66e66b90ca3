#pragma once

#include <cstddef>
#include <deque>
#include <string>

namespace nullspace::local {

// What still has to be written to a pipe or terminal whose reader takes its time.
class InputQueue {
 public:
  // Above this a client should be made to wait.
  static constexpr std::size_t kCongestedBytes = std::size_t{1} << 20U;
  // Above this nothing more is taken.
  static constexpr std::size_t kMaxBytes = std::size_t{32} << 20U;

  enum class Progress {
    idle,     // all written
    blocked,  // the descriptor is full: write again when it is ready
    broken,   // nobody will read any more
  };

  // False when it is full.
  bool push(std::string bytes);
  Progress write_to(int fd);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  void clear();

 private:
  std::deque<std::string> pieces_;
  std::size_t front_written_ = 0;
  std::size_t size_ = 0;
};

}  // namespace nullspace::local

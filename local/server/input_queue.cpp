#include "local/server/input_queue.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace nullspace::local {

bool InputQueue::push(std::string bytes) {
  if (bytes.empty()) return true;
  if (size_ + bytes.size() > kMaxBytes) return false;
  size_ += bytes.size();
  pieces_.push_back(std::move(bytes));
  return true;
}

InputQueue::Progress InputQueue::write_to(int fd) {
  while (!pieces_.empty()) {
    const std::string& front = pieces_.front();
    const ssize_t result =
        ::write(fd, front.data() + front_written_, front.size() - front_written_);
    if (result < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Progress::blocked;
      clear();
      return Progress::broken;
    }
    const std::size_t written = static_cast<std::size_t>(result);
    size_ -= written;
    front_written_ += written;
    if (front_written_ == front.size()) {
      pieces_.pop_front();
      front_written_ = 0;
    }
  }
  return Progress::idle;
}

void InputQueue::clear() {
  pieces_.clear();
  front_written_ = 0;
  size_ = 0;
}

}  // namespace nullspace::local

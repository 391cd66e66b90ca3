#include "transport/send_queue.hpp"

#include <cstring>
#include <utility>

namespace nullspace::inline v0::transport {

SendStatus SendQueue::push(std::string_view message, MessageKind kind) {
  // Copied without the lock: the I/O thread must not wait for 16 MiB to be moved.
  Frame frame;
  frame.buffer = std::make_unique_for_overwrite<unsigned char[]>(headroom_ + message.size());
  frame.headroom = headroom_;
  frame.size = message.size();
  frame.kind = kind;
  if (!message.empty()) std::memcpy(frame.payload(), message.data(), message.size());

  const std::size_t cost = message.size() + kMessageOverhead;
  const std::lock_guard lock(mutex_);
  if (closed_) return SendStatus::closed;
  if (queued_ > 0 && (queued_ >= limit_ || cost > limit_ - queued_)) {
    was_full_ = true;
    return SendStatus::full;
  }
  frames_.push_back(std::move(frame));
  queued_ += cost;
  return SendStatus::queued;
}

std::optional<SendQueue::Frame> SendQueue::pop() {
  const std::lock_guard lock(mutex_);
  if (frames_.empty()) return std::nullopt;
  std::optional<Frame> frame(std::move(frames_.front()));
  frames_.pop_front();
  return frame;
}

bool SendQueue::release(const Frame& frame) {
  const std::lock_guard lock(mutex_);
  const std::size_t cost = frame.size + kMessageOverhead;
  queued_ -= cost < queued_ ? cost : queued_;
  if (!was_full_ || queued_ > limit_ / 2) return false;
  was_full_ = false;
  return true;
}

bool SendQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return frames_.empty();
}

void SendQueue::refuse() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void SendQueue::clear() {
  std::deque<Frame> dropped;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  frames_.swap(dropped);
  queued_ = 0;
}

}  // namespace nullspace::inline v0::transport

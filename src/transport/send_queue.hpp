// Messages on their way out: any thread puts them in, the I/O thread takes them out.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include <nullspace/transport.hpp>

namespace nullspace::inline v0::transport {

enum class MessageKind { text, binary };

// Thread-safe and bounded.
class SendQueue {
 public:
  // A queued message costs more than its bytes; counted without, a flood of tiny ones would hold
  // hundreds of megabytes and seconds of work.
  static constexpr std::size_t kMessageOverhead = 128;

  // One message, with room before it for the head of its frame.
  struct Frame {
    std::unique_ptr<unsigned char[]> buffer{};
    std::size_t headroom{0};
    std::size_t size{0};
    MessageKind kind{MessageKind::text};
    // Bytes that have been handed on.
    std::size_t sent{0};

    [[nodiscard]] unsigned char* payload() const noexcept { return buffer.get() + headroom; }
  };

  SendQueue(std::size_t limit, std::size_t headroom) : limit_(limit), headroom_(headroom) {}

  // `full` above the limit, except that a message above it goes when nothing else is queued.
  [[nodiscard]] SendStatus push(std::string_view message, MessageKind kind = MessageKind::text);
  // The next message. It counts until it is given to release().
  [[nodiscard]] std::optional<Frame> pop();
  // true when a push() was refused and there is room again (at most half of the limit is used).
  [[nodiscard]] bool release(const Frame& frame);
  [[nodiscard]] bool empty() const;
  // From now on push() says `closed`; what was queued may still be taken.
  void refuse();
  // Drops what is queued, too.
  void clear();

 private:
  const std::size_t limit_;
  const std::size_t headroom_;
  mutable std::mutex mutex_;
  std::deque<Frame> frames_;
  std::size_t queued_{0};
  bool was_full_{false};
  bool closed_{false};
};

}  // namespace nullspace::inline v0::transport

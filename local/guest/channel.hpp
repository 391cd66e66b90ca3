#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/guest/protocol.hpp"
#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

struct Frame {
  FrameHeader header;
  std::string payload;
  std::vector<UniqueFd> descriptors;
};

// Cuts a byte stream into frames and hands each the descriptors that came with it. No I/O.
class FrameParser {
 public:
  void feed(std::string_view bytes, std::vector<UniqueFd> descriptors);
  // The next whole frame; nullopt when more bytes are needed or the stream is broken.
  std::optional<Frame> next();
  // A header that cannot be, a frame without its descriptors, descriptors without a frame: nothing
  // that follows makes sense.
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  std::optional<Frame> incomplete();
  std::optional<Frame> refuse();

  std::string buffer_;
  std::size_t consumed_ = 0;
  std::deque<UniqueFd> descriptors_;
  bool broken_ = false;
};

enum class ChannelStatus {
  ok,      // nothing more to be done now
  closed,  // the peer is gone
  broken,  // the peer sends nonsense, or the socket has failed
};

// Frames over a connected, non-blocking AF_UNIX stream socket, both ways.
class Channel {
 public:
  // Puts the socket into non-blocking mode.
  explicit Channel(UniqueFd socket);

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] bool wants_write() const { return !outgoing_.empty(); }

  void queue(std::string frame, std::vector<UniqueFd> descriptors = {});
  // Sends what the socket takes. What is left when the peer is gone is dropped.
  ChannelStatus flush();
  // Reads once; then call next() until it has nothing. To be called again when the socket is
  // readable.
  ChannelStatus fill();
  std::optional<Frame> next() { return parser_.next(); }
  [[nodiscard]] bool broken() const { return parser_.broken(); }

 private:
  struct Outgoing {
    std::string bytes;
    std::size_t sent = 0;
    std::vector<UniqueFd> descriptors;  // emptied with the first byte sent
  };

  UniqueFd socket_;
  std::deque<Outgoing> outgoing_;
  FrameParser parser_;
};

}  // namespace nullspace::local::guest

#include "local/guest/channel.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace nullspace::local::guest {
namespace {

constexpr std::size_t kReadBytes = 64U << 10U;

using ControlBuffer = std::array<char, CMSG_SPACE(sizeof(int) * kMaxFrameDescriptors)>;

// Takes the descriptors out of a received message. False if some were cut off for want of space.
bool collect_descriptors(msghdr& message, std::vector<UniqueFd>& descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
  return (message.msg_flags & MSG_CTRUNC) == 0;
}

}  // namespace

void FrameParser::feed(std::string_view bytes, std::vector<UniqueFd> descriptors) {
  if (consumed_ > 0) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  buffer_ += bytes;
  for (UniqueFd& descriptor : descriptors)
    descriptors_.push_back(std::move(descriptor));
}

std::optional<Frame> FrameParser::refuse() {
  broken_ = true;
  descriptors_.clear();
  return std::nullopt;
}

std::optional<Frame> FrameParser::incomplete() {
  // Descriptors come with the first byte of their frame, so only those of one frame can be waiting.
  // A peer that sends more would have us run out of them.
  return descriptors_.size() > kMaxFrameDescriptors ? refuse() : std::nullopt;
}

std::optional<Frame> FrameParser::next() {
  if (broken_) return std::nullopt;
  const std::string_view rest = std::string_view(buffer_).substr(consumed_);
  if (rest.size() < kFrameHeaderBytes) return incomplete();
  const std::optional<FrameHeader> header = decode_header(rest);
  if (!header) return refuse();
  const std::size_t whole = kFrameHeaderBytes + header->payload_bytes;
  if (rest.size() < whole) return incomplete();
  if (descriptors_.size() < header->descriptors) return refuse();
  Frame frame;
  frame.header = *header;
  frame.payload = rest.substr(kFrameHeaderBytes, header->payload_bytes);
  for (std::uint8_t i = 0; i < header->descriptors; ++i) {
    frame.descriptors.push_back(std::move(descriptors_.front()));
    descriptors_.pop_front();
  }
  consumed_ += whole;
  return frame;
}

Channel::Channel(UniqueFd socket) : socket_(std::move(socket)) {
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags >= 0) ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
}

void Channel::queue(std::string frame, std::vector<UniqueFd> descriptors) {
  Outgoing outgoing;
  outgoing.bytes = std::move(frame);
  outgoing.descriptors = std::move(descriptors);
  outgoing_.push_back(std::move(outgoing));
}

ChannelStatus Channel::flush() {
  while (!outgoing_.empty()) {
    Outgoing& front = outgoing_.front();
    iovec part{};
    part.iov_base = front.bytes.data() + front.sent;
    part.iov_len = front.bytes.size() - front.sent;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) ControlBuffer control{};
    if (!front.descriptors.empty()) {
      const std::size_t bytes = sizeof(int) * front.descriptors.size();
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(bytes);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(bytes);
      for (std::size_t i = 0; i < front.descriptors.size(); ++i) {
        const int fd = front.descriptors[i].get();
        std::memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
      }
    }
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return ChannelStatus::ok;
      const bool peer_gone = errno == EPIPE || errno == ECONNRESET;
      outgoing_.clear();
      return peer_gone ? ChannelStatus::closed : ChannelStatus::broken;
    }
    front.descriptors.clear();
    front.sent += static_cast<std::size_t>(sent);
    if (front.sent == front.bytes.size()) outgoing_.pop_front();
  }
  return ChannelStatus::ok;
}

ChannelStatus Channel::fill() {
  std::array<char, kReadBytes> buffer;
  iovec part{};
  part.iov_base = buffer.data();
  part.iov_len = buffer.size();
  alignas(cmsghdr) ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t received = -1;
  do {
    received = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return ChannelStatus::ok;
    return errno == ECONNRESET ? ChannelStatus::closed : ChannelStatus::broken;
  }
  std::vector<UniqueFd> descriptors;
  if (!collect_descriptors(message, descriptors)) return ChannelStatus::broken;
  if (received == 0) return ChannelStatus::closed;
  parser_.feed(std::string_view(buffer.data(), static_cast<std::size_t>(received)),
               std::move(descriptors));
  return ChannelStatus::ok;
}

}  // namespace nullspace::local::guest

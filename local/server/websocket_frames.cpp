#include "local/server/websocket_frames.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "wire/base64.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

namespace {

constexpr std::uint8_t kContinuation = 0x0;
constexpr std::uint8_t kText = 0x1;
constexpr std::uint8_t kBinary = 0x2;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPing = 0x9;
constexpr std::uint8_t kPong = 0xA;
constexpr std::size_t kMaxControl = 125;

bool is_control(std::uint8_t opcode) {
  return (opcode & 0x8U) != 0;
}

std::uint8_t byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<std::uint8_t>(bytes[index]);
}

std::string frame_header(std::uint8_t opcode, std::size_t size, bool last = true) {
  std::string header;
  header.push_back(static_cast<char>((last ? 0x80U : 0U) | opcode));
  if (size < 126) {
    header.push_back(static_cast<char>(size));
  } else if (size <= 0xFFFF) {
    header.push_back(126);
    header.push_back(static_cast<char>((size >> 8U) & 0xFFU));
    header.push_back(static_cast<char>(size & 0xFFU));
  } else {
    header.push_back(127);
    for (unsigned shift = 64; shift > 0; shift -= 8) {
      header.push_back(
          static_cast<char>((static_cast<std::uint64_t>(size) >> (shift - 8)) & 0xFFU));
    }
  }
  return header;
}

}  // namespace

bool may_be_close_code(std::int64_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

std::optional<FrameFailure> FrameDecoder::feed(std::string_view bytes,
                                               std::vector<Received>& received) {
  while (true) {
    if (!in_payload_) {
      if (bytes.empty()) return std::nullopt;
      // Two bytes tell how long the header is.
      const std::size_t wanted = header_size_ == 0 ? 2 : header_size_;
      const std::size_t count = std::min(wanted - header_.size(), bytes.size());
      header_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      if (header_.size() < wanted) continue;
      if (header_size_ == 0) {
        const std::uint8_t length = byte_at(header_, 1) & 0x7FU;
        const bool masked = (byte_at(header_, 1) & 0x80U) != 0;
        if (!masked) return FrameFailure{kCloseProtocolError, "client frames must be masked"};
        header_size_ = 6U + (length == 126 ? 2U : length == 127 ? 8U : 0U);
        continue;
      }
      if (auto failure = begin_frame()) return failure;
    }
    const std::size_t count =
        static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
    std::string& target = is_control(opcode_) ? control_ : message_;
    const std::size_t start = target.size();
    target.append(bytes.substr(0, count));
    for (std::size_t i = start; i < target.size(); ++i) {
      target[i] = static_cast<char>(byte_at(target, i) ^ mask_[mask_offset_ & 3U]);
      ++mask_offset_;
    }
    bytes.remove_prefix(count);
    remaining_ -= count;
    if (remaining_ > 0) return std::nullopt;
    if (auto failure = end_frame(received)) return failure;
  }
}

std::optional<FrameFailure> FrameDecoder::begin_frame() {
  const std::uint8_t first = byte_at(header_, 0);
  opcode_ = first & 0x0FU;
  final_ = (first & 0x80U) != 0;
  if ((first & 0x70U) != 0) return FrameFailure{kCloseProtocolError, "reserved bits are set"};
  std::size_t at = 2;
  remaining_ = byte_at(header_, 1) & 0x7FU;
  const std::size_t extended = remaining_ == 126 ? 2 : remaining_ == 127 ? 8 : 0;
  if (extended > 0) {
    remaining_ = 0;
    for (; at < 2 + extended; ++at)
      remaining_ = (remaining_ << 8U) | byte_at(header_, at);
  }
  for (std::size_t i = 0; i < 4; ++i)
    mask_[i] = byte_at(header_, at + i);
  mask_offset_ = 0;
  header_.clear();
  header_size_ = 0;
  in_payload_ = true;

  if (is_control(opcode_)) {
    if (opcode_ > kPong) return FrameFailure{kCloseProtocolError, "unknown opcode"};
    if (!final_ || remaining_ > kMaxControl) {
      return FrameFailure{kCloseProtocolError, "malformed control frame"};
    }
    control_.clear();
    return std::nullopt;
  }
  if (opcode_ > kBinary) return FrameFailure{kCloseProtocolError, "unknown opcode"};
  if ((opcode_ == kContinuation) != in_message_) {
    return FrameFailure{kCloseProtocolError, "a message within a message, or a stray continuation"};
  }
  if (opcode_ != kContinuation) {
    in_message_ = true;
    binary_ = opcode_ == kBinary;
  }
  if (remaining_ > max_message_ || message_.size() + remaining_ > max_message_) {
    return FrameFailure{kCloseTooBig,
                        "a message may have " + std::to_string(max_message_) + " bytes"};
  }
  return std::nullopt;
}

std::optional<FrameFailure> FrameDecoder::end_frame(std::vector<Received>& received) {
  in_payload_ = false;
  if (!is_control(opcode_)) {
    if (!final_) return std::nullopt;
    in_message_ = false;
    if (!binary_ && !wire::is_valid_utf8(message_)) {
      return FrameFailure{kCloseInvalidPayload, "a text message must be UTF-8"};
    }
    Received message;
    message.binary = binary_;
    message.payload = std::exchange(message_, {});
    received.push_back(std::move(message));
    return std::nullopt;
  }
  Received control;
  control.kind = opcode_ == kPing   ? FrameKind::ping
                 : opcode_ == kPong ? FrameKind::pong
                                    : FrameKind::close;
  if (opcode_ == kClose && !control_.empty()) {
    if (control_.size() < 2) return FrameFailure{kCloseProtocolError, "malformed close frame"};
    control.close_code =
        static_cast<std::uint16_t>((byte_at(control_, 0) << 8U) | byte_at(control_, 1));
    control_.erase(0, 2);
    if (!may_be_close_code(control.close_code)) {
      return FrameFailure{kCloseProtocolError, "close code not allowed"};
    }
    if (!wire::is_valid_utf8(control_)) {
      return FrameFailure{kCloseInvalidPayload, "the reason of a close must be UTF-8"};
    }
  }
  control.payload = std::exchange(control_, {});
  received.push_back(std::move(control));
  return std::nullopt;
}

std::string text_frame_header(std::size_t payload_size) {
  return frame_header(kText, payload_size);
}

std::string binary_frame_header(std::size_t payload_size) {
  return frame_header(kBinary, payload_size);
}

std::string text_fragment_header(std::size_t payload_size, bool first, bool last) {
  return frame_header(first ? kText : kContinuation, payload_size, last);
}

std::string ping_frame(std::string_view payload) {
  return frame_header(kPing, payload.size()).append(payload);
}

std::string pong_frame(std::string_view payload) {
  return frame_header(kPong, payload.size()).append(payload);
}

std::string close_frame(std::uint16_t code, std::string_view reason) {
  std::string payload;
  if (code != kCloseNoStatus) {
    payload.push_back(static_cast<char>(code >> 8U));
    payload.push_back(static_cast<char>(code & 0xFFU));
    std::string text(reason.substr(0, kMaxControl - 2));
    while (!wire::is_valid_utf8(text))
      text.pop_back();
    payload += text;
  }
  return frame_header(kClose, payload.size()).append(payload);
}

std::optional<std::string> websocket_accept(std::string_view key) {
  const auto nonce = wire::decode_base64(key);
  if (!nonce || nonce->size() != 16) return std::nullopt;
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    return std::nullopt;
  }
  const std::string bytes(digest.begin(), digest.begin() + size);
  return wire::encode_base64(bytes);
}

}  // namespace nullspace::local

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nullspace::local {

inline constexpr std::uint16_t kCloseNormal = 1000;
inline constexpr std::uint16_t kCloseGoingAway = 1001;
inline constexpr std::uint16_t kCloseProtocolError = 1002;
inline constexpr std::uint16_t kCloseNoStatus = 1005;  // never on the wire
inline constexpr std::uint16_t kCloseAbnormal = 1006;  // neither: an end without a handshake
inline constexpr std::uint16_t kCloseInvalidPayload = 1007;
inline constexpr std::uint16_t kClosePolicy = 1008;
inline constexpr std::uint16_t kCloseTooBig = 1009;
inline constexpr std::uint16_t kCloseInternal = 1011;

// Whether a close frame may have it.
[[nodiscard]] bool may_be_close_code(std::int64_t code);

enum class FrameKind { message, ping, pong, close };

struct Received {
  FrameKind kind = FrameKind::message;
  bool binary = false;  // of a message
  std::string payload;  // of a close: its reason
  std::uint16_t close_code = kCloseNoStatus;
};

struct FrameFailure {
  std::uint16_t close_code = kCloseProtocolError;
  std::string reason;
};

// The client's half of RFC 6455: masked frames in, whole messages and control frames out. No I/O,
// no extensions.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t max_message) : max_message_(max_message) {}

  // Appends what has become complete. After a failure nothing more can be decoded; what was
  // complete before it is in `received`.
  std::optional<FrameFailure> feed(std::string_view bytes, std::vector<Received>& received);

 private:
  std::optional<FrameFailure> begin_frame();
  std::optional<FrameFailure> end_frame(std::vector<Received>& received);

  std::size_t max_message_;
  std::string header_;
  std::size_t header_size_ = 0;  // 0: not known yet
  bool in_payload_ = false;

  std::uint8_t opcode_ = 0;
  bool final_ = false;
  std::uint64_t remaining_ = 0;
  std::uint32_t mask_offset_ = 0;
  std::uint8_t mask_[4] = {};

  bool in_message_ = false;
  bool binary_ = false;
  std::string message_;
  std::string control_;
};

// Header of an unfragmented, unmasked frame.
std::string text_frame_header(std::size_t payload_size);
std::string binary_frame_header(std::size_t payload_size);
// Header of one part of a fragmented text message.
std::string text_fragment_header(std::size_t payload_size, bool first, bool last);
std::string ping_frame(std::string_view payload);
std::string pong_frame(std::string_view payload);
// The reason is cut to what a control frame holds.
std::string close_frame(std::uint16_t code, std::string_view reason);

// Value of Sec-WebSocket-Accept; nullopt when the key is not 16 bytes in base64.
std::optional<std::string> websocket_accept(std::string_view key);

}  // namespace nullspace::local

#include "local/server/websocket_frames.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using nullspace::local::FrameDecoder;
using nullspace::local::FrameKind;
using nullspace::local::Received;

constexpr std::array<char, 4> kMask{0x11, 0x22, 0x33, 0x44};

std::string frame(unsigned first, std::string_view payload) {
  std::string bytes(1, static_cast<char>(first));
  if (payload.size() < 126) {
    bytes.push_back(static_cast<char>(0x80U | payload.size()));
  } else {
    bytes.push_back(static_cast<char>(0xFEU));
    bytes.push_back(static_cast<char>(payload.size() >> 8U));
    bytes.push_back(static_cast<char>(payload.size() & 0xFFU));
  }
  bytes.append(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    bytes.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  }
  return bytes;
}

int close_code(std::string_view bytes, std::size_t limit = 1000) {
  FrameDecoder decoder(limit);
  std::vector<Received> received;
  const auto failure = decoder.feed(bytes, received);
  return failure ? failure->close_code : 0;
}

}  // namespace

TEST_CASE("fragments with a ping between them become one message, however they are cut") {
  const std::string bytes = frame(0x01, "hel") + frame(0x89, "ping") + frame(0x00, "lo ") +
                            frame(0x80, std::string(300, 'x'));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
    FrameDecoder decoder(1000);
    std::vector<Received> received;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE_FALSE(decoder.feed(std::string_view(bytes).substr(at, piece), received));
    }
    REQUIRE(received.size() == 2);
    CHECK(received[0].kind == FrameKind::ping);
    CHECK(received[0].payload == "ping");
    CHECK(received[1].kind == FrameKind::message);
    CHECK_FALSE(received[1].binary);
    CHECK(received[1].payload == "hello " + std::string(300, 'x'));
  }
}

TEST_CASE("an empty message is a message") {
  FrameDecoder decoder(1000);
  std::vector<Received> received;
  REQUIRE_FALSE(decoder.feed(frame(0x82, ""), received));
  REQUIRE(received.size() == 1);
  CHECK(received[0].binary);
  CHECK(received[0].payload.empty());
}

TEST_CASE("a close brings its code") {
  FrameDecoder decoder(1000);
  std::vector<Received> received;
  REQUIRE_FALSE(decoder.feed(frame(0x88, "\x03\xE9gone"), received));
  REQUIRE(received.size() == 1);
  CHECK(received[0].kind == FrameKind::close);
  CHECK(received[0].close_code == 1001);
  CHECK(received[0].payload == "gone");
}

TEST_CASE("what the protocol forbids ends the connection with its code") {
  CHECK(close_code(std::string("\x81\x01x", 3)) == 1002);          // not masked
  CHECK(close_code(frame(0xC1, "x")) == 1002);                     // reserved bit
  CHECK(close_code(frame(0x83, "x")) == 1002);                     // unknown opcode
  CHECK(close_code(frame(0x8B, "x")) == 1002);                     // unknown control opcode
  CHECK(close_code(frame(0x80, "x")) == 1002);                     // stray continuation
  CHECK(close_code(frame(0x01, "x") + frame(0x81, "y")) == 1002);  // message in a message
  CHECK(close_code(frame(0x09, "x")) == 1002);                     // fragmented control frame
  CHECK(close_code(frame(0x89, std::string(126, 'x'))) == 1002);   // long control frame
  CHECK(close_code(frame(0x88, "x")) == 1002);                     // half a close code
  CHECK(close_code(frame(0x88, "\x03\xED")) == 1002);              // 1005 is never sent
  CHECK(close_code(frame(0x88, "\x03\xE8\xFF")) == 1007);          // reason is no text
  CHECK(close_code(frame(0x81, "\xFF")) == 1007);                  // text is no text
  CHECK(close_code(frame(0x82, std::string(1001, 'x'))) == 1009);  // too long at once
  CHECK(close_code(frame(0x02, std::string(900, 'x')) + frame(0x80, std::string(101, 'x'))) ==
        1009);  // too long in pieces
  CHECK(close_code(frame(0x82, std::string(1000, 'x'))) == 0);
}

TEST_CASE("a length nobody can mean is refused before anything is kept") {
  const std::string header("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x02\x03\x04", 14);
  CHECK(close_code(header) == 1009);
}

TEST_CASE("frames are written with the shortest length") {
  using namespace nullspace::local;
  CHECK(text_frame_header(125) == "\x81\x7D");
  CHECK(text_frame_header(126) == std::string("\x81\x7E\x00\x7E", 4));
  CHECK(text_frame_header(65'536) == std::string("\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10));
  CHECK(binary_frame_header(3) == "\x82\x03");
  CHECK(ping_frame("x") == "\x89\x01x");
  CHECK(close_frame(1000, "") == "\x88\x02\x03\xE8");
  CHECK(close_frame(1005, "") == std::string("\x88\x00", 2));
  // Cut to 125 bytes, and not inside a character.
  const std::string long_reason(122, 'x');
  CHECK(close_frame(1000, long_reason + "\xC3\xA4").size() == 2 + 2 + 122);
}

TEST_CASE("the handshake answers the example of RFC 6455") {
  using nullspace::local::websocket_accept;
  CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK_FALSE(websocket_accept(""));
  CHECK_FALSE(websocket_accept("c2hvcnQ="));
  CHECK_FALSE(websocket_accept("no base64 at all!!!!!!!!"));
}

#include "local/guest/channel.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "local/guest/protocol.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace guest = nullspace::local::guest;

std::string spawned_frame(bool terminal) {
  const auto frame = guest::encode(guest::GuestMessage(guest::Spawned{1, 2, terminal}));
  REQUIRE(frame);
  return *frame;
}

std::vector<guest::UniqueFd> some_descriptors(int count) {
  std::vector<guest::UniqueFd> descriptors;
  for (int i = 0; i < count; ++i) {
    descriptors.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(descriptors.back());
  }
  return descriptors;
}

}  // namespace

TEST_CASE("frames come out whole, however the bytes arrive") {
  const std::string bytes = spawned_frame(false) + spawned_frame(false) + spawned_frame(false);
  const auto step = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{8}, std::size_t{1000});
  guest::FrameParser parser;
  int frames = 0;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    parser.feed(std::string_view(bytes).substr(at, step), {});
    while (auto frame = parser.next()) {
      CHECK(guest::decode_guest_message(frame->header, frame->payload));
      ++frames;
    }
  }
  CHECK(frames == 3);
  CHECK_FALSE(parser.broken());
}

TEST_CASE("each frame gets its own descriptors") {
  guest::FrameParser parser;
  auto descriptors = some_descriptors(2);
  const int first = descriptors[0].get();
  const int second = descriptors[1].get();
  parser.feed(spawned_frame(true) + spawned_frame(false) + spawned_frame(true),
              std::move(descriptors));
  auto frame = parser.next();
  REQUIRE(frame);
  REQUIRE(frame->descriptors.size() == 1);
  CHECK(frame->descriptors[0].get() == first);
  frame = parser.next();
  REQUIRE(frame);
  CHECK(frame->descriptors.empty());
  frame = parser.next();
  REQUIRE(frame);
  REQUIRE(frame->descriptors.size() == 1);
  CHECK(frame->descriptors[0].get() == second);
}

TEST_CASE("a frame without its descriptors breaks the stream") {
  guest::FrameParser parser;
  parser.feed(spawned_frame(true), {});
  CHECK_FALSE(parser.next());
  CHECK(parser.broken());
}

TEST_CASE("descriptors that no frame claims break the stream and are closed") {
  guest::FrameParser parser;
  auto descriptors = some_descriptors(4);
  const int one = descriptors[0].get();
  parser.feed("x", std::move(descriptors));
  CHECK_FALSE(parser.next());
  CHECK(parser.broken());
  CHECK(::fcntl(one, F_GETFD) == -1);
}

TEST_CASE("garbage breaks the stream for good") {
  guest::FrameParser parser;
  parser.feed("GET / HTTP/1.1\r\n\r\n", {});
  CHECK_FALSE(parser.next());
  CHECK(parser.broken());
  parser.feed(spawned_frame(false), {});
  CHECK_FALSE(parser.next());
}

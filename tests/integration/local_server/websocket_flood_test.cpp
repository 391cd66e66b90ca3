// A session under a client that sends much and reads nothing.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "local/server/channels/lifecycle_channel.hpp"
#include "local/server/faults/fault_book.hpp"
#include "local/server/websocket_session.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace nullspace::local;
using namespace std::chrono_literals;

// Masked with zeros.
std::string frame(unsigned char first_byte, std::string_view payload) {
  std::string bytes{static_cast<char>(first_byte), static_cast<char>(0x80U | payload.size())};
  return bytes.append(4, '\0').append(payload);
}

std::string repeated(std::string_view bytes, std::size_t times) {
  std::string all;
  all.reserve(bytes.size() * times);
  for (std::size_t i = 0; i < times; ++i)
    all += bytes;
  return all;
}

class Silent : public WebSocketHandler {
  void on_open(std::shared_ptr<WebSocketSession> /*session*/) override {}
  void on_message(std::string /*text*/, bool /*binary*/) override {}
  void on_closed() override {}
};

struct Flooded {
  Flooded() : Flooded(ServiceClock::Mode::real, Clock::duration::zero(), nullptr) {}
  // Without a handler: a channel that answers everything.
  Flooded(ServiceClock::Mode mode, Clock::duration ping_interval,
          std::shared_ptr<WebSocketHandler> handler)
      : clock(*loop, mode) {
    if (!handler) handler = std::make_shared<LifecycleChannel>(journal, 1, std::nullopt);
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client.reset(ends[1]);
    session = std::make_shared<WebSocketSession>(
        ServingContext{*loop, clock, faults, ping_interval},
        std::make_unique<SocketStream>(*loop, guest::UniqueFd(ends[0])), std::move(handler),
        nullptr, [](WebSocketSession&) {});
    session->start({});
  }
  ~Flooded() { session->abort(); }
  Flooded(const Flooded&) = delete;
  Flooded& operator=(const Flooded&) = delete;

  // The loop goes round; in between the client does its part, until that says that it is done.
  void run_until(std::function<bool()> part) {
    const std::function<void()> step = [&] {
      most_queued = std::max(most_queued, session->queued());
      if (part()) return loop->stop();
      loop->post(step);
    };
    loop->post(step);
    loop->run();
  }
  void send_some(std::string_view& bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // The end of what came.
  void receive_some(std::string& tail) const {
    std::array<char, 65536> buffer{};
    ssize_t got = 0;
    while ((got = ::recv(client.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      tail.append(buffer.data(), static_cast<std::size_t>(got));
      if (tail.size() > 200) tail.erase(0, tail.size() - 200);
    }
  }

  std::unique_ptr<EventLoop> loop = EventLoop::create();
  ServiceClock clock;
  FaultBook faults;
  LifecycleJournal journal{[] { return nullspace::Timestamp(std::chrono::hours(480'000)); }};
  guest::UniqueFd client;
  std::shared_ptr<WebSocketSession> session;
  std::size_t most_queued = 0;
};

}  // namespace

TEST_CASE("who does not read the answers is not asked for more") {
  Flooded flooded;
  const std::string flood = repeated(frame(0x81, "nonsense"), 100'000);
  std::string_view left = flood;
  std::string tail;
  bool stuck = false;
  int rounds = 0;
  const auto limit = Clock::now() + 60s;
  flooded.run_until([&] {
    flooded.send_some(left);
    if (++rounds == 300) stuck = !left.empty();
    // From then on it reads, and everything goes on.
    if (rounds > 300) flooded.receive_some(tail);
    return left.empty() || Clock::now() > limit;
  });
  CHECK(stuck);
  CHECK(left.empty());
  CHECK(flooded.most_queued < 2'000'000);
}

TEST_CASE("pings that come faster than their pongs go out are answered by the last pong") {
  Flooded flooded;
  const std::string flood =
      repeated(frame(0x89, std::string(125, 'p')), 50'000) + frame(0x89, "last");
  const std::string pong = std::string("\x8a\x04") + "last";
  std::string_view left = flood;
  std::string tail;
  const auto limit = Clock::now() + 60s;
  flooded.run_until([&] {
    flooded.send_some(left);
    if (left.empty()) flooded.receive_some(tail);
    return tail.ends_with(pong) || Clock::now() > limit;
  });
  CHECK(left.empty());
  CHECK(flooded.most_queued < 300'000);
  CHECK(tail.ends_with(pong));
}

TEST_CASE("a manual clock does not wait for pongs that nobody reads") {
  Flooded flooded(ServiceClock::Mode::manual, 15s, std::make_shared<Silent>());
  flooded.session->pause_reading(true);
  bool moved = false;
  flooded.clock.advance(1h, [&](std::uint64_t) {
    moved = true;
    flooded.loop->stop();
  });
  Timer patience(*flooded.loop);
  patience.start(30s, [&] { flooded.loop->stop(); });
  flooded.loop->run();
  CHECK(moved);
  CHECK(flooded.session->open());
}

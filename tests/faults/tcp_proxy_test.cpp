// The proxy that other tests put in the way: that it does to a connection what its name says, and
// nothing else.
#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/raw_peer.hpp"

using namespace std::chrono_literals;
using nullspace::local::guest::UniqueFd;
using nullspace::tests::Cut;
using nullspace::tests::Direction;
using nullspace::tests::RandomCuts;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::TcpProxy;
using nullspace::tests::Toxics;

namespace {

using Clock = std::chrono::steady_clock;

enum class End { closed, reset, silent };

// A client's end of a connection.
class Client {
 public:
  explicit Client(const TcpProxy& proxy)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval guard{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(proxy.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0) {
      error_ = errno;
    }
  }

  // Of the attempt to connect; 0: it is open.
  [[nodiscard]] int error() const { return error_; }
  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void finish_writing() const { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }
  // Fewer bytes only when the connection ends.
  [[nodiscard]] std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
      const ssize_t got = ::recv(socket_.get(), bytes.data() + filled, size - filled, 0);
      if (got <= 0) {
        end_ = got == 0 ? End::closed : errno == ECONNRESET ? End::reset : End::silent;
        break;
      }
      filled += static_cast<std::size_t>(got);
    }
    bytes.resize(filled);
    return bytes;
  }
  [[nodiscard]] std::string read_to_end() {
    std::string all;
    while (!end_)
      all += read(65536);
    return all;
  }
  [[nodiscard]] End end() {
    (void)read_to_end();
    return *end_;
  }

 private:
  UniqueFd socket_;
  int error_{0};
  std::optional<End> end_;
};

// Gives back what it has got once the client has finished.
void echo_all(RawConnection& connection) {
  connection.write(connection.read_to_end());
  connection.finish_writing();
}

// Gives back every byte at once.
void echo_bytes(RawConnection& connection) {
  while (const auto byte = connection.read_exactly(1)) {
    if (!connection.write(*byte)) return;
  }
}

void send_for_ever(RawConnection& connection) {
  const std::string piece(1000, 'x');
  while (connection.write(piece)) {
  }
}

TcpProxy::Options options_for(const RawPeer& peer, std::uint64_t seed = 1) {
  return {.target_port = static_cast<std::uint16_t>(peer.port()), .seed = seed};
}

std::string numbered(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 2654435761U >> 24U);
  return bytes;
}

std::string through(const TcpProxy& proxy, std::string_view bytes) {
  Client client(proxy);
  std::thread writer([&] {
    client.write(bytes);
    client.finish_writing();
  });
  std::string back = client.read_to_end();
  writer.join();
  return back;
}

}  // namespace

TEST_CASE("TcpProxy: bytes and ends pass in both directions") {
  const RawPeer peer(echo_all);
  const TcpProxy proxy(options_for(peer));
  const std::string bytes = numbered(std::size_t{1} << 20);
  CHECK(through(proxy, bytes) == bytes);
  CHECK(through(proxy, "") == "");
  CHECK(test::eventually([&] { return proxy.counters().open == 0; }));
  const TcpProxy::Counters counters = proxy.counters();
  CHECK(counters.connections == 2);
  CHECK(counters.cuts == 0);
  CHECK(counters.upstream == bytes.size());
  CHECK(counters.downstream == bytes.size());
}

TEST_CASE("TcpProxy: a target that refuses is a reset") {
  TcpProxy proxy({.target_port = static_cast<std::uint16_t>(nullspace::tests::refusing_port())});
  Client client(proxy);
  CHECK(client.end() == End::reset);
}

TEST_CASE("TcpProxy: latency delays, jitter keeps the order") {
  const RawPeer peer(echo_bytes);
  TcpProxy proxy(options_for(peer));
  Client client(proxy);
  proxy.set_toxics(Direction::upstream, {.latency = 30ms});
  proxy.set_toxics(Direction::downstream, {.latency = 20ms});
  const auto start = Clock::now();
  client.write("x");
  CHECK(client.read(1) == "x");
  CHECK(Clock::now() - start >= 50ms);

  proxy.set_toxics(Direction::upstream, {.latency = 2ms, .jitter = 5ms});
  proxy.set_toxics(Direction::downstream, {.latency = 2ms, .jitter = 5ms});
  const std::string bytes = numbered(200);
  for (const char byte : bytes)
    client.write({&byte, 1});
  CHECK(client.read(bytes.size()) == bytes);
}

TEST_CASE("TcpProxy: bandwidth") {
  const RawPeer peer(echo_all);
  TcpProxy proxy(options_for(peer));
  proxy.set_toxics(Direction::upstream, {.bandwidth = 1'000'000});
  const std::string bytes = numbered(200'000);
  const auto start = Clock::now();
  CHECK(through(proxy, bytes) == bytes);
  // A little less, because the first piece does not wait.
  CHECK(Clock::now() - start >= 180ms);
}

TEST_CASE("TcpProxy: slices") {
  const RawPeer peer(echo_all);
  TcpProxy proxy(options_for(peer));
  proxy.set_toxics(
      Direction::upstream,
      {.slicer = Toxics::Slicer{.average_size = 10, .size_variation = 0, .delay = 1ms}});
  proxy.set_toxics(Direction::downstream, {.slicer = Toxics::Slicer{}});
  const std::string bytes = numbered(300);
  const auto start = Clock::now();
  CHECK(through(proxy, bytes) == bytes);
  CHECK(Clock::now() - start >= 29ms);
}

TEST_CASE("TcpProxy: a timeout holds back one direction, and closes in the end") {
  std::promise<void> speak;
  const RawPeer peer([heard = speak.get_future().share()](RawConnection& connection) {
    heard.wait();
    connection.write("hello");
    echo_bytes(connection);
  });
  TcpProxy proxy(options_for(peer));
  Client client(proxy);
  proxy.set_toxics(Direction::upstream, {.timeout = 0ms});
  client.write("held");
  speak.set_value();
  CHECK(client.read(5) == "hello");
  CHECK(proxy.counters().upstream == 0);
  proxy.clear_toxics();
  CHECK(client.read(4) == "held");

  proxy.set_toxics(Direction::downstream, {.timeout = 10ms});
  client.write("lost");
  CHECK(client.read_to_end().empty());
  CHECK(client.end() == End::closed);
  CHECK(test::eventually([&] { return proxy.counters().cuts == 1; }));
}

TEST_CASE("TcpProxy: reset_peer, slow_close, limit_data") {
  const RawPeer peer(echo_bytes);
  TcpProxy proxy(options_for(peer));

  proxy.set_toxics(Direction::upstream, {.reset_peer = 10ms});
  Client reset(proxy);
  CHECK(reset.end() == End::reset);

  proxy.set_toxics(Direction::upstream, {.slow_close = 30ms});
  Client slow(proxy);
  const auto start = Clock::now();
  slow.finish_writing();
  CHECK(slow.end() == End::closed);
  CHECK(Clock::now() - start >= 30ms);

  proxy.clear_toxics();
  proxy.set_toxics(Direction::downstream, {.limit_data = 1000});
  Client limited(proxy);
  const std::string bytes = numbered(1500);
  limited.write(bytes);
  CHECK(limited.read_to_end() == bytes.substr(0, 1000));
  CHECK(limited.end() == End::closed);
}

TEST_CASE("TcpProxy: a black hole swallows bytes and ends, and gives them back") {
  std::atomic<bool> ended{false};
  const RawPeer peer([&ended](RawConnection& connection) {
    connection.write("there");
    if (connection.read_exactly(4) == "here") ended = connection.read_to_end().empty();
  });
  TcpProxy proxy(options_for(peer));
  Client before(proxy);
  CHECK(before.read(5) == "there");
  proxy.black_hole(true);
  Client after(proxy);
  CHECK(after.error() == 0);
  before.write("here");
  before.close();
  const auto during = proxy.counters();
  CHECK(test::eventually([&] { return proxy.counters().connections == 2; }));
  CHECK(proxy.counters().open == 2);
  CHECK(proxy.counters().upstream == during.upstream);
  CHECK_FALSE(ended);
  proxy.black_hole(false);
  CHECK(after.read(5) == "there");
  CHECK(test::eventually([&] { return ended.load(); }));
}

TEST_CASE("TcpProxy: it refuses and welcomes again on its port") {
  const RawPeer peer(echo_bytes);
  TcpProxy proxy(options_for(peer));
  Client early(proxy);
  early.write("a");
  CHECK(early.read(1) == "a");
  for (int round = 0; round < 3; ++round) {
    proxy.refuse(true);
    CHECK(Client(proxy).error() == ECONNREFUSED);
    early.write("b");
    CHECK(early.read(1) == "b");
    proxy.refuse(false);
    Client late(proxy);
    CHECK(late.error() == 0);
    late.write("c");
    CHECK(late.read(1) == "c");
  }
}

TEST_CASE("TcpProxy: all connections cut at once") {
  std::atomic<int> ends{0};
  const RawPeer peer([&ends](RawConnection& connection) {
    echo_bytes(connection);
    ++ends;
  });
  TcpProxy proxy(options_for(peer));
  std::uint64_t cuts = 0;
  for (const Cut how : {Cut::close, Cut::reset}) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 10; ++i) {
      clients.push_back(std::make_unique<Client>(proxy));
      clients.back()->write("x");
      CHECK(clients.back()->read(1) == "x");
    }
    proxy.cut_all(how);
    CHECK(proxy.counters().open == 0);
    CHECK(proxy.counters().cuts == (cuts += 10));
    for (const auto& client : clients)
      CHECK(client->end() == (how == Cut::close ? End::closed : End::reset));
  }
  CHECK(test::eventually([&] { return ends == 20; }));
}

TEST_CASE("TcpProxy: cuts at random bytes, the same for the same seed") {
  const RawPeer peer(send_for_ever);
  const auto lengths = [&](std::uint64_t seed) {
    TcpProxy proxy(options_for(peer, seed));
    proxy.cut_randomly(RandomCuts{.min_bytes = 100, .max_bytes = 5000, .how = Cut::close});
    std::vector<std::size_t> seen;
    for (int i = 0; i < 20; ++i)
      seen.push_back(Client(proxy).read_to_end().size());
    CHECK(test::eventually([&] { return proxy.counters().cuts == 20; }));
    return seen;
  };
  const std::vector<std::size_t> first = lengths(7);
  CHECK(*std::min_element(first.begin(), first.end()) >= 100);
  CHECK(*std::max_element(first.begin(), first.end()) <= 5000);
  CHECK(*std::min_element(first.begin(), first.end()) <
        *std::max_element(first.begin(), first.end()));
  CHECK(lengths(7) == first);
  CHECK(lengths(8) != first);
}

TEST_CASE("TcpProxy: random cuts also meet what is open, close or reset, and stop on request") {
  const RawPeer peer(echo_bytes);
  TcpProxy proxy(options_for(peer));
  Client open(proxy);
  open.write("x");
  CHECK(open.read(1) == "x");
  proxy.cut_randomly(RandomCuts{.min_bytes = 0, .max_bytes = 10, .how = Cut::either});
  open.write(std::string(20, 'x'));
  CHECK(open.end() != End::silent);
  int resets = 0;
  for (int i = 0; i < 40; ++i) {
    Client client(proxy);
    client.write(std::string(20, 'x'));
    resets += client.end() == End::reset ? 1 : 0;
  }
  CHECK(resets > 0);
  CHECK(resets < 40);
  proxy.cut_randomly(std::nullopt);
  const std::string bytes = numbered(5000);
  Client whole(proxy);
  whole.write(bytes);
  CHECK(whole.read(bytes.size()) == bytes);
}

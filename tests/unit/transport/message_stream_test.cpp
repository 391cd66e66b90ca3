#include "transport/message_stream.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::SendStatus;
using nullspace::TransportFailureKind;
using nullspace::WebSocketConnection;
using nullspace::WebSocketListener;
using nullspace::WebSocketRequest;
using nullspace::WebSocketTransport;
using nullspace::support::Expiry;
using nullspace::transport::MessageStream;
using std::chrono::milliseconds;
using Wait = MessageStream::Wait;

namespace {

const Expiry kNever = Expiry::never();

std::shared_ptr<MessageStream> open(ScriptedWebSocket& network, std::size_t high_water = 1 << 20) {
  return MessageStream::open(network, {.url = "ws://h"}, high_water);
}

// A connection whose methods a test can hold up.
class HeldConnection final : public WebSocketConnection {
 public:
  SendStatus try_send(std::string_view /*message*/) override { return SendStatus::queued; }
  void pause_reading() override {
    pausing.open();
    (void)may_pause.wait();
    paused = true;
  }
  void resume_reading() override { paused = false; }
  void close(std::uint16_t /*code*/, std::string_view /*reason*/) override {}
  void abort() override {}

  Door pausing;
  Door may_pause;
  std::atomic<bool> paused{false};
};

class HeldTransport final : public WebSocketTransport {
 public:
  std::shared_ptr<WebSocketConnection> open(WebSocketRequest /*request*/,
                                            std::shared_ptr<WebSocketListener> listening) override {
    listener = std::move(listening);
    return connection;
  }
  std::shared_ptr<HeldConnection> connection{std::make_shared<HeldConnection>()};
  std::shared_ptr<WebSocketListener> listener;
};

}  // namespace

TEST_CASE("a stream opens, or says why not") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  CHECK_FALSE(stream->is_open());
  CHECK(stream->wait_open(Expiry::after(milliseconds{0}), {}) == Wait::timed_out);
  std::stop_source stop;
  stop.request_stop();
  CHECK(stream->wait_open(kNever, stop.get_token()) == Wait::cancelled);
  SECTION("open") {
    network.peer(0)->accept();
    CHECK(stream->wait_open(kNever, {}) == Wait::ready);
    CHECK(stream->is_open());
    CHECK_FALSE(stream->close_cause());
  }
  SECTION("refused") {
    network.peer(0)->refuse(401);
    CHECK(stream->wait_open(kNever, {}) == Wait::closed);
    CHECK(stream->close_cause()->http_status == 401);
    CHECK_FALSE(stream->is_open());
    CHECK(stream->exhausted());
  }
}

TEST_CASE("messages come out as they went in, also after the close") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  peer->accept();
  CHECK_FALSE(stream->take());
  peer->push("a");
  peer->push("");
  peer->push("c");
  peer->close(1000);
  CHECK(peer->wait_closed());
  CHECK_FALSE(stream->is_open());
  CHECK_FALSE(stream->exhausted());
  CHECK(stream->wait_message(kNever, {}) == Wait::ready);
  CHECK(stream->take() == "a");
  CHECK(stream->take() == "");
  CHECK_FALSE(stream->exhausted());
  CHECK(stream->take() == "c");
  CHECK(stream->exhausted());
  CHECK(stream->wait_message(kNever, {}) == Wait::closed);
  CHECK_FALSE(stream->take());
}

TEST_CASE("waiting for a message has a deadline and can be stopped") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  network.peer(0)->accept();
  CHECK(stream->wait_message(Expiry::after(milliseconds{5}), {}) == Wait::timed_out);
  std::stop_source stop;
  std::jthread stopper([&stop] { stop.request_stop(); });
  CHECK(stream->wait_message(kNever, stop.get_token()) == Wait::cancelled);
}

TEST_CASE("every event changes the version, and so does wake()") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  std::uint64_t seen = stream->version();
  CHECK(stream->wait_change(seen, Expiry::after(milliseconds{0}), {}) == Wait::timed_out);
  const auto changed = [&] {
    const bool ready = stream->wait_change(seen, kNever, {}) == Wait::ready;
    seen = stream->version();
    return ready;
  };
  peer->accept();
  CHECK(changed());
  peer->push("a");
  CHECK(changed());
  stream->wake();
  CHECK(changed());
  peer->close();
  CHECK(changed());
  CHECK(stream->wait_change(seen, Expiry::after(milliseconds{0}), {}) == Wait::timed_out);
}

TEST_CASE("the ready hook is called for everything, and at once") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  peer->accept();
  peer->push("a");
  network.settle();
  std::atomic<int> calls{0};
  stream->set_ready_hook([&calls] { ++calls; });
  CHECK(calls == 1);
  peer->push("b");
  network.settle();
  CHECK(calls == 2);
  peer->close();
  network.settle();
  CHECK(calls == 3);
}

TEST_CASE("unread messages stop the reading, half of them resume it") {
  ScriptedWebSocket network;
  const auto stream = open(network, 1000);
  const auto peer = network.peer(0);
  peer->accept();
  // Even messages without a byte cost something.
  const std::string message =
      GENERATE(std::string(), std::string(100, 'x'), std::string(5000, 'x'));
  for (int i = 0; i < 20; ++i)
    peer->push(message);
  CHECK(peer->wait_paused(true));
  int taken = 0;
  while (taken < 20) {
    REQUIRE(stream->wait_message(kNever, {}) == Wait::ready);
    CHECK(stream->take() == message);
    ++taken;
  }
  CHECK(peer->wait_paused(false));
  CHECK(peer->pauses() == peer->resumes());
  CHECK(peer->pauses() >= 1);
}

TEST_CASE("a pause does not overtake the resume that a reader decided on a moment later") {
  HeldTransport transport;
  const auto stream = MessageStream::open(transport, {.url = "ws://h"}, 10);
  transport.listener->on_open();
  std::jthread io([&] { transport.listener->on_message(std::string(100, 'x')); });
  // The I/O thread is on its way to pause; the reader takes everything meanwhile.
  REQUIRE(transport.connection->pausing.wait());
  CHECK(stream->take());
  transport.connection->may_pause.open();
  io.join();
  CHECK_FALSE(transport.connection->paused);
  transport.listener->on_closed({});
}

TEST_CASE("messages that came before the connection was known count, too") {
  struct Hasty final : WebSocketTransport {
    std::shared_ptr<WebSocketConnection> open(
        WebSocketRequest /*request*/, std::shared_ptr<WebSocketListener> listening) override {
      listening->on_open();
      listening->on_message(std::string(100, 'x'));
      listener = std::move(listening);
      connection->may_pause.open();
      return connection;
    }
    std::shared_ptr<HeldConnection> connection{std::make_shared<HeldConnection>()};
    std::shared_ptr<WebSocketListener> listener;
  } transport;
  const auto stream = MessageStream::open(transport, {.url = "ws://h"}, 10);
  CHECK(transport.connection->paused);
  CHECK(stream->is_open());
  CHECK(stream->take());
  CHECK_FALSE(transport.connection->paused);
  transport.listener->on_closed({});
}

TEST_CASE("sending goes through, waits for room, or says that it is over") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  peer->accept();
  CHECK(stream->send("a", kNever, {}) == Wait::ready);
  CHECK(peer->wait_sent(0) == "a");
  peer->stop_taking();
  CHECK(stream->send("b", Expiry::after(milliseconds{0}), {}) == Wait::timed_out);
  std::stop_source stop;
  stop.request_stop();
  CHECK(stream->send("b", kNever, stop.get_token()) == Wait::cancelled);
  std::jthread drainer([&peer] { peer->drain(); });
  CHECK(stream->send("c", kNever, {}) == Wait::ready);
  drainer.join();
  peer->stop_taking();
  std::jthread closer([&peer] { peer->close(); });
  CHECK(stream->send("d", kNever, {}) == Wait::closed);
  CHECK(stream->send("d", kNever, {}) == Wait::closed);
  CHECK(peer->sent() == std::vector<std::string>{"a", "c"});
}

TEST_CASE("room is told once and wakes all who wait for it") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  peer->accept();
  for (int round = 0; round < 50; ++round) {
    peer->stop_taking();
    Reported<int> sent;
    std::vector<std::jthread> senders;
    for (int i = 0; i < 4; ++i) {
      senders.emplace_back([&] {
        if (stream->send("x", Expiry::after(kPatience), {}) == Wait::ready) sent.add(1);
      });
    }
    peer->drain();
    senders.clear();
    REQUIRE(sent.count() == 4);
  }
}

TEST_CASE("a sender does not miss the room that another sender was told of") {
  // Scripted by hand: `full` for the first, room is told, the second sends, and only then the first
  // begins to wait.
  class Connection final : public WebSocketConnection {
   public:
    SendStatus try_send(std::string_view message) override {
      if (message == "first" && !refused) {
        refused = true;
        during_refusal();
        return SendStatus::full;
      }
      return SendStatus::queued;
    }
    void pause_reading() override {}
    void resume_reading() override {}
    void close(std::uint16_t /*code*/, std::string_view /*reason*/) override {}
    void abort() override {}
    bool refused{false};
    std::function<void()> during_refusal;
  };
  struct Transport final : WebSocketTransport {
    std::shared_ptr<WebSocketConnection> open(WebSocketRequest /*request*/,
                                              std::shared_ptr<WebSocketListener> l) override {
      listener = std::move(l);
      return connection;
    }
    std::shared_ptr<Connection> connection{std::make_shared<Connection>()};
    std::shared_ptr<WebSocketListener> listener;
  } transport;
  const auto stream = MessageStream::open(transport, {.url = "ws://h"}, 1000);
  transport.listener->on_open();
  transport.connection->during_refusal = [&] {
    transport.listener->on_drained();
    CHECK(stream->send("second", kNever, {}) == Wait::ready);
  };
  CHECK(stream->send("first", Expiry::after(std::chrono::seconds{5}), {}) == Wait::ready);
  transport.listener->on_closed({});
}

TEST_CASE("closing and aborting a stream that is over does nothing") {
  ScriptedWebSocket network;
  const auto stream = open(network);
  const auto peer = network.peer(0);
  peer->accept();
  stream->close();
  CHECK(peer->wait_closed());
  stream->close();
  stream->abort();
  CHECK(peer->client_close_code() == 1000);
  CHECK_FALSE(peer->aborted());
}

TEST_CASE("readers, senders and the network at once lose nothing") {
  ScriptedWebSocket network;
  const auto stream = open(network, 2000);
  const auto peer = network.peer(0);
  peer->accept();
  std::atomic<int> taken{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        while (stream->wait_message(kNever, {}) == Wait::ready) {
          if (stream->take()) ++taken;
        }
      });
      threads.emplace_back([&] {
        for (int k = 0; k < 300; ++k)
          (void)stream->send("x", kNever, {});
      });
    }
    for (int i = 0; i < 2000; ++i)
      peer->push("message");
    peer->close();
  }
  CHECK(taken == 2000);
}

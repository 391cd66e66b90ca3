// The end of a Runtime, at any time and from any thread.
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::SendStatus;
using nullspace::TransportFailureKind;
using nullspace::WebSocketConnection;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::RecordingListener;
using nullspace::tests::refusing_port;
using nullspace::tests::SocketClient;
namespace transport = nullspace::transport;
using Kind = TransportFailureKind;

TEST_CASE("Runtime: it is shared while somebody uses it") {
  auto first = transport::Runtime::shared();
  CHECK(transport::Runtime::shared() == first);
  const std::weak_ptr<transport::Runtime> watched = first;
  first.reset();
  CHECK(watched.expired());
  CHECK(transport::Runtime::shared() != nullptr);
}

TEST_CASE("Runtime: its end ends connections in every state, promptly, and each hears of it once") {
  RawPeer silent([](RawConnection& connection) {
    if (connection.accept_websocket()) connection.wait_for_end();
  });
  RawPeer unanswering([](RawConnection& connection) { connection.wait_for_end(); });
  RawPeer hung([](RawConnection&) {}, {.tls = {}, .ipv6 = false, .accept = false});
  for (int round = 0; round < 20; ++round) {
    SocketClient client;
    std::vector<std::shared_ptr<RecordingListener>> listeners;
    std::vector<std::shared_ptr<WebSocketConnection>> connections;
    const auto open = [&](const std::string& url) {
      listeners.push_back(std::make_shared<RecordingListener>());
      connections.push_back(
          client.websocket->open(SocketClient::request_to(url), listeners.back()));
    };
    for (int i = 0; i < 3; ++i) {
      open(silent.url("ws"));
      open(unanswering.url("ws"));
      open(hung.url("ws"));
      open("ws://no-such-host.invalid/");
      open("ws://127.0.0.1:" + std::to_string(refusing_port()) + "/");
    }
    if (round % 2 == 0) REQUIRE(listeners.front()->wait_open());
    if (round % 3 == 0) connections[0]->close(1000, "");
    if (round % 4 == 0) connections[3]->abort();

    const auto begun = std::chrono::steady_clock::now();
    client.websocket.reset();
    client.runtime.reset();
    CHECK(std::chrono::steady_clock::now() - begun < 2s);
    for (const auto& listener : listeners) {
      REQUIRE(listener->closed());
      REQUIRE(listener->closed_calls() == 1);
    }
    for (const auto& connection : connections) {
      CHECK(connection->try_send("late") == SendStatus::closed);
      connection->close(1000, "");
      connection->abort();
    }
  }
}

TEST_CASE("Runtime: its end is told to peers that listen") {
  std::promise<int> code;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    const auto frame = connection.read_data_frame();
    code.set_value(frame && frame->opcode == Opcode::close ? frame->close_code() : -1);
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  client.websocket.reset();
  client.runtime.reset();
  CHECK(client.listener->closed());
  CHECK(code.get_future().get() == 1001);
}

TEST_CASE("Runtime: it may end while threads are sending") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    while (const auto frame = connection.read_data_frame()) {
      if (!connection.send_frame(Opcode::text, "answer")) return;
    }
  });
  for (int round = 0; round < 20; ++round) {
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    std::vector<std::thread> threads;
    std::atomic<int> sent{0};
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        while (client.connection->try_send("message") != SendStatus::closed)
          ++sent;
      });
    }
    while (sent < 100)
      std::this_thread::yield();
    client.websocket.reset();
    client.runtime.reset();
    for (std::thread& thread : threads)
      thread.join();
    REQUIRE(client.listener->closed_calls() == 1);
  }
}

TEST_CASE("Runtime: it may end while threads are opening connections") {
  RawPeer peer([](RawConnection& connection) {
    if (connection.accept_websocket()) connection.wait_for_end();
  });
  for (int round = 0; round < 20; ++round) {
    auto runtime = std::make_shared<transport::Runtime>();
    std::vector<std::shared_ptr<RecordingListener>> listeners(40);
    for (auto& listener : listeners)
      listener = std::make_shared<RecordingListener>();
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back(
          [&, own = std::make_shared<transport::LwsWebSocketTransport>(
                  runtime, transport::LwsWebSocketOptions{.proxy = ""})]() mutable {
            std::vector<std::shared_ptr<WebSocketConnection>> held;
            for (std::size_t i = next++; i < listeners.size(); i = next++) {
              held.push_back(own->open(SocketClient::request_to(peer.url("ws")), listeners[i]));
            }
            own.reset();
          });
    }
    runtime.reset();
    for (std::thread& thread : threads)
      thread.join();
    for (const auto& listener : listeners)
      REQUIRE(listener->wait_closed().message != "still open");
  }
}

TEST_CASE("Runtime: its last owner may die inside a callback") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::text, "now");
    connection.wait_for_end();
  });
  SECTION("on the I/O thread") {
    for (int round = 0; round < 20; ++round) {
      auto client = std::make_unique<SocketClient>();
      const auto listener = client->listener;
      std::promise<void> handed_over;
      std::shared_ptr<transport::Runtime> last;
      listener->when_message = [&, set = handed_over.get_future().share()](const std::string&) {
        set.wait();
        last.reset();
      };
      client->open(peer);
      const auto connection = client->connection;
      last = client->runtime;
      client.reset();
      handed_over.set_value();
      CHECK(listener->wait_closed().kind == Kind::cancelled);
    }
  }
  SECTION("on the thread of the callbacks") {
    for (int round = 0; round < 20; ++round) {
      auto client = std::make_unique<SocketClient>();
      const auto listener = client->listener;
      client->open(peer);
      const auto connection = client->connection;
      REQUIRE(listener->wait_open());
      transport::Dispatcher& dispatcher = client->runtime->dispatcher();
      auto last = std::make_shared<std::shared_ptr<transport::Runtime>>(client->runtime);
      std::promise<void> handed_over;
      dispatcher.post([last, set = handed_over.get_future().share()] {
        set.wait();
        last->reset();
      });
      last.reset();
      client.reset();
      handed_over.set_value();
      CHECK(listener->wait_closed().kind == Kind::cancelled);
    }
  }
}

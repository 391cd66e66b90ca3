// How connections end, and what is said about it: on_closed() comes last, once, whatever happens.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::SendStatus;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::WebSocketConnection;
using nullspace::WebSocketListener;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawFrame;
using nullspace::tests::RawPeer;
using nullspace::tests::RecordingListener;
using nullspace::tests::SocketClient;
using Kind = TransportFailureKind;

namespace {

// Accepts and reads until the end, answering a close frame.
void polite(RawConnection& connection) {
  if (!connection.accept_websocket()) return;
  while (const auto frame = connection.read_data_frame()) {
    if (frame->opcode == Opcode::close) {
      connection.send_close(frame->close_code());
      return;
    }
  }
}

// Accepts and then neither reads nor writes until the client has gone.
void silent(RawConnection& connection) {
  if (connection.accept_websocket()) connection.wait_for_end();
}

}  // namespace

TEST_CASE("WebSocket: each close code of the peer is reported and answered") {
  const int code = GENERATE(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
                            3000, 4000, 4999);
  CAPTURE(code);
  std::promise<int> answered;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_close(code, "because");
    const auto frame = connection.read_data_frame();
    answered.set_value(frame && frame->opcode == Opcode::close ? frame->close_code() : -1);
    // Not the peer's turn to hang up first: the client must not wait for it.
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::closed);
  CHECK(failure.close_reason == "because");
  // libwebsockets 4.1 rewrites these three before anybody sees them.
  if (code >= 1012 && code <= 1014 && failure.close_code == 1002) {
    CHECK(answered.get_future().get() == 1002);
  } else {
    CHECK(failure.close_code == code);
    CHECK(answered.get_future().get() == code);
  }
  CHECK(client.listener->closed_calls() == 1);
}

TEST_CASE("WebSocket: a close frame without a code is 1005") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::close, "");
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::closed);
  CHECK(failure.close_code == 1005);
}

TEST_CASE("WebSocket: a close reason that is not UTF-8 is not answered as if all were well") {
  std::promise<int> answered;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_close(1000, "bad \xC0\xAF");
    const auto frame = connection.read_data_frame();
    answered.set_value(frame && frame->opcode == Opcode::close ? frame->close_code() : -1);
  });
  SocketClient client;
  client.open(peer);
  CHECK(client.listener->wait_closed().kind == Kind::protocol);
  CHECK(answered.get_future().get() == -1);
}

TEST_CASE("WebSocket: a connection that is cut is no close") {
  std::promise<void> go;
  SECTION("between messages") {
    RawPeer peer([](RawConnection& connection) {
      if (connection.accept_websocket()) connection.send_frame(Opcode::text, "one");
    });
    SocketClient client;
    client.open(peer);
    const TransportFailure failure = client.listener->wait_closed();
    CHECK(failure.kind == Kind::receive);
    CHECK(failure.close_code == 1006);
    CHECK(client.listener->messages() == std::vector<std::string>{"one"});
  }
  SECTION("in the middle of a message") {
    RawPeer peer([](RawConnection& connection) {
      if (connection.accept_websocket()) connection.send_frame(Opcode::text, "half", false);
    });
    SocketClient client;
    client.open(peer);
    CHECK(client.listener->wait_closed().kind == Kind::receive);
    CHECK(client.listener->messages().empty());
  }
  SECTION("in the middle of a frame") {
    RawPeer peer([](RawConnection& connection) {
      if (connection.accept_websocket()) connection.write("\x81\x0Ahalf");
    });
    SocketClient client;
    client.open(peer);
    CHECK(client.listener->wait_closed().kind == Kind::receive);
    CHECK(client.listener->messages().empty());
  }
  SECTION("with a reset") {
    RawPeer peer([&](RawConnection& connection) {
      if (!connection.accept_websocket()) return;
      go.get_future().wait();
      connection.reset();
    });
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    go.set_value();
    CHECK(client.listener->wait_closed().kind == Kind::receive);
  }
}

TEST_CASE("WebSocket: close() sends what is queued, then says goodbye") {
  std::promise<std::vector<std::string>> seen;
  std::promise<RawFrame> goodbye;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    std::vector<std::string> messages;
    while (const auto frame = connection.read_data_frame()) {
      if (frame->opcode == Opcode::close) {
        goodbye.set_value(*frame);
        connection.send_close(frame->close_code());
        break;
      }
      messages.push_back(frame->payload);
    }
    seen.set_value(messages);
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  std::vector<std::string> sent;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(std::to_string(i) + std::string(1'000, 'x'));
    REQUIRE(client.connection->try_send(sent.back()) == SendStatus::queued);
  }
  client.connection->close(4'001, "that is all");
  CHECK(client.connection->try_send("late") == SendStatus::closed);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::closed);
  CHECK(failure.close_code == 4'001);
  CHECK(seen.get_future().get() == sent);
  const RawFrame frame = goodbye.get_future().get();
  CHECK(frame.close_code() == 4'001);
  CHECK(frame.payload.substr(2) == "that is all");
  CHECK(client.listener->closed_calls() == 1);
}

TEST_CASE("WebSocket: close() ends within a second although the peer is silent") {
  const bool with_queue = GENERATE(false, true);
  CAPTURE(with_queue);
  std::promise<void> done;
  auto is_done = done.get_future().share();
  RawPeer peer([&](RawConnection& connection) {
    connection.set_receive_buffer(4'096);
    if (connection.accept_websocket()) is_done.wait();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  if (with_queue) {
    while (client.connection->try_send(std::string(100'000, 'x')) == SendStatus::queued) {
    }
  }
  const auto begun = std::chrono::steady_clock::now();
  client.connection->close(1000, "");
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  CHECK(failure.kind == Kind::closed);
  CHECK(failure.close_code == 1006);
  done.set_value();
}

TEST_CASE("WebSocket: odd codes and reasons for close() become sendable ones") {
  struct Case {
    int given;
    std::string reason;
    int sent;
    std::size_t size;
  };
  const Case given = GENERATE(
      Case{1005, "", 1000, 0}, Case{0, "", 1000, 0}, Case{999, "x", 1000, 1},
      Case{5000, "", 1000, 0}, Case{1000, std::string(200, 'r'), 1000, 123},
      Case{1000, std::string(122, 'r') + "\xC3\xA9", 1000, 122}, Case{1000, "\xFF", 1000, 0});
  CAPTURE(given.given, given.reason);
  std::promise<RawFrame> goodbye;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    if (const auto frame = connection.read_data_frame()) goodbye.set_value(*frame);
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  client.connection->close(static_cast<std::uint16_t>(given.given), given.reason);
  const RawFrame frame = goodbye.get_future().get();
  CHECK(frame.opcode == Opcode::close);
  CHECK(frame.close_code() == given.sent);
  CHECK(frame.payload.size() == 2 + given.size);
  CHECK(client.listener->wait_closed().kind == Kind::closed);
}

TEST_CASE("WebSocket: close() while reading is paused sees the answer") {
  RawPeer peer(polite);
  SocketClient client;
  client.open(peer);
  client.connection->pause_reading();
  REQUIRE(client.listener->wait_open());
  client.connection->close(1000, "");
  CHECK(client.listener->wait_closed().close_code == 1000);
}

TEST_CASE("WebSocket: abort() ends a connection in every state") {
  SECTION("open") {
    RawPeer peer(silent);
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    client.connection->abort();
    CHECK(client.listener->wait_closed().kind == Kind::cancelled);
    CHECK(client.connection->try_send("late") == SendStatus::closed);
  }
  SECTION("waiting for the upgrade") {
    std::promise<void> asked;
    RawPeer peer([&](RawConnection& connection) {
      (void)connection.read_through("\r\n\r\n");
      asked.set_value();
      connection.wait_for_end();
    });
    SocketClient client;
    client.open(peer);
    asked.get_future().wait();
    client.connection->abort();
    CHECK(client.listener->wait_closed().kind == Kind::cancelled);
    CHECK_FALSE(client.listener->opened());
  }
  SECTION("at once") {
    RawPeer peer(silent);
    SocketClient client;
    client.open(peer);
    client.connection->abort();
    CHECK(client.listener->wait_closed().kind == Kind::cancelled);
  }
  SECTION("closing") {
    RawPeer peer(silent);
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    client.connection->close(1000, "");
    client.connection->abort();
    CHECK(client.listener->wait_closed().kind != Kind::receive);
  }
  SECTION("twice, and after the end") {
    RawPeer peer(silent);
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    client.connection->abort();
    client.connection->abort();
    REQUIRE(client.listener->wait_closed().kind == Kind::cancelled);
    client.connection->abort();
    client.connection->close(1000, "");
    client.connection->pause_reading();
    client.connection->resume_reading();
    CHECK(client.listener->closed_calls() == 1);
  }
}

TEST_CASE("WebSocket: close() before it is open") {
  std::promise<void> asked;
  RawPeer peer([&](RawConnection& connection) {
    (void)connection.read_through("\r\n\r\n");
    asked.set_value();
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  asked.get_future().wait();
  client.connection->close(1000, "");
  CHECK(client.listener->wait_closed().kind == Kind::cancelled);
}

TEST_CASE("WebSocket: letting go of a connection ends it") {
  std::promise<void> ended;
  RawPeer peer([&](RawConnection& connection) {
    silent(connection);
    ended.set_value();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  client.connection.reset();
  CHECK(client.listener->wait_closed().kind == Kind::cancelled);
  CHECK(ended.get_future().wait_for(20s) == std::future_status::ready);
}

TEST_CASE("WebSocket: the listener is let go of after on_closed()") {
  RawPeer peer(polite);
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  client.connection->close(1000, "");
  (void)client.listener->wait_closed();
  const std::weak_ptr<RecordingListener> watched = client.listener;
  client.listener.reset();
  while (!watched.expired())
    std::this_thread::yield();
  SUCCEED();
}

TEST_CASE("WebSocket: everything is allowed inside callbacks") {
  RawPeer peer(polite);
  RawPeer talker([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    for (int i = 0; i < 100; ++i)
      connection.send_frame(Opcode::text, std::to_string(i));
    connection.wait_for_end();
  });
  SECTION("close in on_open") {
    SocketClient client;
    client.listener->when_open = [&] { client.connection->close(1000, ""); };
    std::promise<void> ready;
    client.listener->when_open = [&, set = ready.get_future().share()] {
      set.wait();
      client.connection->close(1000, "");
    };
    client.open(peer);
    ready.set_value();
    CHECK(client.listener->wait_closed().kind == Kind::closed);
  }
  SECTION("abort in on_message: the end comes after it, and no further message") {
    SocketClient client;
    std::atomic<bool> inside{false};
    std::atomic<bool> nested{false};
    std::promise<void> ready;
    client.listener->when_message = [&, set = ready.get_future().share()](const std::string&) {
      set.wait();
      inside = true;
      client.connection->abort();
      inside = false;
    };
    client.listener->when_closed = [&](const TransportFailure&) {
      if (inside) nested = true;
    };
    client.open(talker);
    ready.set_value();
    CHECK(client.listener->wait_closed().kind == Kind::cancelled);
    CHECK_FALSE(nested);
  }
  SECTION("dropping the connection in on_message") {
    SocketClient client;
    std::promise<void> ready;
    client.listener->when_message = [&, set = ready.get_future().share()](const std::string&) {
      set.wait();
      client.connection.reset();
    };
    client.open(talker);
    ready.set_value();
    CHECK(client.listener->wait_closed().kind == Kind::cancelled);
  }
  SECTION("opening another one in on_open and in on_closed") {
    SocketClient client;
    auto second = std::make_shared<RecordingListener>();
    auto third = std::make_shared<RecordingListener>();
    std::shared_ptr<WebSocketConnection> second_connection;
    std::shared_ptr<WebSocketConnection> third_connection;
    client.listener->when_open = [&] {
      second_connection = client.websocket->open(SocketClient::request_to(peer.url("ws")), second);
    };
    client.listener->when_closed = [&](const TransportFailure&) {
      third_connection = client.websocket->open(SocketClient::request_to(peer.url("ws")), third);
    };
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    REQUIRE(second->wait_open());
    client.connection->close(1000, "");
    REQUIRE(third->wait_open());
  }
  SECTION("sending in on_message and on_drained") {
    SocketClient client;
    std::promise<void> ready;
    client.listener->when_message = [&, set = ready.get_future().share()](const std::string&) {
      set.wait();
      (void)client.connection->try_send("echo");
    };
    client.open(talker);
    ready.set_value();
    REQUIRE(client.listener->wait_messages(100));
  }
}

TEST_CASE("WebSocket: a listener that throws loses its connection, and only that one") {
  struct Thrower final : WebSocketListener {
    std::promise<TransportFailure> closed;
    void on_open() override { throw std::runtime_error("user code"); }
    void on_message(std::string) override {}
    void on_drained() override {}
    void on_closed(const TransportFailure& why) override {
      closed.set_value(why);
      throw std::runtime_error("again");
    }
  };
  RawPeer peer(polite);
  SocketClient client;
  client.open(peer);
  auto thrower = std::make_shared<Thrower>();
  const auto connection = client.websocket->open(SocketClient::request_to(peer.url("ws")), thrower);
  CHECK(thrower->closed.get_future().get().kind == Kind::receive);
  REQUIRE(client.listener->wait_open());
  client.connection->close(1000, "");
  CHECK(client.listener->wait_closed().kind == Kind::closed);
}

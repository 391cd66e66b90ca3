// Messages both ways: fragments, limits, backpressure, pings, and peers that break the rules.
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
using nullspace::WebSocketRequest;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::SocketClient;
using Kind = TransportFailureKind;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::string letters(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

// Echoes data frames until the client closes.
void echo(RawConnection& connection) {
  if (!connection.accept_websocket()) return;
  while (const auto frame = connection.read_data_frame()) {
    if (frame->opcode == Opcode::close) {
      connection.send_close(frame->close_code());
      return;
    }
    connection.send_frame(frame->opcode, frame->payload, frame->final);
  }
}

}  // namespace

TEST_CASE("WebSocket: messages of every size go there and back, in order") {
  RawPeer peer(echo);
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  std::vector<std::string> sent;
  for (const std::size_t size : {0UL, 1UL, 125UL, 126UL, 127UL, 4'096UL, 65'535UL, 65'536UL,
                                 16'383UL, 16'384UL, 16'385UL, 300'000UL}) {
    sent.push_back(letters(size));
    REQUIRE(client.connection->try_send(sent.back()) == SendStatus::queued);
  }
  REQUIRE(client.listener->wait_messages(sent.size()));
  CHECK(client.listener->messages() == sent);
}

TEST_CASE("WebSocket: what is sent before the connection is open goes out when it is") {
  std::promise<void> go;
  auto may_accept = go.get_future().share();
  RawPeer peer([&](RawConnection& connection) {
    may_accept.wait();
    echo(connection);
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.connection->try_send("early") == SendStatus::queued);
  go.set_value();
  REQUIRE(client.listener->wait_messages(1));
  CHECK(client.listener->messages().front() == "early");
}

TEST_CASE("WebSocket: 16 MiB both ways") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    // Long messages may come in fragments.
    std::string whole;
    while (const auto frame = connection.read_data_frame()) {
      whole += frame->payload;
      if (frame->final) {
        connection.send_frame(Opcode::text, whole);
        whole.clear();
      }
    }
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  const std::string message = letters(16 * kMiB);
  REQUIRE(client.connection->try_send(message) == SendStatus::queued);
  REQUIRE(client.listener->wait_messages(1));
  CHECK(client.listener->messages().front() == message);
}

TEST_CASE("WebSocket: a message above the limit closes with 1009") {
  std::promise<int> code;
  const bool in_one_frame = GENERATE(true, false);
  CAPTURE(in_one_frame);
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    std::thread sender([&] {
      if (in_one_frame) {
        connection.send_frame(Opcode::text, letters(17 * kMiB));
      } else {
        for (int i = 0; i < 17; ++i)
          connection.send_frame(i == 0 ? Opcode::text : Opcode::continuation, letters(kMiB),
                                i == 16);
      }
    });
    const auto frame = connection.read_data_frame();
    code.set_value(frame && frame->opcode == Opcode::close ? frame->close_code() : -1);
    connection.interrupt();
    sender.join();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::too_large);
  CHECK(client.listener->messages().empty());
  CHECK(code.get_future().get() == 1009);
}

TEST_CASE("WebSocket: exactly the limit is allowed, one byte more is not") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::text, letters(100'000));
    connection.send_frame(Opcode::text, letters(60'000), false);
    connection.send_frame(Opcode::continuation, letters(40'000), true);
    connection.send_frame(Opcode::text, letters(60'000), false);
    connection.send_frame(Opcode::continuation, letters(40'001), true);
    connection.wait_for_end();
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.max_message_bytes = 100'000;
  client.open(std::move(request));
  CHECK(client.listener->wait_closed().kind == Kind::too_large);
  const auto messages = client.listener->messages();
  REQUIRE(messages.size() == 2);
  CHECK(messages[0] == letters(100'000));
  CHECK(messages[1] == letters(60'000) + letters(40'000));
}

TEST_CASE(
    "a hundred fragments with pings between them are one message, and each ping is answered") {
  std::promise<int> pongs;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    int answered = 0;
    for (int i = 0; i < 100; ++i) {
      connection.send_frame(i == 0 ? Opcode::text : Opcode::continuation,
                            "part " + std::to_string(i) + ' ', i == 99);
      connection.send_frame(Opcode::ping, "ping " + std::to_string(i));
      const auto pong = connection.read_frame();
      if (pong && pong->opcode == Opcode::pong && pong->payload == "ping " + std::to_string(i))
        ++answered;
    }
    pongs.set_value(answered);
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_messages(1));
  std::string whole;
  for (int i = 0; i < 100; ++i)
    whole += "part " + std::to_string(i) + ' ';
  CHECK(client.listener->messages().front() == whole);
  CHECK(pongs.get_future().get() == 100);
}

TEST_CASE("WebSocket: binary messages are messages, too, and need not be text") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::binary, std::string("\xFF\xFE\0raw", 6));
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_messages(1));
  CHECK(client.listener->messages().front() == std::string("\xFF\xFE\0raw", 6));
}

TEST_CASE(
    "WebSocket: a listener that tells text and binary apart, and binary messages of our own") {
  struct Telling final : nullspace::WebSocketListener {
    std::promise<std::string> text;
    std::promise<std::string> binary;
    void on_open() override {}
    void on_message(std::string message) override { text.set_value(std::move(message)); }
    void on_binary_message(std::string message) override { binary.set_value(std::move(message)); }
    void on_drained() override {}
    void on_closed(const nullspace::TransportFailure&) override {}
  };
  // Larger than what goes out in one frame.
  const std::string large = std::string(std::size_t{3} << 20, '\xFF');
  std::promise<std::string> sent;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    std::string seen;
    bool large_is_whole = false;
    for (int messages = 0; messages < 3;) {
      auto frame = connection.read_data_frame();
      if (!frame) break;
      seen += frame->opcode == Opcode::binary ? 'b' : frame->opcode == Opcode::text ? 't' : '.';
      std::string payload = std::move(frame->payload);
      while (!frame->final && (frame = connection.read_data_frame())) {
        if (frame->opcode != Opcode::continuation) seen += '!';
        payload += frame->payload;
      }
      large_is_whole = large_is_whole || payload == large;
      ++messages;
    }
    sent.set_value(seen + (large_is_whole ? " whole" : " broken"));
    connection.send_frame(Opcode::binary, std::string("\0\xFF", 2));
    connection.send_frame(Opcode::text, "text");
    connection.wait_for_end();
  });
  SocketClient client;
  const auto listener = std::make_shared<Telling>();
  const auto connection =
      client.websocket->open(SocketClient::request_to(peer.url("ws", "/v1/monitor/ws")), listener);
  CHECK(connection->try_send_binary(std::string("\0\xFF", 2)) == SendStatus::queued);
  CHECK(connection->try_send("text") == SendStatus::queued);
  CHECK(connection->try_send_binary(large) == SendStatus::queued);
  CHECK(sent.get_future().get() == "btb whole");
  CHECK(listener->binary.get_future().get() == std::string("\0\xFF", 2));
  CHECK(listener->text.get_future().get() == "text");
  connection->abort();
  CHECK(connection->try_send_binary("late") == SendStatus::closed);
}

TEST_CASE("WebSocket: UTF-8 may be cut anywhere between fragments and reads") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    const std::string text = "\xE2\x82\xAC\xF0\x9F\x98\x80";
    for (std::size_t i = 0; i < text.size(); ++i) {
      connection.send_frame(i == 0 ? Opcode::text : Opcode::continuation, text.substr(i, 1),
                            i + 1 == text.size());
    }
    std::string big(16'383, 'x');
    for (int i = 0; i < 3'000; ++i)
      big += "\xE2\x82\xAC";
    connection.send_frame(Opcode::text, big);
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_messages(2));
  CHECK(client.listener->messages()[0] == "\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK(client.listener->messages()[1].size() == 16'383 + 9'000);
}

TEST_CASE("WebSocket: text that is not UTF-8 closes with 1007") {
  std::promise<int> code;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::text, "good");
    connection.send_frame(Opcode::text, "bad \xC0\xAF");
    const auto frame = connection.read_data_frame();
    code.set_value(frame && frame->opcode == Opcode::close ? frame->close_code() : -1);
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::protocol);
  CHECK(client.listener->messages() == std::vector<std::string>{"good"});
  CHECK(code.get_future().get() == 1007);
}

TEST_CASE("WebSocket: frames against the rules end the connection") {
  struct Case {
    const char* what;
    unsigned char first_byte;
    std::size_t size;
  };
  const auto [what, first_byte, size] = GENERATE(
      Case{"reserved data opcode 3", 0x83, 5}, Case{"reserved data opcode 7", 0x87, 5},
      Case{"reserved control opcode 11", 0x8B, 5}, Case{"reserved control opcode 15", 0x8F, 0},
      Case{"reserved bit 1", 0xC1, 5}, Case{"reserved bits 2 and 3", 0xB1, 5},
      Case{"continuation of nothing", 0x80, 5}, Case{"fragmented ping", 0x09, 5},
      Case{"ping of 126 bytes", 0x89, 126}, Case{"ping of 70000 bytes", 0x89, 70'000});
  CAPTURE(what);
  RawPeer peer([first = first_byte, bytes = size](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::text, "good");
    connection.send_odd_frame(first, letters(bytes));
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::protocol);
  CHECK(failure.close_code == 1006);
  CHECK(client.listener->messages() == std::vector<std::string>{"good"});
}

TEST_CASE("WebSocket: a message that begins within another ends the connection") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_frame(Opcode::text, "first half", false);
    connection.send_frame(Opcode::text, "intruder");
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  CHECK(client.listener->wait_closed().kind == Kind::protocol);
  CHECK(client.listener->messages().empty());
}

TEST_CASE("WebSocket: a frame that claims to be endless is refused by its head") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.write(
        std::string_view("\x81\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                         "begin",
                         15));
    // Enough to be handed over by the library at all.
    connection.write(letters(40'000));
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  CHECK(client.listener->wait_closed().kind == Kind::too_large);
}

TEST_CASE("WebSocket: a masked server frame harms nobody") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    connection.send_odd_frame(0x81, "masked", true);
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  // Older libwebsockets unmasks it, newer ones hang up. Both are right; garbage would be wrong.
  if (client.listener->wait_messages(1)) {
    CHECK(client.listener->messages().front() == "masked");
  } else {
    CHECK(client.listener->wait_closed().kind == Kind::protocol);
  }
}

TEST_CASE("WebSocket: a server that drips byte by byte is understood") {
  RawPeer peer([](RawConnection& connection) {
    const auto head = connection.accept_websocket();
    if (!head) return;
    const std::string frame = std::string("\x81\x0B") + "slow drip :";
    for (int round = 0; round < 20; ++round) {
      for (const char c : frame)
        connection.write({&c, 1});
    }
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_messages(20));
  for (const std::string& message : client.listener->messages())
    CHECK(message == "slow drip :");
}

TEST_CASE("WebSocket: messages right behind the upgrade's answer are not lost") {
  RawPeer eager([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    for (int i = 0; i < 50; ++i)
      connection.send_frame(Opcode::text, "m" + std::to_string(i));
    connection.wait_for_end();
  });
  SocketClient client;
  client.open(eager);
  REQUIRE(client.listener->wait_messages(50));
  CHECK(client.listener->messages().back() == "m49");
}

TEST_CASE("WebSocket: a peer that does not read is felt by the sender, and nothing gets lost") {
  std::promise<void> go;
  auto may_read = go.get_future().share();
  std::promise<std::string> received;
  RawPeer peer([&](RawConnection& connection) {
    connection.set_receive_buffer(65'536);
    if (!connection.accept_websocket()) return;
    may_read.wait();
    std::string all;
    while (const auto frame = connection.read_data_frame()) {
      if (frame->opcode == Opcode::close) break;
      all += frame->payload;
      if (frame->final) all += '\n';
    }
    received.set_value(all);
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.max_send_queue_bytes = 256 * 1024;
  client.open(std::move(request));
  REQUIRE(client.listener->wait_open());

  std::string expected;
  int queued = 0;
  // Kernel buffers grow to some megabytes; a queue without a bound would take all of this.
  for (int i = 0; i < 100'000; ++i) {
    const std::string message = std::to_string(i) + letters(16'000);
    const SendStatus status = client.connection->try_send(message);
    REQUIRE(status != SendStatus::closed);
    if (status == SendStatus::full) break;
    ++queued;
    expected += message + '\n';
  }
  REQUIRE(queued < 100'000);
  CHECK(client.listener->drained() == 0);
  go.set_value();
  REQUIRE(client.listener->wait_drained(1));
  REQUIRE(client.connection->try_send("last") == SendStatus::queued);
  client.connection->close(1000, "done");
  const bool same = received.get_future().get() == expected + "last\n";
  CHECK(same);
}

TEST_CASE("WebSocket: paused reading is felt by the peer, and nothing gets lost or doubled") {
  constexpr int kMessages = 600;
  std::atomic<int> written{0};
  RawPeer peer([&](RawConnection& connection) {
    connection.set_receive_buffer(65'536);
    if (!connection.accept_websocket()) return;
    for (int i = 0; i < kMessages; ++i) {
      if (!connection.send_frame(Opcode::text, std::to_string(i) + ' ' + letters(16'000))) return;
      ++written;
    }
    connection.send_close(1000);
    connection.wait_for_end();
  });
  SocketClient client;
  // Every hundredth message stops the reading; nothing may come before it is resumed.
  std::atomic<bool> paused{false};
  std::atomic<bool> violated{false};
  std::atomic<int> seen{0};
  client.listener->when_message = [&](const std::string& message) {
    if (paused) violated = true;
    if (!message.starts_with(std::to_string(seen) + ' ')) violated = true;
    if (++seen % 100 == 0) {
      // In this order: who sees the flag resumes at once, and that must not come first.
      client.connection->pause_reading();
      paused = true;
    }
  };
  std::promise<void> opened;
  client.listener->when_open = [&] { opened.set_value(); };
  client.open(peer);
  opened.get_future().wait();
  while (!client.listener->closed() && !violated) {
    if (paused) {
      paused = false;
      client.connection->resume_reading();
    }
    std::this_thread::yield();
  }
  CHECK_FALSE(violated);
  CHECK(client.listener->wait_closed().kind == Kind::closed);
  CHECK(client.listener->messages().size() == kMessages);
}

TEST_CASE("WebSocket: a peer is held up while reading is paused") {
  std::atomic<int> written{0};
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    for (int i = 0; i < 4'000; ++i) {
      if (!connection.send_frame(Opcode::text, letters(65'536))) return;
      ++written;
    }
    connection.wait_for_end();
  });
  SocketClient client;
  std::promise<void> paused;
  client.listener->when_open = [&] {};
  client.open(SocketClient::request_to(peer.url("ws")));
  client.connection->pause_reading();
  REQUIRE(client.listener->wait_open());
  // 250 MiB cannot be in the kernel's buffers: at some count the peer stands still.
  int last = -1;
  while (last != written) {
    last = written;
    std::this_thread::sleep_for(300ms);
  }
  CHECK(written < 1'000);
  CHECK(client.listener->messages().size() <= 1);
  client.connection->resume_reading();
  REQUIRE(client.listener->wait_messages(200));
}

TEST_CASE("WebSocket: a peer that does not answer pings is given up") {
  std::atomic<int> pings{0};
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    while (const auto frame = connection.read_frame()) {
      if (frame->opcode == Opcode::ping) ++pings;
    }
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.keepalive = {.interval = 100ms, .max_missed = 2};
  client.open(std::move(request));
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(failure.kind == Kind::peer_gone);
  CHECK(pings == 2);
}

TEST_CASE("WebSocket: a peer that answers pings is kept, however silent") {
  std::promise<void> enough;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    int pings = 0;
    while (const auto frame = connection.read_frame()) {
      if (frame->opcode != Opcode::ping) continue;
      connection.send_frame(Opcode::pong, frame->payload);
      if (++pings == 10) enough.set_value();
    }
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.keepalive = {.interval = 50ms, .max_missed = 2};
  client.open(std::move(request));
  REQUIRE(enough.get_future().wait_for(30s) == std::future_status::ready);
  CHECK_FALSE(client.listener->closed());
}

TEST_CASE("WebSocket: while reading is paused the peer hears from us") {
  std::promise<void> heard;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    int pongs = 0;
    while (const auto frame = connection.read_frame()) {
      if (frame->opcode == Opcode::pong && ++pongs == 5) heard.set_value();
    }
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.keepalive = {.interval = 50ms, .max_missed = 2};
  client.open(std::move(request));
  client.connection->pause_reading();
  REQUIRE(heard.get_future().wait_for(30s) == std::future_status::ready);
  CHECK_FALSE(client.listener->closed());
}

TEST_CASE("WebSocket: what a peer said before it left is read although it was paused for long") {
  std::promise<void> gone;
  std::promise<int> pongs;
  RawPeer peer([&](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    for (int i = 0; i < 100; ++i)
      connection.send_frame(Opcode::text, letters(1'000));
    connection.send_close(1000, "bye");
    connection.finish_writing();
    gone.set_value();
    int heard = 0;
    while (const auto frame = connection.read_frame())
      heard += frame->opcode == Opcode::pong ? 1 : 0;
    pongs.set_value(heard);
  });
  SocketClient client;
  WebSocketRequest request = SocketClient::request_to(peer.url("ws"));
  request.keepalive = {.interval = 20ms, .max_missed = 2};
  client.open(std::move(request));
  client.connection->pause_reading();
  gone.get_future().wait();
  // Many intervals pass. A pong to a peer that is gone would be answered with a reset, and that
  // would cost us the rest.
  std::this_thread::sleep_for(400ms);
  client.connection->resume_reading();
  const TransportFailure failure = client.listener->wait_closed();
  CHECK(client.listener->messages().size() == 100);
  CHECK(failure.kind == Kind::closed);
  CHECK(failure.close_code == 1000);
  // Those that were sent while it was still writing.
  CHECK(pongs.get_future().get() < 10);
}

// What the transports do to the process they live in: descriptors, signals, fork.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "tests/faults/websocket_support.hpp"
#include "tests/support/catch.hpp"
#include "transport/curl_http.hpp"

using namespace std::chrono_literals;
using nullspace::HttpRequest;
using nullspace::HttpResponse;
using nullspace::SendStatus;
using nullspace::WebSocketConnection;
using nullspace::tests::Opcode;
using nullspace::tests::RawConnection;
using nullspace::tests::RawPeer;
using nullspace::tests::RecordingListener;
using nullspace::tests::SocketClient;
namespace transport = nullspace::transport;

namespace {

long count_entries(const char* directory) {
  return std::distance(std::filesystem::directory_iterator(directory),
                       std::filesystem::directory_iterator());
}

long open_descriptors() {
  return count_entries("/proc/self/fd");
}
long threads() {
  return count_entries("/proc/self/task");
}

void serve_both(RawConnection& connection) {
  const auto head = connection.read_through("\r\n\r\n");
  if (!head) return;
  connection.answer(503, "busy");
  connection.wait_for_end();
}

void accept_and_wait(RawConnection& connection) {
  if (connection.accept_websocket()) connection.wait_for_end();
}

bool waits_to(const std::function<bool()>& condition) {
  for (int i = 0; i < 2'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

}  // namespace

TEST_CASE("process: 500 connections leave no descriptor behind") {
  RawPeer peer(accept_and_wait);
  RawPeer refusing(serve_both);
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  const long before = open_descriptors();
  for (int i = 0; i < 500; ++i) {
    auto listener = std::make_shared<RecordingListener>();
    const RawPeer& target = i % 5 == 4 ? refusing : peer;
    auto connection = client.websocket->open(SocketClient::request_to(target.url("ws")), listener);
    if (i % 5 == 0) REQUIRE(listener->wait_open());
    if (i % 5 == 1) connection->abort();
    if (i % 5 == 2) connection.reset();
    if (i % 5 == 3) connection->close(1000, "");
    connection.reset();
    REQUIRE(listener->wait_closed().message != "still open");
  }
  // The peers close their ends on their own threads.
  CHECK(waits_to([&] { return open_descriptors() <= before; }));
}

TEST_CASE("process: transports and Runtimes come and go without leaving descriptors or threads") {
  RawPeer peer(accept_and_wait);
  RawPeer rest([](RawConnection& connection) {
    while (connection.read_request())
      connection.answer(200, "ok");
  });
  const auto round = [&] {
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    transport::CurlHttpTransport http({.proxy = ""});
    HttpRequest request;
    request.url = rest.url("http");
    REQUIRE(std::holds_alternative<HttpResponse>(http.send(request)));
  };
  round();
  CHECK(waits_to([&] { return threads() > 0; }));
  long descriptors = 0;
  REQUIRE(waits_to([&] { return std::exchange(descriptors, open_descriptors()) == descriptors; }));
  const long running = threads();
  for (int i = 0; i < 20; ++i)
    round();
  CHECK(waits_to([&] { return open_descriptors() <= descriptors; }));
  CHECK(waits_to([&] { return threads() <= running; }));
}

TEST_CASE("process: one I/O thread serves any number of connections") {
  RawPeer peer(accept_and_wait);
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  const auto own_threads = [] {
    long count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream name(task.path() / "comm");
      std::string text;
      std::getline(name, text);
      if (text.starts_with("ns-")) ++count;
    }
    return count;
  };
  const long before = own_threads();
  std::vector<std::shared_ptr<RecordingListener>> listeners;
  std::vector<std::shared_ptr<WebSocketConnection>> connections;
  for (int i = 0; i < 200; ++i) {
    listeners.push_back(std::make_shared<RecordingListener>());
    connections.push_back(
        client.websocket->open(SocketClient::request_to(peer.url("ws")), listeners.back()));
  }
  for (const auto& listener : listeners)
    REQUIRE(listener->wait_open());
  CHECK(own_threads() == before);
}

TEST_CASE("process: the application's SIGPIPE is left as it is") {
  struct sigaction before {};
  struct sigaction mine {};
  mine.sa_handler = [](int) {};
  REQUIRE(sigaction(SIGPIPE, &mine, &before) == 0);
  {
    RawPeer peer(accept_and_wait);
    SocketClient client;
    client.open(peer);
    REQUIRE(client.listener->wait_open());
    struct sigaction now {};
    sigaction(SIGPIPE, nullptr, &now);
    CHECK(now.sa_handler == mine.sa_handler);
  }
  sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("process: no SIGPIPE is raised by peers that hang up") {
  static std::atomic<int> raised{0};
  struct sigaction before {};
  struct sigaction counting {};
  counting.sa_handler = [](int) { ++raised; };
  REQUIRE(sigaction(SIGPIPE, &counting, &before) == 0);
  {
    RawPeer rude([](RawConnection& connection) {
      (void)connection.read_exactly(1);
      connection.reset();
    });
    RawPeer leaving([](RawConnection& connection) {
      if (connection.accept_websocket()) connection.reset();
    });
    transport::CurlHttpTransport http({.proxy = ""});
    for (int i = 0; i < 20; ++i) {
      HttpRequest request;
      request.method = "POST";
      request.url = rude.url("http");
      request.body = std::string(1'000'000, 'x');
      (void)http.send(request);
      SocketClient client;
      client.open(leaving);
      while (client.connection->try_send(std::string(10'000, 'x')) != SendStatus::closed &&
             !client.listener->closed()) {
      }
      (void)client.listener->wait_closed();
    }
  }
  sigaction(SIGPIPE, &before, nullptr);
  CHECK(raised == 0);
}

TEST_CASE("process: children do not inherit connections") {
  RawPeer peer(accept_and_wait);
  RawPeer rest([](RawConnection& connection) {
    while (connection.read_request())
      connection.answer(200, "ok");
  });
  SocketClient client;
  client.open(peer);
  REQUIRE(client.listener->wait_open());
  transport::CurlHttpTransport http({.proxy = ""});
  HttpRequest request;
  request.url = rest.url("http");
  REQUIRE(std::holds_alternative<HttpResponse>(http.send(request)));
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!target.starts_with("socket:")) continue;
    const int descriptor = std::stoi(entry.path().filename());
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6) continue;
    CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("process: a forked child starts afresh and leaves its parent's connections alone") {
  RawPeer peer([](RawConnection& connection) {
    if (!connection.accept_websocket()) return;
    while (const auto frame = connection.read_data_frame()) {
      if (frame->opcode == Opcode::close) return;
      connection.send_frame(Opcode::text, frame->payload);
    }
  });
  RawPeer rest([](RawConnection& connection) {
    while (connection.read_request())
      connection.answer(200, "ok");
  });
  auto client = std::make_unique<SocketClient>();
  client->open(peer);
  REQUIRE(client->listener->wait_open());
  auto http =
      std::make_unique<transport::CurlHttpTransport>(transport::CurlHttpOptions{.proxy = ""});
  HttpRequest request;
  request.url = rest.url("http");
  REQUIRE(std::holds_alternative<HttpResponse>(http->send(request)));

  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Only a status gets out of here: Catch belongs to the parent.
    ::alarm(20);
    bool good = client->connection->try_send("from the child") == SendStatus::closed;
    good = good && std::holds_alternative<HttpResponse>(http->send(request));
    auto listener = std::make_shared<RecordingListener>();
    auto connection = client->websocket->open(SocketClient::request_to(peer.url("ws")), listener);
    good = good && listener->wait_open();
    connection.reset();
    http.reset();
    client.reset();
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);

  CHECK(rest.connections() == 2);
  REQUIRE(client->connection->try_send("still here") == SendStatus::queued);
  REQUIRE(client->listener->wait_messages(1));
  CHECK(client->listener->messages().front() == "still here");
  REQUIRE(std::holds_alternative<HttpResponse>(http->send(request)));
  CHECK(rest.connections() == 2);
}

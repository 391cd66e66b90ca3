// usage: conformance_echo_client <ws://host:port> <connections at a time>
//
// A client that a fuzzing server examines: it asks how many cases there are, sends back what it is
// sent in each of them, and says when it is through. Everything goes through the SDK's own
// WebSocketTransport.
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nullspace/transport.hpp>

#include "transport/lws_socket.hpp"
#include "transport/runtime.hpp"

namespace ns = nullspace;

namespace {

constexpr const char* kAgent = "nullspace";

ns::WebSocketRequest request_to(std::string url) {
  ns::WebSocketRequest request;
  request.url = std::move(url);
  // The cases count the frames they get.
  request.keepalive.interval = std::chrono::milliseconds(0);
  request.open_timeout = std::chrono::seconds(60);
  return request;
}

// Sends back every message, as text or binary as it came.
class Echo final : public ns::WebSocketListener {
 public:
  void attach(std::shared_ptr<ns::WebSocketConnection> connection) {
    const std::lock_guard lock(mutex_);
    connection_ = std::move(connection);
    send_pending();
  }
  // Why the connection ended.
  [[nodiscard]] std::future<ns::TransportFailure> closed() { return closed_.get_future(); }

  void on_open() override {}
  void on_message(std::string message) override { echo({std::move(message), false}); }
  void on_binary_message(std::string message) override { echo({std::move(message), true}); }
  void on_drained() override {
    const std::lock_guard lock(mutex_);
    send_pending();
  }
  void on_closed(const ns::TransportFailure& why) override { closed_.set_value(why); }

 private:
  struct Message {
    std::string payload;
    bool binary;
  };
  void echo(Message message) {
    const std::lock_guard lock(mutex_);
    pending_.push_back(std::move(message));
    send_pending();
  }
  void send_pending() {
    while (connection_ && !pending_.empty()) {
      const Message& next = pending_.front();
      const ns::SendStatus status = next.binary ? connection_->try_send_binary(next.payload)
                                                : connection_->try_send(next.payload);
      if (status == ns::SendStatus::full) return;
      pending_.pop_front();
    }
  }

  std::mutex mutex_;
  std::shared_ptr<ns::WebSocketConnection> connection_;
  std::deque<Message> pending_;
  std::promise<ns::TransportFailure> closed_;
};

// Keeps the last thing it is told.
class Reader final : public ns::WebSocketListener {
 public:
  // The last message, once the connection has ended; empty when there was none.
  [[nodiscard]] std::future<std::string> answer() { return answer_.get_future(); }

  void on_open() override {}
  void on_message(std::string message) override { last_ = std::move(message); }
  void on_drained() override {}
  void on_closed(const ns::TransportFailure& /*why*/) override { answer_.set_value(last_); }

 private:
  std::string last_;
  std::promise<std::string> answer_;
};

std::string ask(ns::WebSocketTransport& transport, const std::string& url) {
  const auto reader = std::make_shared<Reader>();
  std::future<std::string> answer = reader->answer();
  const auto connection = transport.open(request_to(url), reader);
  return answer.get();
}

void run_case(ns::WebSocketTransport& transport, const std::string& url) {
  const auto echo = std::make_shared<Echo>();
  std::future<ns::TransportFailure> closed = echo->closed();
  const auto connection = transport.open(request_to(url), echo);
  echo->attach(connection);
  const ns::TransportFailure why = closed.get();
  // Cases end in every way there is; those that never began are nothing to examine.
  if (why.kind == ns::TransportFailureKind::connect) throw std::runtime_error(why.message);
}

void run_cases(ns::WebSocketTransport& transport, const std::string& server, int cases,
               int at_a_time) {
  std::mutex mutex;
  int next = 1;
  std::vector<std::future<void>> workers;
  for (int i = 0; i < at_a_time; ++i) {
    workers.push_back(std::async(std::launch::async, [&] {
      while (true) {
        int number = 0;
        {
          const std::lock_guard lock(mutex);
          if (next > cases) return;
          number = next++;
        }
        run_case(transport,
                 server + "/runCase?case=" + std::to_string(number) + "&agent=" + kAgent);
      }
    }));
  }
  for (std::future<void>& worker : workers)
    worker.get();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: <ws://host:port> <connections at a time>");
  const std::string server = argv[1];
  ns::transport::LwsWebSocketTransport transport(std::make_shared<ns::transport::Runtime>(),
                                                 {.proxy = ""});
  const std::string cases = ask(transport, server + "/getCaseCount");
  if (cases.empty())
    throw std::runtime_error("the fuzzing server does not say how many cases it has");
  run_cases(transport, server, std::stoi(cases), std::stoi(argv[2]));
  // The server ends over this, without a close frame.
  (void)ask(transport, server + "/updateReports?agent=" + kAgent);
  return 0;
} catch (const std::exception& error) {
  (void)std::fprintf(stderr, "conformance_echo_client: %s\n", error.what());
  return 1;
}

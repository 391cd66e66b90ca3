// Receives webhooks: a small HTTP server on a loopback port that believes nothing but a good
// signature. Ctrl-C ends it.
//
//   webhook_receiver              secret from NULLSPACE_WEBHOOK_SECRET; prints its address
//   webhook_receiver --register   has the service post every event here, and takes that back at the
//                                 end; makes up a secret
//
// In production a reverse proxy with TLS stands in front of it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

namespace ns = nullspace;
using Clock = std::chrono::steady_clock;

namespace {

// What a sender may cost: anybody can connect, and only what is complete can be verified.
constexpr std::size_t kMaxConnections = 64;
constexpr std::size_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kMaxBodyBytes = 1024 * 1024;
constexpr std::chrono::seconds kMaxTime{5};
constexpr std::chrono::seconds kMaxLinger{1};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {
    if (fd < 0) throw std::runtime_error("no descriptor to be had");
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct Request {
  std::string method{};
  ns::HttpHeaders headers{};
  std::string body{};
};

// A request as it arrives. One per connection.
class Reader {
 public:
  // Nothing yet, a whole request, or the status of a refusal.
  struct Outcome {
    std::optional<Request> request{};
    int refusal{0};
  };

  Outcome add(std::string_view bytes) {
    text_.append(bytes);
    if (!body_begin_) {
      const std::size_t end = text_.find("\r\n\r\n");
      if (std::min(end, text_.size()) > kMaxHeaderBytes) return {.refusal = 431};
      if (end == std::string::npos) return {};
      body_begin_ = end + 4;
      if (const int refusal = read_head(std::string_view(text_).substr(0, end)); refusal != 0) {
        return {.refusal = refusal};
      }
    }
    if (text_.size() < *body_begin_ + body_size_) return {};
    request_.body = text_.substr(*body_begin_, body_size_);
    return {.request = std::move(request_)};
  }

 private:
  int read_head(std::string_view head) {
    const std::size_t first_end = std::min(head.find("\r\n"), head.size());
    request_.method = head.substr(0, std::min(head.find(' '), first_end));
    head.remove_prefix(std::min(first_end + 2, head.size()));
    std::optional<std::size_t> size;
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(std::min(line.size() + 2, head.size()));
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos || colon == 0) return 400;
      std::string name(line.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      std::string_view value = line.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
      if (name == "transfer-encoding") return 501;
      if (name == "content-length") {
        std::size_t number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc() || end != value.data() + value.size() || size) return 400;
        if (number > kMaxBodyBytes) return 413;
        size = number;
      }
      request_.headers.emplace_back(std::move(name), value);
    }
    if (request_.method != "POST") return 405;
    if (!size) return 411;
    body_size_ = *size;
    return 0;
  }

  std::string text_{};
  std::optional<std::size_t> body_begin_{};
  std::size_t body_size_{0};
  Request request_{};
};

// What to do about a request: the status to answer with.
class Handler {
 public:
  explicit Handler(ns::Secret secret) : secret_(std::move(secret)) {}

  int handle(const Request& request) {
    const ns::WebhookVerification delivery =
        ns::verify_webhook(request.headers, request.body, secret_);
    if (!delivery) {
      std::cerr << "refused: " << ns::to_string(delivery.verdict) << ": " << delivery.problem
                << '\n';
      return 401;
    }
    const ns::LifecycleEvent& event = *delivery.event;
    // Deliveries are repeated until one is answered with 2xx, and sometimes after that.
    const bool again = std::find(handled_.begin(), handled_.end(), event.id) != handled_.end();
    fmt::print("{} {} {} {}{}\n", event.operation_text, event.status_text, event.sandbox_id,
               event.id, again ? " (again)" : "");
    std::fflush(stdout);
    if (!again) handled_.push_back(event.id);
    if (handled_.size() > 1000) handled_.pop_front();
    return 200;
  }

 private:
  ns::Secret secret_;
  std::deque<std::string> handled_{};
};

struct Connection {
  Descriptor socket;
  Clock::time_point deadline{Clock::now() + kMaxTime};
  Reader reader{};
  bool answered{false};
};

// The answer is a few bytes, which fit into the socket's buffer: nobody is waited for. What still
// comes is thrown away for a while: to close with it unread would reset the connection, and the
// answer would be lost.
void answer(Connection& connection, int status) {
  const std::string text =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
                  status == 200 ? "OK" : "Refused");
  (void)send(connection.socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(connection.socket.get(), SHUT_WR);
  connection.answered = true;
  connection.deadline = Clock::now() + kMaxLinger;
}

// Reads what there is. True when the connection is over.
bool serve(Connection& connection, Handler& handler) {
  std::array<char, 16 * 1024> bytes{};
  const ssize_t count = recv(connection.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count <= 0) return count == 0 || (errno != EAGAIN && errno != EINTR);
  if (connection.answered) return false;
  const auto outcome = connection.reader.add({bytes.data(), static_cast<std::size_t>(count)});
  if (outcome.refusal != 0) answer(connection, outcome.refusal);
  if (outcome.request) answer(connection, handler.handle(*outcome.request));
  return false;
}

// Ends what has taken too long. True when the connection is over.
bool expire(Connection& connection) {
  if (Clock::now() <= connection.deadline) return false;
  if (connection.answered) return true;
  answer(connection, 408);
  return false;
}

Descriptor listen_on_loopback(int& port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), SOMAXCONN) != 0 ||
      getsockname(listener.get(), generic, &size) != 0) {
    throw std::runtime_error("cannot listen on a loopback port");
  }
  port = ntohs(address.sin_port);
  return listener;
}

// One thread serves everybody, so that nobody may be waited for.
void run(const Descriptor& listener, const Descriptor& endings, Handler& handler) {
  std::vector<Connection> connections;
  while (true) {
    std::vector<pollfd> watched{{.fd = endings.get(), .events = POLLIN, .revents = 0},
                                {.fd = listener.get(), .events = POLLIN, .revents = 0}};
    for (const Connection& connection : connections)
      watched.push_back({.fd = connection.socket.get(), .events = POLLIN, .revents = 0});
    poll(watched.data(), watched.size(), connections.empty() ? -1 : 250);
    if (watched[0].revents != 0) return;

    std::vector<Connection> living;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      Connection& connection = connections[i];
      const bool over =
          (watched[i + 2].revents != 0 && serve(connection, handler)) || expire(connection);
      if (!over) living.push_back(std::move(connection));
    }
    connections = std::move(living);
    if (watched[1].revents == 0) continue;
    const int accepted = accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) continue;
    // Whoever only holds a place makes room for those who have something to say.
    if (connections.size() >= kMaxConnections) connections.erase(connections.begin());
    connections.push_back({.socket = Descriptor(accepted)});
  }
}

std::string random_secret() {
  std::random_device random;
  return fmt::format("whsec_{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

// The registration, for as long as this lives.
class Registration {
 public:
  Registration(int port, const ns::Secret& secret)
      : id_(lifecycle_
                .create_webhook(
                    {.url = fmt::format("http://127.0.0.1:{}/", port),
                     .operations = {ns::LifecycleOperation::create, ns::LifecycleOperation::destroy,
                                    ns::LifecycleOperation::timeout_updated,
                                    ns::LifecycleOperation::timeout_expired,
                                    ns::LifecycleOperation::hibernate,
                                    ns::LifecycleOperation::snapshot_created,
                                    ns::LifecycleOperation::resume_from_snapshot,
                                    ns::LifecycleOperation::fork,
                                    ns::LifecycleOperation::reconcile},
                     .signing_secret = secret})
                .id) {}
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() {
    try {
      lifecycle_.delete_webhook(id_);
    } catch (const ns::Error& error) {
      std::cerr << "webhook_receiver: " << id_ << " stays: " << error.what() << '\n';
    }
  }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  ns::Lifecycle lifecycle_{};
  std::string id_;
};

}  // namespace

int main(int argc, char** argv) {
  // Blocked before any thread is started, so that only the descriptor sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  try {
    const bool registers = argc > 1 && std::string_view(argv[1]) == "--register";
    const char* given = std::getenv("NULLSPACE_WEBHOOK_SECRET");
    const ns::Secret secret = given != nullptr ? given : registers ? random_secret() : "";
    if (secret.empty()) {
      std::cerr << "webhook_receiver: set NULLSPACE_WEBHOOK_SECRET, or use --register\n";
      return 2;
    }
    const Descriptor endings(signalfd(-1, &signals, SFD_CLOEXEC));
    int port = 0;
    const Descriptor listener = listen_on_loopback(port);
    std::optional<Registration> registration;
    if (registers) registration.emplace(port, secret);
    fmt::print("listening on http://127.0.0.1:{}/{}\n", port,
               registration ? " as " + registration->id() : "");
    std::fflush(stdout);
    Handler handler(secret);
    run(listener, endings, handler);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "webhook_receiver: " << error.what() << '\n';
    return 1;
  }
}

#include "tests/support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace nullspace::tests {

namespace {

using local::guest::UniqueFd;
using Clock = TcpLink::Clock;

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    throw std::runtime_error("not an IPv4 address: " + host);
  }
  return address;
}

UniqueFd bound_socket(std::uint16_t port) {
  UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  const sockaddr_in address = address_of("127.0.0.1", port);
  if (!made || ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("the proxy cannot have a port");
  }
  return made;
}

// Slices must leave as they are written.
void send_at_once(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int milliseconds_until(std::optional<Clock::time_point> when, Clock::time_point now) {
  if (!when) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*when - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

}  // namespace

TcpProxy::TcpProxy(Options options)
    : options_(std::move(options)),
      port_keeper_(bound_socket(0)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      random_(options_.seed) {
  (void)address_of(options_.target_host, options_.target_port);
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(port_keeper_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy does not know its port");
  }
  port_ = ntohs(address.sin_port);
  listen();
  thread_ = std::thread([this] { run(); });
}

TcpProxy::~TcpProxy() {
  perform([this] { stopping_ = true; });
  thread_.join();
}

std::string TcpProxy::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

TcpProxy::Counters TcpProxy::counters() const {
  return {.connections = connections_,
          .open = open_,
          .cuts = cuts_,
          .upstream = upstream_bytes_,
          .downstream = downstream_bytes_};
}

void TcpProxy::set_toxics(Direction direction, const Toxics& toxics) {
  perform([&] {
    (direction == Direction::upstream ? upstream_ : downstream_) = toxics;
    for (const auto& link : links_)
      apply_toxics(*link);
  });
}

void TcpProxy::clear_toxics() {
  set_toxics(Direction::upstream, {});
  set_toxics(Direction::downstream, {});
}

void TcpProxy::black_hole(bool on) {
  perform([&] {
    black_hole_ = on;
    for (const auto& link : links_)
      apply_toxics(*link);
  });
}

void TcpProxy::refuse(bool on) {
  perform([&] {
    if (on) {
      listener_.reset();
    } else if (!listener_) {
      listen();
    }
  });
}

void TcpProxy::cut_all(Cut how) {
  perform([&] {
    accept_all();
    for (const auto& link : links_) {
      link->cut(how, random_);
      note_end(*link);
    }
    links_.clear();
  });
}

void TcpProxy::cut_randomly(std::optional<RandomCuts> cuts) {
  perform([&] {
    random_cuts_ = cuts;
    for (const auto& link : links_)
      link->cut_after(draw_cut(), cuts ? cuts->how : Cut::close);
  });
}

void TcpProxy::perform(const std::function<void()>& task) {
  std::unique_lock lock(mutex_);
  tasks_.push_back(task);
  const std::uint64_t mine = ++tasks_given_;
  (void)::eventfd_write(wake_.get(), 1);
  performed_.wait(lock, [&] { return tasks_done_ >= mine; });
}

// ---- the thread --------------------------------------------------------------------------------

void TcpProxy::run() {
  std::vector<pollfd> polled;
  while (!stopping_) {
    const auto before = Clock::now();
    std::optional<Clock::time_point> wake;
    polled.assign({{wake_.get(), POLLIN, 0}, {listener_ ? listener_.get() : -1, POLLIN, 0}});
    for (const auto& link : links_) {
      const TcpLink::Interest interest = link->interest(before);
      // A socket that nothing is wanted of is left out, or its hang-up would spin.
      polled.push_back({interest.client != 0 ? link->client() : -1, interest.client, 0});
      polled.push_back({interest.server != 0 ? link->server() : -1, interest.server, 0});
      if (interest.wake && (!wake || *interest.wake < *wake)) wake = interest.wake;
    }
    if (::poll(polled.data(), polled.size(), milliseconds_until(wake, before)) < 0) continue;

    const auto now = Clock::now();
    for (std::size_t i = 0; i < links_.size(); ++i) {
      TcpLink& link = *links_[i];
      const TcpLink::Traffic passed =
          link.advance(polled[2 + 2 * i].revents, polled[3 + 2 * i].revents, now, random_);
      upstream_bytes_ += passed.upstream;
      downstream_bytes_ += passed.downstream;
      note_end(link);
    }
    std::erase_if(links_, [](const auto& link) { return link->state() != TcpLink::State::open; });
    if (polled[1].revents != 0) accept_all();
    if (polled[0].revents != 0) run_tasks();
  }
  links_.clear();
}

void TcpProxy::run_tasks() {
  eventfd_t count = 0;
  (void)::eventfd_read(wake_.get(), &count);
  const std::lock_guard lock(mutex_);
  for (const auto& task : tasks_)
    task();
  tasks_done_ += tasks_.size();
  tasks_.clear();
  performed_.notify_all();
}

void TcpProxy::listen() {
  UniqueFd made = bound_socket(port_);
  if (::listen(made.get(), 1024) != 0) throw std::runtime_error("the proxy cannot listen");
  listener_ = std::move(made);
}

void TcpProxy::accept_all() {
  while (listener_) {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return;
    UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in target = address_of(options_.target_host, options_.target_port);
    // A refusal that is known already shows when the socket is read, as a later one does.
    (void)::connect(server.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target);
    send_at_once(client.get());
    send_at_once(server.get());
    auto link = std::make_unique<TcpLink>(std::move(client), std::move(server), draw_cut(),
                                          random_cuts_ ? random_cuts_->how : Cut::close);
    apply_toxics(*link);
    links_.push_back(std::move(link));
    ++connections_;
    ++open_;
  }
}

void TcpProxy::apply_toxics(TcpLink& link) const {
  Toxics nothing_passes;
  nothing_passes.timeout = std::chrono::milliseconds(0);
  const auto now = Clock::now();
  link.set_toxics(Direction::upstream, black_hole_ ? nothing_passes : upstream_, now);
  link.set_toxics(Direction::downstream, black_hole_ ? nothing_passes : downstream_, now);
}

std::optional<std::uint64_t> TcpProxy::draw_cut() {
  if (!random_cuts_) return std::nullopt;
  return std::uniform_int_distribution<std::uint64_t>(random_cuts_->min_bytes,
                                                      random_cuts_->max_bytes)(random_);
}

void TcpProxy::note_end(const TcpLink& link) {
  if (link.state() == TcpLink::State::open) return;
  --open_;
  if (link.state() == TcpLink::State::cut) ++cuts_;
}

}  // namespace nullspace::tests

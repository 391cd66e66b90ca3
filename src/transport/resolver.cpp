#include "transport/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "transport/threads.hpp"
#include "transport/url.hpp"

namespace nullspace::inline v0::transport {

namespace {

bool is_literal(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

}  // namespace

std::optional<std::vector<std::string>> resolve_without_lookup(std::string_view host) {
  std::string name(host);
  if (is_literal(name)) return std::vector{std::move(name)};
  if (is_loopback_host(host)) return std::vector<std::string>{"127.0.0.1", "::1"};
  return std::nullopt;
}

Resolution look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  Resolution resolution;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    resolution.error = gai_strerror(error);
    return resolution;
  }
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    std::array<char, INET6_ADDRSTRLEN + 16> text{};
    // With NI_NUMERICHOST this only formats; it keeps the zone of link-local addresses.
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::find(resolution.addresses.begin(), resolution.addresses.end(), text.data()) ==
        resolution.addresses.end()) {
      resolution.addresses.emplace_back(text.data());
    }
  }
  freeaddrinfo(list);
  if (resolution.addresses.empty()) resolution.error = "no usable address";
  return resolution;
}

struct Resolver::State {
  struct Request {
    std::string host;
    Done done;
  };

  explicit State(Lookup with) : lookup(std::move(with)) {}

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stopping || !requests.empty(); });
      if (stopping) break;
      Request request = std::move(requests.front());
      requests.pop_front();
      looking_up = true;
      lock.unlock();
      Resolution resolution = lookup(request.host);
      lock.lock();
      looking_up = false;
      if (stopping) break;
      lock.unlock();
      request.done(std::move(resolution));
      request.done = nullptr;
      lock.lock();
    }
  }

  const Lookup lookup;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Request> requests;
  bool looking_up{false};
  bool stopping{false};
  std::thread thread;
  const std::shared_ptr<std::atomic<bool>> ended{std::make_shared<std::atomic<bool>>(false)};
};

Resolver::Resolver(Lookup lookup) : state_(std::make_shared<State>(std::move(lookup))) {}

Resolver::~Resolver() {
  std::deque<State::Request> dropped;
  std::thread thread;
  bool busy = false;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->requests);
    thread.swap(state_->thread);
    busy = state_->looking_up;
  }
  state_->changed.notify_all();
  if (busy && thread.get_id() != std::this_thread::get_id()) {
    // A thread inside getaddrinfo() cannot be called back, and a name server that is silent keeps
    // it there for many seconds.
    leave_behind(std::move(thread), state_->ended);
  } else {
    join_or_hand_over(std::move(thread));
  }
}

void Resolver::resolve(std::string host, Done done) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    if (!state_->thread.joinable()) {
      state_->thread = start_thread("ns-resolver", [state = state_] {
        state->run();
        state->ended->store(true);
      });
    }
    state_->requests.push_back({std::move(host), std::move(done)});
  }
  state_->changed.notify_one();
}

}  // namespace nullspace::inline v0::transport

#include "local/server/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace nullspace::local {

namespace {

constexpr int kBacklog = 512;
constexpr int kAcceptsPerRound = 64;
constexpr auto kRetry = std::chrono::milliseconds(100);

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

Listener::Listener(const ServingContext& context, HttpHandlers handlers)
    : context_(context), loop_(context.loop), retry_(context.loop) {
  handlers.on_websocket = [this](std::shared_ptr<WebSocketSession> session) {
    const WebSocketSession* const key = session.get();
    sessions_.emplace(key, std::move(session));
  };
  handlers.on_websocket_finished = [this](WebSocketSession& session) { sessions_.erase(&session); };
  handlers_ = std::make_shared<const HttpHandlers>(std::move(handlers));
}

Listener::~Listener() = default;

int Listener::open(const std::string& host, std::uint16_t port, std::string& error_text) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList addresses;
  const std::string service = std::to_string(port);
  if (const int error = getaddrinfo(host.c_str(), service.c_str(), &hints, &addresses.first);
      error != 0) {
    error_text = gai_strerror(error);
    return EADDRNOTAVAIL;
  }
  int failure = EADDRNOTAVAIL;
  for (const addrinfo* at = addresses.first; at != nullptr; at = at->ai_next) {
    guest::UniqueFd fd(
        ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol));
    const int on = 1;
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(fd.get(), at->ai_addr, at->ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
      failure = errno;
      continue;
    }
    port_ = bound_port(fd.get());
    socket_ = std::move(fd);
    return 0;
  }
  error_text = std::generic_category().message(failure);
  return failure;
}

void Listener::start() {
  watch_ = std::make_unique<FdWatch>(loop_, socket_.get(), Interest{true, false},
                                     [this](Readiness) { accept_some(); });
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    guest::UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The connection stays in the backlog; asking again at once would only spin.
        watch_->want_read(false);
        retry_.start(kRetry, [this] { watch_->want_read(true); });
      }
      return;
    }
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto connection = std::make_shared<HttpConnection>(
        context_, std::move(fd), handlers_,
        [this](HttpConnection& finished) { connections_.erase(&finished); });
    connections_.emplace(connection.get(), connection);
    connection->start();
  }
}

std::size_t Listener::drop(const ConnectionFilter& filter, ConnectionEnd end) {
  const auto picked = [&filter](const ConnectionOwner* owner) {
    return owner != nullptr && owner->account == filter.account &&
           (!filter.sandbox_id || *filter.sandbox_id == owner->facts.sandbox_id);
  };
  std::size_t count = 0;
  const auto connections = connections_;
  for (const auto& [key, connection] : connections) {
    if (!filter.http || !picked(connection->owner())) continue;
    connection->drop(end);
    ++count;
  }
  for_each_websocket(filter.account, [&](WebSocketSession& session) {
    if (!filter.websockets || !picked(session.owner())) return;
    if (filter.channel && !covers(*filter.channel, session.owner()->facts.channel)) return;
    if (session.drop(end)) ++count;
  });
  return count;
}

void Listener::for_each_websocket(AccountId account,
                                  const std::function<void(WebSocketSession&)>& use) {
  const auto sessions = sessions_;
  for (const auto& [key, session] : sessions) {
    if (session->owner() != nullptr && session->owner()->account == account) use(*session);
  }
}

void Listener::close() {
  retry_.cancel();
  watch_.reset();
  socket_.reset();
  const auto sessions = sessions_;
  for (const auto& [key, session] : sessions) {
    session->close(kCloseGoingAway, "the server is shutting down");
  }
}

void Listener::abort() {
  const auto connections = connections_;
  for (const auto& [key, connection] : connections)
    connection->abort();
  connections_.clear();
  const auto sessions = std::exchange(sessions_, {});
  for (const auto& [key, session] : sessions)
    session->abort();
}

}  // namespace nullspace::local

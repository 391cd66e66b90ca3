#include "transport/socket_state.hpp"

// Not <netinet/tcp.h>: its tcp_info lacks the byte counters.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>

namespace nullspace::inline v0::transport {

namespace {

// TCP_ESTABLISHED of the kernel, which linux/tcp.h does not export.
constexpr unsigned char kEstablished = 1;

std::optional<tcp_info> info_of(int socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (socket < 0 || getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
    return std::nullopt;
  return info;
}

}  // namespace

bool peer_has_spoken(int socket) noexcept {
  const auto info = info_of(socket);
  // The end of a stream counts as one.
  return info && info->tcpi_bytes_received > 1;
}

bool is_fully_connected(int socket) noexcept {
  const auto info = info_of(socket);
  return info && info->tcpi_state == kEstablished;
}

bool peer_has_finished(int socket) noexcept {
  pollfd state{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace nullspace::inline v0::transport

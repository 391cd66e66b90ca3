// A WebSocket on a bare, blocking socket: as little between the caller and the kernel as there can
// be. For well-behaved servers on this machine only; messages have at most 64 KiB.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bench {

class RawWebSocket {
 public:
  RawWebSocket(std::uint16_t port, const std::string& path, const std::string& key)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("the bare socket cannot connect");
    write("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
          "\r\nAuthorization: Bearer " + key +
          "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      fill();
    if (buffer_.compare(0, 12, "HTTP/1.1 101") != 0)
      throw std::runtime_error("the bare socket got no upgrade");
    buffer_.erase(0, end + 4);
  }
  RawWebSocket(const RawWebSocket&) = delete;
  RawWebSocket& operator=(const RawWebSocket&) = delete;
  ~RawWebSocket() { ::close(socket_); }

  // Masked with zeros, which leaves the text as it is.
  void send(std::string_view text) {
    std::string frame("\x81");
    if (text.size() < 126) {
      frame += static_cast<char>(0x80U | text.size());
    } else {
      frame += static_cast<char>(0x80U | 126U);
      frame += static_cast<char>((text.size() >> 8U) & 0xFFU);
      frame += static_cast<char>(text.size() & 0xFFU);
    }
    frame.append(4, '\0').append(text);
    write(frame);
  }
  // The next text message.
  [[nodiscard]] std::string receive() {
    while (true) {
      const std::string head = take(2);
      std::size_t size = byte(head, 1);
      if (size == 126) {
        const std::string extended = take(2);
        size = byte(extended, 0) << 8U | byte(extended, 1);
      } else if (size == 127) {
        throw std::runtime_error("the bare socket takes no such long messages");
      }
      std::string payload = take(size);
      if ((byte(head, 0) & 0x0FU) == 1) return payload;
    }
  }

 private:
  static std::size_t byte(const std::string& bytes, std::size_t index) {
    return static_cast<unsigned char>(bytes[index]);
  }
  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the bare socket cannot send");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void fill() {
    std::array<char, 16384> piece;
    const ssize_t got = ::recv(socket_, piece.data(), piece.size(), 0);
    if (got <= 0) throw std::runtime_error("the bare socket was closed");
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
  }
  std::string take(std::size_t size) {
    while (buffer_.size() < size)
      fill();
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return bytes;
  }

  int socket_;
  std::string buffer_;
};

}  // namespace bench

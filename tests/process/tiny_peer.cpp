#include "tests/process/tiny_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace nullspace::tests {

namespace {

constexpr int kTickMs = 10;

std::string base64(const unsigned char* bytes, int size) {
  std::string text(static_cast<std::size_t>(4 * ((size + 2) / 3)) + 1, '\0');
  text.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, size)));
  return text;
}

std::string accept_key(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return base64(digest.data(), static_cast<int>(size));
}

std::string header_value(const std::string& request, std::string_view name) {
  for (std::size_t at = request.find("\r\n"); at != std::string::npos;
       at = request.find("\r\n", at + 2)) {
    bool matches = request.size() > at + 2 + name.size() && request[at + 2 + name.size()] == ':';
    for (std::size_t i = 0; matches && i < name.size(); ++i)
      matches = std::tolower(static_cast<unsigned char>(request[at + 2 + i])) == name[i];
    if (!matches) continue;
    const std::size_t begin = request.find_first_not_of(' ', at + 3 + name.size());
    return request.substr(begin, request.find("\r\n", begin) - begin);
  }
  return {};
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// What came within a tick; nothing when the peer has gone.
std::optional<std::string> receive(int socket) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, kTickMs) == 0) return std::string();
  std::array<char, 4096> buffer{};
  const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
  if (size <= 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string text_frame(std::string_view text) {
  std::string frame{static_cast<char>(0x81)};
  if (text.size() < 126) {
    frame += static_cast<char>(text.size());
  } else {
    frame += static_cast<char>(126);
    frame += static_cast<char>(text.size() >> 8U);
    frame += static_cast<char>(text.size() & 0xFFU);
  }
  return frame + std::string(text);
}

// Takes one whole frame of a client off the buffer; its opcode and text.
std::optional<std::pair<int, std::string>> take_frame(std::string& buffer) {
  const auto byte = [&buffer](std::size_t i) { return static_cast<unsigned char>(buffer[i]); };
  if (buffer.size() < 6) return std::nullopt;
  std::size_t size = byte(1) & 0x7FU;
  std::size_t head = 2;
  if (size == 126) {
    size = static_cast<std::size_t>(byte(2)) << 8U | byte(3);
    head = 4;
  }
  if (size == 127 || buffer.size() < head + 4 + size) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; i < size; ++i)
    text += static_cast<char>(byte(head + 4 + i) ^ byte(head + i % 4));
  const int opcode = byte(0) & 0x0F;
  buffer.erase(0, head + 4 + size);
  return std::pair{opcode, std::move(text)};
}

}  // namespace

TinyPeer::TinyPeer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, raw, &size) != 0) {
    throw std::runtime_error("no loopback port to be had");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

TinyPeer::~TinyPeer() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_)
    connection.join();
  ::close(listener_);
}

std::string TinyPeer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

void TinyPeer::accept_connections() {
  while (!stopping_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kTickMs) <= 0) continue;
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const std::lock_guard lock(mutex_);
    connections_.emplace_back([this, socket] {
      serve(socket);
      ::close(socket);
    });
  }
}

void TinyPeer::serve(int socket) {
  std::string buffer;
  while (!stopping_) {
    const auto piece = receive(socket);
    if (!piece) return;
    buffer += *piece;
    const std::size_t end = buffer.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const std::string request = buffer.substr(0, end + 4);
    buffer.erase(0, end + 4);
    if (!header_value(request, "sec-websocket-key").empty()) {
      serve_websocket(socket, request);
      return;
    }
    ++requests_;
    if (!send_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) return;
  }
}

void TinyPeer::serve_websocket(int socket, const std::string& request) {
  if (!send_all(socket,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: " +
                    accept_key(header_value(request, "sec-websocket-key")) + "\r\n\r\n")) {
    return;
  }
  ++websockets_;
  std::string buffer;
  std::string id;
  while (!stopping_) {
    const auto piece = receive(socket);
    if (!piece) return;
    buffer += *piece;
    while (const auto frame = take_frame(buffer)) {
      constexpr int kClose = 8;
      if (frame->first == kClose) {
        (void)send_all(socket, std::string("\x88\x02\x03\xE8", 4));
        return;
      }
      const std::string_view key = R"("id":")";
      const std::size_t at = frame->second.find(key);
      if (at != std::string::npos) {
        const std::size_t begin = at + key.size();
        id = frame->second.substr(begin, frame->second.find('"', begin) - begin);
      }
    }
    if (!id.empty() &&
        !send_all(socket, text_frame(R"({"type":"monitor_metrics","id":")" + id +
                                     R"(","sandbox_id":"sb_1","metrics":{"cpu_percent":1}})"))) {
      return;
    }
  }
}

}  // namespace nullspace::tests

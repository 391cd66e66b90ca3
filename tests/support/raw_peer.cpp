#include "tests/support/raw_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <csignal>
#include <stdexcept>
#include <utility>

namespace nullspace::tests {

namespace {

constexpr int kGuardSeconds = 10;

std::string header_value(std::string_view head, std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  std::size_t at = 0;
  while (at < head.size()) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view line = head.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (colon == name.size() && std::equal(name.begin(), name.end(), line.begin(), same)) {
      const std::size_t begin = line.find_first_not_of(' ', colon + 1);
      return begin == std::string_view::npos ? std::string() : std::string(line.substr(begin));
    }
    at = end + 2;
  }
  return {};
}

std::string accept_key(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 64> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

std::string frame_head(unsigned char first_byte, std::size_t size, bool masked) {
  std::string head(1, static_cast<char>(first_byte));
  const unsigned mask_bit = masked ? 0x80U : 0U;
  const auto append = [&head, size](int bytes) {
    for (int i = bytes - 1; i >= 0; --i)
      head += static_cast<char>((size >> (8 * i)) & 0xFFU);
  };
  if (size < 126) {
    head += static_cast<char>(mask_bit | size);
  } else if (size < 65536) {
    head += static_cast<char>(mask_bit | 126U);
    append(2);
  } else {
    head += static_cast<char>(mask_bit | 127U);
    append(8);
  }
  return head;
}

int listen_on_free_port(bool ipv6, int& port) {
  const int listener = ::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) throw std::runtime_error("socket");
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  auto* const address = ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t size = ipv6 ? sizeof v6 : sizeof v4;
  if (::bind(listener, address, size) != 0 || ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, address, &size) != 0) {
    ::close(listener);
    throw std::runtime_error("cannot listen on loopback");
  }
  port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
  return listener;
}

}  // namespace

int RawFrame::close_code() const {
  if (payload.size() < 2) return 1005;
  return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
}

RawConnection::RawConnection(int socket, SSL_CTX* tls) : socket_(socket) {
  const timeval guard{.tv_sec = kGuardSeconds, .tv_usec = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof guard);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &guard, sizeof guard);
  // Frames go out as they are written; waiting for acknowledgements would only make tests slow.
  const int at_once = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, socket);
  if (SSL_accept(ssl_) != 1) close();
}

RawConnection::~RawConnection() {
  close();
  SSL_free(ssl_);
}

void RawConnection::shut(bool reset) {
  const std::lock_guard lock(closing_);
  const int socket = socket_.exchange(-1);
  if (socket < 0) return;
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else {
    ::shutdown(socket, SHUT_WR);
  }
  ::close(socket);
}

void RawConnection::close() {
  shut(false);
}
void RawConnection::reset() {
  shut(true);
}
void RawConnection::finish_writing() {
  ::shutdown(socket_, SHUT_WR);
}

void RawConnection::interrupt() const {
  const std::lock_guard lock(closing_);
  ::shutdown(socket_, SHUT_RDWR);
}

void RawConnection::set_receive_buffer(int bytes) const {
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

bool RawConnection::fill() {
  if (socket_ < 0) return false;
  std::array<char, 65536> chunk{};
  const auto got =
      ssl_ != nullptr
          ? static_cast<ssize_t>(SSL_read(ssl_, chunk.data(), static_cast<int>(chunk.size())))
          : ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (got <= 0) return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> RawConnection::read_exactly(std::size_t size) {
  while (buffer_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return bytes;
}

std::optional<std::string> RawConnection::read_through(std::string_view marker) {
  std::size_t found = 0;
  while ((found = buffer_.find(marker)) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  return read_exactly(found + marker.size());
}

std::optional<std::string> RawConnection::read_request() {
  auto head = read_through("\r\n\r\n");
  if (!head) return std::nullopt;
  std::size_t size = 0;
  const std::string length = header_value(*head, "Content-Length");
  std::from_chars(length.data(), length.data() + length.size(), size);
  auto body = read_exactly(size);
  if (!body) return std::nullopt;
  return *head + *body;
}

std::string RawConnection::read_to_end() {
  while (fill()) {
  }
  return std::exchange(buffer_, {});
}

bool RawConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (socket_ < 0) return false;
    const auto sent =
        ssl_ != nullptr
            ? static_cast<ssize_t>(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())))
            : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawConnection::answer(int status, std::string_view body, std::string_view headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) +
                     " Status\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += headers;
  text += "\r\n";
  text += body;
  write(text);
}

std::optional<std::string> RawConnection::accept_websocket() {
  auto head = read_through("\r\n\r\n");
  if (!head) return std::nullopt;
  write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Accept: " +
      accept_key(header_value(*head, "Sec-WebSocket-Key")) + "\r\n\r\n");
  return head;
}

bool RawConnection::send_frame(Opcode opcode, std::string_view payload, bool final) {
  return send_odd_frame(
      static_cast<unsigned char>((final ? 0x80U : 0U) | static_cast<unsigned>(opcode)), payload);
}

bool RawConnection::send_odd_frame(unsigned char first_byte, std::string_view payload,
                                   bool masked) {
  std::string frame = frame_head(first_byte, payload.size(), masked);
  if (masked) {
    constexpr std::string_view kMask = "\x11\x22\x33\x44";
    frame += kMask;
    for (std::size_t i = 0; i < payload.size(); ++i)
      frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  } else {
    frame += payload;
  }
  return write(frame);
}

bool RawConnection::send_close(int code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  payload += reason;
  return send_frame(Opcode::close, payload);
}

std::optional<RawFrame> RawConnection::read_frame() {
  const auto head = read_exactly(2);
  if (!head) return std::nullopt;
  const auto first = static_cast<unsigned char>((*head)[0]);
  const auto second = static_cast<unsigned char>((*head)[1]);
  std::size_t size = second & 0x7FU;
  if (size >= 126) {
    const auto length = read_exactly(size == 126 ? 2 : 8);
    if (!length) return std::nullopt;
    size = 0;
    for (const char c : *length)
      size = size << 8 | static_cast<unsigned char>(c);
  }
  std::string mask(4, '\0');
  if ((second & 0x80U) != 0) {
    auto key = read_exactly(4);
    if (!key) return std::nullopt;
    mask = *std::move(key);
  }
  auto payload = read_exactly(size);
  if (!payload) return std::nullopt;
  for (std::size_t i = 0; i < payload->size(); ++i)
    (*payload)[i] = static_cast<char>((*payload)[i] ^ mask[i % 4]);
  return RawFrame{static_cast<Opcode>(first & 0x0FU), (first & 0x80U) != 0, *std::move(payload)};
}

std::optional<RawFrame> RawConnection::read_data_frame() {
  while (auto frame = read_frame()) {
    if (frame->opcode != Opcode::ping && frame->opcode != Opcode::pong) return frame;
  }
  return std::nullopt;
}

RawPeer::RawPeer(Script script) : RawPeer(std::move(script), Options{}) {}

RawPeer::RawPeer(Script script, Options options)
    : script_(std::move(script)), options_(std::move(options)), tls_(nullptr, SSL_CTX_free) {
  if (options_.tls) {
    tls_.reset(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(tls_.get(), options_.tls->certificate_file.c_str()) !=
            1 ||
        SSL_CTX_use_PrivateKey_file(tls_.get(), options_.tls->key_file.c_str(), SSL_FILETYPE_PEM) !=
            1) {
      throw std::runtime_error("cannot load the test certificate");
    }
  }
  listener_ = listen_on_free_port(options_.ipv6, port_);
  if (options_.accept) acceptor_ = std::thread([this] { accept_loop(); });
}

RawPeer::~RawPeer() {
  ::shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const Served& served : served_) {
      if (served.connection) served.connection->interrupt();
    }
  }
  for (Served& served : served_)
    served.thread.join();
}

std::string RawPeer::url(std::string_view scheme, std::string_view path) const {
  return std::string(scheme) + (options_.ipv6 ? "://[::1]:" : "://127.0.0.1:") +
         std::to_string(port_) + std::string(path);
}

void RawPeer::accept_loop() {
  // OpenSSL writes to closed sockets without asking for peace first. The threads of the scripts
  // inherit this.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    Served& served = served_.emplace_back();
    served.thread = std::thread([this, &served, socket] {
      auto connection = std::make_unique<RawConnection>(socket, tls_.get());
      RawConnection& open = *connection;
      {
        const std::lock_guard inner(mutex_);
        served.connection = std::move(connection);
      }
      if (open.is_open()) script_(open);
      open.close();
    });
  }
}

int refusing_port() {
  int port = 0;
  // Bound for a moment, so that it is nobody else's; once closed, connecting to it is refused.
  ::close(listen_on_free_port(false, port));
  return port;
}

}  // namespace nullspace::tests

#include "tests/integration/local_server/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "tests/support/catch.hpp"

namespace nullspace::test {

RawSocket::RawSocket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  REQUIRE(fd_);
  set_patience(kPatience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

void RawSocket::set_patience(std::chrono::milliseconds patience) {
  const timeval limit{patience.count() / 1000, patience.count() % 1000 * 1000};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void RawSocket::set_receive_buffer(int bytes) {
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void RawSocket::finish_sending() {
  ::shutdown(fd_.get(), SHUT_WR);
}

void RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // A server that refuses early may not want the rest.
    if (sent < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string RawSocket::receive() {
  if (!buffer_.empty()) return std::exchange(buffer_, {});
  std::array<char, 65'536> bytes;
  ssize_t got = 0;
  // A receive with a time-out is interrupted by the end of every child process.
  do {
    got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  was_reset_ = got < 0 && errno == ECONNRESET;
  if (got <= 0) return {};
  return {bytes.data(), static_cast<std::size_t>(got)};
}

std::string RawSocket::receive_all() {
  std::string all;
  while (true) {
    const std::string part = receive();
    if (part.empty()) return all;
    all += part;
  }
}

std::string RawSocket::receive_until(std::string_view text) {
  std::string all;
  while (true) {
    const std::size_t found = all.find(text);
    if (found != std::string::npos) {
      buffer_ = all.substr(found + text.size());
      all.resize(found + text.size());
      return all;
    }
    const std::string part = receive();
    if (part.empty()) FAIL("the stream ended after: " << all);
    all += part;
  }
}

std::string RawSocket::receive_exactly(std::size_t size) {
  std::string all;
  while (all.size() < size) {
    const std::string part = receive();
    if (part.empty()) return {};
    all += part;
  }
  buffer_ = all.substr(size);
  all.resize(size);
  return all;
}

RawAnswer read_answer(RawSocket& socket) {
  RawAnswer answer;
  std::string head = socket.receive_until("\r\n\r\n");
  answer.status = std::atoi(head.c_str() + sizeof("HTTP/1.1"));
  std::size_t at = head.find("\r\n") + 2;
  while (at < head.size()) {
    const std::size_t end = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    if (end == at || colon > end) break;
    answer.headers[head.substr(at, colon - at)] = head.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  if (const auto length = answer.headers.find("content-length"); length != answer.headers.end()) {
    const std::size_t size = std::strtoul(length->second.c_str(), nullptr, 10);
    if (size > 0) answer.body = socket.receive_exactly(size);
  }
  return answer;
}

RawClient::RawClient(std::uint16_t port, std::string key)
    : port_(port), key_(std::move(key)), socket_(port) {}

RawAnswer RawClient::call(const std::string& method, const std::string& path,
                          const std::string& body, const RawHeaders& headers) {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
                     "\r\nAuthorization: Bearer " + key_ + "\r\n";
  for (const auto& [name, value] : headers)
    text += name + ": " + value + "\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  socket_.send(text);
  return read_answer(socket_);
}

std::string RawClient::create(Json::Object request) {
  const RawAnswer answer = post("/v1/sandboxes", std::move(request));
  INFO(answer.body);
  REQUIRE(answer.status == 201);
  return "/v1/sandboxes/" + answer.json()["id"].as_string().value();
}

std::string RawClient::shell(const std::string& sandbox_path, const std::string& command) {
  const RawAnswer answer =
      post(sandbox_path + "/exec", Json::Object{{"command", command}, {"shell", true}});
  INFO(answer.body);
  REQUIRE(answer.status == 200);
  return answer.json()["stdout"].as_string().value();
}

RawWebSocket::RawWebSocket(std::uint16_t port, const std::string& path, const std::string& key,
                           const RawHeaders& headers)
    : socket_(port) {
  std::string more;
  for (const auto& [name, value] : headers)
    more += name + ": " + value + "\r\n";
  socket_.send("GET " + path +
               " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Authorization: Bearer " +
               key + "\r\n" + more + "\r\n");
  const std::string head = socket_.receive_until("\r\n\r\n");
  INFO(head);
  REQUIRE(head.starts_with("HTTP/1.1 101 "));
  REQUIRE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
}

void RawWebSocket::send_text(std::string_view text) {
  send_frame(0x81, text);
}

void RawWebSocket::send_frame(unsigned first_byte, std::string_view payload) {
  std::string frame(1, static_cast<char>(first_byte));
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80U | payload.size()));
  } else if (payload.size() < 65'536) {
    frame.push_back(static_cast<char>(0xFEU));
    for (const unsigned shift : {8U, 0U}) {
      frame.push_back(static_cast<char>((payload.size() >> shift) & 0xFFU));
    }
  } else {
    frame.push_back(static_cast<char>(0xFFU));
    for (unsigned shift = 64; shift > 0; shift -= 8) {
      frame.push_back(static_cast<char>((payload.size() >> (shift - 8)) & 0xFFU));
    }
  }
  constexpr std::array<char, 4> kMask{1, 2, 3, 4};
  frame.append(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  }
  socket_.send(frame);
}

std::optional<RawWebSocket::Frame> RawWebSocket::receive_frame() {
  const std::string head = socket_.receive_exactly(2);
  if (head.empty()) return std::nullopt;
  Frame frame;
  frame.opcode = static_cast<unsigned char>(head[0]) & 0x0FU;
  frame.last = (static_cast<unsigned char>(head[0]) & 0x80U) != 0;
  std::size_t size = static_cast<unsigned char>(head[1]);
  if (size >= 126) {
    const std::string extended = socket_.receive_exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : extended)
      size = (size << 8U) | static_cast<unsigned char>(c);
  }
  if (size > 0) frame.payload = socket_.receive_exactly(size);
  return frame;
}

std::optional<std::string> RawWebSocket::receive_text() {
  while (auto frame = receive_frame()) {
    if (frame->opcode == 0x1) return std::move(frame->payload);
    if (frame->opcode == 0x9) {
      ++pings_;
      if (answer_pings_) send_frame(0x8A, frame->payload);
    }
    if (frame->opcode == 0x8) {
      if (frame->payload.size() >= 2) {
        close_code_ = static_cast<unsigned char>(frame->payload[0]) * 256 +
                      static_cast<unsigned char>(frame->payload[1]);
      }
      send_frame(0x88, frame->payload.substr(0, 2));
    }
  }
  return std::nullopt;
}

Json RawWebSocket::receive() {
  const auto text = receive_text();
  if (!text) FAIL("the server closed with " << close_code_);
  return Json::parse(*text);
}

Json RawWebSocket::receive_type(std::string_view type) {
  while (true) {
    Json message = receive();
    if (message["type"].as_string() == type) return message;
  }
}

int RawWebSocket::receive_close() {
  while (receive_text()) {
  }
  return close_code_;
}

}  // namespace nullspace::test

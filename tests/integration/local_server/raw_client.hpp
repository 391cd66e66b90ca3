// HTTP and WebSocket by hand, over plain sockets: nothing of the SDK is between the test and the
// server, and what is sent may be wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nullspace/json.hpp>

#include "local/guest/unique_fd.hpp"

namespace nullspace::test {

inline constexpr std::chrono::seconds kPatience{10};

// A TCP connection to a port of this machine. Reading gives up after kPatience.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port);

  void send(std::string_view bytes);
  // What has come, at least one byte; "" at the end of the stream or when nothing comes.
  std::string receive();
  // Everything until the server closes.
  std::string receive_all();
  // Up to and including the text; fails the test when the stream ends before.
  std::string receive_until(std::string_view text);
  std::string receive_exactly(std::size_t size);
  void set_receive_buffer(int bytes);
  void set_patience(std::chrono::milliseconds patience);
  // The connection ended by a RST.
  [[nodiscard]] bool was_reset() const { return was_reset_; }
  // Nothing more is sent; the server sees the end.
  void finish_sending();
  void close() { fd_.reset(); }

 private:
  local::guest::UniqueFd fd_;
  std::string buffer_;
  bool was_reset_ = false;
};

struct RawAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // lower-case names
  std::string body;
  [[nodiscard]] Json json() const { return body.empty() ? Json() : Json::parse(body); }
  [[nodiscard]] std::string code() const { return json()["code"].as_string().value_or(""); }
};

using RawHeaders = std::vector<std::pair<std::string, std::string>>;

// One kept-alive connection and a key.
class RawClient {
 public:
  RawClient(std::uint16_t port, std::string key);

  RawAnswer call(const std::string& method, const std::string& path, const std::string& body = {},
                 const RawHeaders& headers = {});
  RawAnswer get(const std::string& path) { return call("GET", path); }
  RawAnswer post(const std::string& path, const Json& body) {
    return call("POST", path, body.dump());
  }
  RawAnswer post(const std::string& path) { return call("POST", path); }

  // Creates a sandbox and gives its path, `/v1/sandboxes/<id>`.
  std::string create(Json::Object request = {});
  // Runs a shell command in the foreground; its output.
  std::string shell(const std::string& sandbox_path, const std::string& command);

 private:
  std::uint16_t port_;
  std::string key_;
  RawSocket socket_;
};

// Reads an answer from a socket on which a request was sent.
RawAnswer read_answer(RawSocket& socket);

class RawWebSocket {
 public:
  RawWebSocket(std::uint16_t port, const std::string& path, const std::string& key,
               const RawHeaders& headers = {});

  void send(const Json& message) { send_text(message.dump()); }
  void send_text(std::string_view text);
  void send_frame(unsigned first_byte, std::string_view payload);
  void send_bytes(std::string_view bytes) { socket_.send(bytes); }
  // The next message; fails the test when the server closes instead.
  Json receive();
  // The next message of that type; others are thrown away.
  Json receive_type(std::string_view type);
  // Reads until the server closes; its close code, 0 when it just hung up.
  int receive_close();
  // Pings that came so far are answered unless this is false.
  void answer_pings(bool answer) { answer_pings_ = answer; }
  [[nodiscard]] int pings() const { return pings_; }
  RawSocket& socket() { return socket_; }

  struct Frame {
    unsigned opcode = 0;
    bool last = true;
    std::string payload;
  };
  // Nothing at the end of the stream.
  std::optional<Frame> receive_frame();

 private:
  std::optional<std::string> receive_text();

  RawSocket socket_;
  bool answer_pings_ = true;
  int pings_ = 0;
  int close_code_ = 0;
};

}  // namespace nullspace::test

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "local/server/http_message.hpp"

namespace nullspace::local {

struct HttpLimits {
  std::size_t head_bytes = std::size_t{64} << 10U;
  std::size_t header_count = 128;
  std::size_t body_bytes = std::size_t{16} << 20U;
};

struct HttpFailure {
  int status = 400;
  std::string message;
};

// Cuts a byte stream into HTTP/1 requests. No I/O.
class HttpParser {
 public:
  enum class State { head, body, complete, failed };

  explicit HttpParser(HttpLimits limits = {}) : limits_(limits) {}

  // Takes what belongs to the current request and says how many bytes that were; the rest belongs
  // to the next one, to be fed after take().
  std::size_t feed(std::string_view input);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const HttpFailure& failure() const { return failure_; }
  // Bytes of a request have come, but not all of it.
  [[nodiscard]] bool in_request() const { return state_ == State::body || !head_.empty(); }
  // The client holds the body back until it is told to go on.
  [[nodiscard]] bool expects_continue() const;
  // The head, once the state is `body` or later.
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  // The complete request; the parser is ready for the next one.
  HttpRequest take();

 private:
  enum class Body { none, sized, chunk_size, chunk_data, chunk_end, trailers };

  void fail(int status, std::string message);
  std::size_t feed_head(std::string_view input);
  std::size_t feed_body(std::string_view input);
  std::size_t feed_line(std::string_view input, std::size_t limit);
  void parse_head(std::string_view head);
  bool parse_request_line(std::string_view line);
  bool parse_header(std::string_view line);
  void choose_framing();
  void chunk_line_done();

  HttpLimits limits_;
  State state_ = State::head;
  Body body_ = Body::none;
  HttpFailure failure_;
  HttpRequest request_;
  std::string head_;
  std::string line_;
  std::uint64_t remaining_ = 0;
};

}  // namespace nullspace::local

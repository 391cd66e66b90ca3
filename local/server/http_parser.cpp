#include "local/server/http_parser.hpp"

#include <algorithm>
#include <utility>

namespace nullspace::local {

namespace {

constexpr std::size_t kChunkLineBytes = 4096;

bool is_token_char(char c) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

std::string_view without_cr(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::optional<std::uint64_t> parse_number(std::string_view text, unsigned base,
                                          std::size_t digits) {
  if (text.empty() || text.size() > digits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

}  // namespace

void HttpParser::fail(int status, std::string message) {
  state_ = State::failed;
  failure_ = {status, std::move(message)};
}

bool HttpParser::expects_continue() const {
  return state_ == State::body && request_.minor_version >= 1 &&
         request_.header_has_token("expect", "100-continue");
}

HttpRequest HttpParser::take() {
  HttpRequest request = std::move(request_);
  request_ = {};
  state_ = State::head;
  body_ = Body::none;
  return request;
}

std::size_t HttpParser::feed(std::string_view input) {
  std::size_t consumed = 0;
  while (true) {
    const std::string_view rest = input.substr(consumed);
    const State before = state_;
    if (state_ == State::head) {
      consumed += feed_head(rest);
    } else if (state_ == State::body) {
      consumed += feed_body(rest);
    } else {
      return consumed;
    }
    if (consumed == input.size() && state_ == before) return consumed;
  }
}

// Lines may end with a bare LF; the head ends with an empty line.
std::size_t HttpParser::feed_head(std::string_view input) {
  std::size_t skipped = 0;
  // Some old clients send an empty line after a body.
  if (head_.empty()) {
    while (skipped < input.size() && (input[skipped] == '\r' || input[skipped] == '\n'))
      ++skipped;
    input.remove_prefix(skipped);
  }
  const std::size_t old_size = head_.size();
  const std::size_t room = limits_.head_bytes + 1 - std::min(old_size, limits_.head_bytes);
  head_.append(input.substr(0, room));
  std::size_t from = old_size < 3 ? 0 : old_size - 3;
  while (true) {
    const std::size_t newline = head_.find('\n', from);
    if (newline == std::string::npos) break;
    const std::string_view after = std::string_view(head_).substr(newline + 1);
    const std::size_t blank = after.starts_with("\n") ? 1 : after.starts_with("\r\n") ? 2 : 0;
    if (blank != 0) {
      const std::size_t end = newline + 1 + blank;
      const std::string head = head_.substr(0, newline + 1);
      head_.clear();
      parse_head(head);
      return skipped + (end - old_size);
    }
    from = newline + 1;
  }
  if (head_.size() > limits_.head_bytes) fail(431, "the request head is too large");
  return skipped + input.size();
}

void HttpParser::parse_head(std::string_view head) {
  bool first = true;
  while (!head.empty()) {
    const std::size_t newline = head.find('\n');
    const std::string_view line = without_cr(head.substr(0, newline));
    head.remove_prefix(newline + 1);
    if (first ? !parse_request_line(line) : !parse_header(line)) return;
    first = false;
  }
  choose_framing();
}

bool HttpParser::parse_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    fail(400, "malformed request line");
    return false;
  }
  const std::string_view method = line.substr(0, first);
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) {
      fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    } else {
      fail(400, "malformed request line");
    }
    return false;
  }
  if (!is_token(method) || method.size() > 32 || target.empty() || has_control(target) ||
      target.find(' ') != std::string_view::npos) {
    fail(400, "malformed request line");
    return false;
  }
  request_.method = method;
  request_.target_text = target;
  request_.minor_version = version == "HTTP/1.1" ? 1 : 0;
  // The form that clients of a proxy send: the authority in it replaces the Host header.
  if (const std::string lower = lower_case(target.substr(0, 8)); lower.starts_with("http://")) {
    const std::string_view rest = target.substr(7);
    const std::size_t slash = rest.find_first_of("/?");
    request_.headers.emplace_back("host", rest.substr(0, slash));
    target = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
  }
  if (target == "*") {
    if (method == "OPTIONS") return true;
    fail(400, "malformed request target");
    return false;
  }
  auto parsed = parse_target(target);
  if (!parsed) {
    fail(400, "malformed request target");
    return false;
  }
  request_.target = std::move(*parsed);
  return true;
}

bool HttpParser::parse_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  const std::string_view value =
      colon == std::string_view::npos ? std::string_view() : trim(line.substr(colon + 1));
  if (colon == std::string_view::npos || !is_token(name) || has_control(value)) {
    fail(400, "malformed header");
    return false;
  }
  if (request_.headers.size() >= limits_.header_count) {
    fail(431, "too many headers");
    return false;
  }
  request_.headers.emplace_back(lower_case(name), value);
  return true;
}

void HttpParser::choose_framing() {
  if (request_.minor_version >= 1 && !request_.header("host")) {
    fail(400, "the Host header is missing");
    return;
  }
  std::optional<std::uint64_t> length;
  bool chunked = false;
  for (const auto& [name, value] : request_.headers) {
    if (name == "content-length") {
      const auto number = parse_number(value, 10, 18);
      if (!number || (length && *length != *number)) {
        fail(400, "malformed Content-Length");
        return;
      }
      length = number;
    } else if (name == "transfer-encoding") {
      if (chunked || lower_case(value) != "chunked") {
        fail(501, "only the transfer encoding `chunked` is understood");
        return;
      }
      chunked = true;
    }
  }
  if (chunked && length) {
    fail(400, "both Content-Length and Transfer-Encoding");
  } else if (length && *length > limits_.body_bytes) {
    fail(413, "the request body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
  } else if (chunked) {
    body_ = Body::chunk_size;
    state_ = State::body;
  } else if (length && *length > 0) {
    body_ = Body::sized;
    remaining_ = *length;
    state_ = State::body;
  } else {
    state_ = State::complete;
  }
}

std::size_t HttpParser::feed_line(std::string_view input, std::size_t limit) {
  const std::size_t newline = input.find('\n');
  const std::size_t count = newline == std::string_view::npos ? input.size() : newline + 1;
  line_.append(input.substr(0, count));
  if (line_.size() > limit) {
    fail(400, "malformed chunk");
  } else if (newline != std::string_view::npos) {
    chunk_line_done();
  }
  return count;
}

void HttpParser::chunk_line_done() {
  std::string_view line = line_;
  line.remove_suffix(1);
  line = without_cr(line);
  if (body_ == Body::trailers) {
    if (line.empty()) state_ = State::complete;
  } else if (body_ == Body::chunk_end) {
    if (line.empty()) {
      body_ = Body::chunk_size;
    } else {
      fail(400, "malformed chunk");
    }
  } else {
    const auto size = parse_number(trim(line.substr(0, line.find(';'))), 16, 8);
    if (!size) {
      fail(400, "malformed chunk");
    } else if (request_.body.size() + *size > limits_.body_bytes) {
      fail(413, "the request body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
    } else if (*size == 0) {
      body_ = Body::trailers;
    } else {
      remaining_ = *size;
      body_ = Body::chunk_data;
    }
  }
  line_.clear();
}

std::size_t HttpParser::feed_body(std::string_view input) {
  if (body_ == Body::sized || body_ == Body::chunk_data) {
    const std::size_t count =
        static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    request_.body.append(input.substr(0, count));
    remaining_ -= count;
    if (remaining_ == 0) {
      if (body_ == Body::sized) {
        state_ = State::complete;
      } else {
        body_ = Body::chunk_end;
      }
    }
    return count;
  }
  return feed_line(input, kChunkLineBytes);
}

}  // namespace nullspace::local

#include "wire/frame.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "support/error_info.hpp"
#include "wire/base64.hpp"
#include "wire/json.hpp"
#include "wire/json_string.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr std::array<std::string_view, kFrameKeys> kWords{
    "type",      "id",      "pid",  "data", "data_base64", "session_id",
    "exit_code", "message", "code", "cols", "rows",        "exec_id"};

constexpr int kMaxDepth = 64;
constexpr unsigned kParseInPlace = rj::kParseInsituFlag | rj::kParseStopWhenDoneFlag;

bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::optional<FrameKey> key_of(std::string_view name) noexcept {
  const auto* found = std::find(kWords.begin(), kWords.end(), name);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<FrameKey>(found - kWords.begin());
}

}  // namespace

std::string_view word(FrameKey key) noexcept {
  return kWords.at(static_cast<std::size_t>(key));
}

support::Result<Frame> Frame::split(std::string&& text) {
  Frame frame;
  frame.text_ = std::move(text);
  if (const char* problem = frame.split_members()) {
    return support::invalid_response(std::string("malformed message: ") + problem);
  }
  if (!frame.has(FrameKey::type)) {
    return support::invalid_response("malformed message: it has no type");
  }
  std::optional<std::string> type = frame.decode_text(frame.slot(FrameKey::type));
  if (!type) return support::invalid_response("malformed message: type is no string");
  frame.type_ = std::move(*type);
  return frame;
}

void Frame::skip_space(std::size_t& position) const noexcept {
  while (position < text_.size() && is_space(text_[position]))
    ++position;
}

const char* Frame::split_members() {
  if (text_.find('\0') != std::string::npos) return "a NUL byte";
  std::size_t position = 0;
  skip_space(position);
  if (position == text_.size() || text_[position] != '{') return "no JSON object";
  ++position;
  skip_space(position);
  if (position < text_.size() && text_[position] == '}') {
    ++position;
  } else {
    while (true) {
      if (const char* problem = read_member(position)) return problem;
      skip_space(position);
      if (position == text_.size()) return "text that ends too early";
      const char separator = text_[position++];
      if (separator == '}') break;
      if (separator != ',') return "a comma is missing";
      skip_space(position);
    }
  }
  skip_space(position);
  return position == text_.size() ? nullptr : "text after its end";
}

const char* Frame::read_member(std::size_t& position) {
  if (position == text_.size() || text_[position] != '"') return "a name is missing";
  const std::size_t quote = find_string_end(text_, position);
  if (quote == std::string::npos) return "a string that does not end";
  const Span name{position, quote + 1};
  position = quote + 1;
  skip_space(position);
  if (position == text_.size() || text_[position] != ':') return "a colon is missing";
  ++position;
  skip_space(position);

  const ValueEnd value = find_value_end(text_, position, kMaxDepth - 1);
  if (value.problem != nullptr) return value.problem;
  const Span span{position, value.end};
  if (span.empty()) return "a value is missing";
  position = value.end;

  const std::optional<std::string> decoded_name = decode_text(name);
  if (!decoded_name) return "a name that is no string";
  const std::optional<FrameKey> key = key_of(*decoded_name);
  // Strings of known members are checked when they are taken, everything else now.
  if ((!key || text_[span.begin] != '"') && !is_well_formed(span)) return "a value that is no JSON";
  if (!key) return nullptr;
  const std::size_t index = static_cast<std::size_t>(*key);
  if (std::string_view(text_).substr(span.begin, span.end - span.begin) == "null") {
    nulls_.set(index);
  } else if (slots_.at(index).empty()) {
    slots_.at(index) = span;
  }
  return nullptr;
}

bool Frame::is_well_formed(Span span) {
  rj::InsituStringStream stream(text_.data() + span.begin);
  rj::BaseReaderHandler<> ignore;
  rj::Reader reader;
  return !reader.Parse<kParseInPlace>(stream, ignore).IsError() &&
         stream.Tell() == span.end - span.begin;
}

std::optional<std::string> Frame::decode_text(Span span) const {
  if (text_[span.begin] != '"') return std::nullopt;
  return unescape(std::string_view(text_).substr(span.begin + 1, span.end - span.begin - 2));
}

void Frame::refuse(FrameKey key, std::string_view what_is_wrong) {
  if (problem_) return;
  problem_ = support::invalid_response(type_ + "." + std::string(word(key)) + ": " +
                                       std::string(what_is_wrong));
}

void Frame::missing(FrameKey key, std::string_view expected) {
  refuse(key, "expected " + std::string(expected) + ", but it is missing");
}

std::string Frame::required_text(FrameKey key) {
  if (!has(key)) {
    missing(key, "a string");
    return {};
  }
  return text_or_empty(key);
}

std::string Frame::text_or_empty(FrameKey key) {
  if (!has(key)) return {};
  std::optional<std::string> text = decode_text(slot(key));
  if (text) return std::move(*text);
  refuse(key, "expected a string");
  return {};
}

int Frame::required_int(FrameKey key) {
  if (!has(key)) {
    missing(key, "an integer");
    return 0;
  }
  return int_or_zero(key);
}

int Frame::int_or_zero(FrameKey key) {
  if (!has(key)) return 0;
  const Span span = slot(key);
  const char* const end = text_.data() + span.end;
  int value = 0;
  const auto [rest, error] = std::from_chars(text_.data() + span.begin, end, value);
  if (error == std::errc() && rest == end) return value;
  refuse(key, "expected an integer");
  return 0;
}

std::string Frame::required_bytes(FrameKey key) {
  if (!has(key)) {
    missing(key, "base64");
    return {};
  }
  const Span span = slot(key);
  const std::string_view raw = std::string_view(text_).substr(span.begin, span.end - span.begin);
  std::optional<std::string> bytes;
  if (raw.front() == '"' && raw.find('\\') == std::string_view::npos) {
    bytes = decode_base64(raw.substr(1, raw.size() - 2));
  } else if (const std::optional<std::string> text = decode_text(span)) {
    // Some writers escape every slash.
    bytes = decode_base64(*text);
  }
  if (bytes) return std::move(*bytes);
  refuse(key, "expected base64");
  return {};
}

StreamError take_error(Frame& frame) {
  return {frame.text_or_empty(FrameKey::id), frame.required_text(FrameKey::message),
          frame.text_or_empty(FrameKey::code)};
}

}  // namespace nullspace::inline v0::wire

#include "local/server/faults/fault.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace nullspace::local {

namespace {

using Parsed = std::variant<Fault, std::string>;

constexpr std::chrono::milliseconds kMaxTime = std::chrono::hours(1);
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30U;
constexpr std::uint64_t kMaxMessages = 1'000'000'000;

struct Word {
  std::string_view text;
  FaultKind kind;
};
constexpr std::array kWords{
    Word{"return-reset-connection", FaultKind::reset},
    Word{"return-broken-stream", FaultKind::broken_stream},
    Word{"garbage-json", FaultKind::garbage_json},
    Word{"bad-utf8", FaultKind::bad_utf8},
    Word{"vanish", FaultKind::vanish},
    Word{"stall-pong", FaultKind::stall_pong},
    Word{"stall-ping", FaultKind::stall_ping},
    Word{"stall-reads", FaultKind::stall_reads},
    Word{"stall-writes", FaultKind::stall_writes},
    Word{"truncate-frame", FaultKind::truncate_frame},
    Word{"split-frame", FaultKind::split_frame},
    Word{"duplicate-event", FaultKind::duplicate_event},
    Word{"skip-event", FaultKind::skip_event},
    Word{"drop-exit-frame", FaultKind::drop_exit_frame},
};
constexpr std::array kTimedWords{
    Word{"stall-for-", FaultKind::stall},
    Word{"delay-for-", FaultKind::delay},
    Word{"delay-messages-for-", FaultKind::delay_messages},
};

// The number that the text begins with is taken off it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return number;
}

std::optional<int> whole_number(std::string_view text, int least, int most) {
  const auto number = take_number(text);
  if (!number || !text.empty()) return std::nullopt;
  if (*number > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) return std::nullopt;
  const int value = static_cast<int>(*number);
  if (value < least || value > most) return std::nullopt;
  return value;
}

std::optional<std::chrono::milliseconds> duration_of(std::string_view text) {
  const auto number = take_number(text);
  if (!number || *number > static_cast<std::uint64_t>(kMaxTime.count())) return std::nullopt;
  std::chrono::milliseconds time{static_cast<std::int64_t>(*number)};
  if (text == "s") {
    time *= 1000;
  } else if (text != "ms") {
    return std::nullopt;
  }
  return time <= kMaxTime ? std::optional(time) : std::nullopt;
}

std::optional<std::uint64_t> size_of(std::string_view text) {
  const auto number = take_number(text);
  if (!number || *number > kMaxBytes) return std::nullopt;
  const unsigned shift = text == "K" ? 10U : text == "M" ? 20U : 0U;
  if (shift == 0 && text != "B") return std::nullopt;
  const std::uint64_t bytes = *number << shift;
  return bytes <= kMaxBytes ? std::optional(bytes) : std::nullopt;
}

std::optional<std::uint64_t> message_count_of(std::string_view text) {
  const auto number = take_number(text);
  if (!number || *number > kMaxMessages) return std::nullopt;
  if (text != "-messages" && text != "-message") return std::nullopt;
  return number;
}

bool may_count_bytes(FaultKind kind) {
  return kind == FaultKind::answer || kind == FaultKind::reset ||
         kind == FaultKind::broken_stream || kind == FaultKind::stall;
}

bool may_count_messages(FaultKind kind) {
  return kind != FaultKind::answer && kind != FaultKind::delay && kind != FaultKind::stall;
}

Parsed parse_head(std::string_view text) {
  Fault fault;
  if (text == "expire-token") {
    fault.number = 401;
    return fault;
  }
  if (text == "return-reset-connection-before-answer") {
    fault.kind = FaultKind::reset;
    fault.before_answer = true;
    return fault;
  }
  const auto* word = std::find_if(kWords.begin(), kWords.end(),
                                  [text](const Word& known) { return known.text == text; });
  if (word != kWords.end()) {
    fault.kind = word->kind;
    return fault;
  }
  for (const Word& timed : kTimedWords) {
    if (!text.starts_with(timed.text)) continue;
    const auto time = duration_of(text.substr(timed.text.size()));
    if (!time) return "a time is written 5s or 250ms and is at most an hour";
    fault.kind = timed.kind;
    fault.time = *time;
    return fault;
  }
  constexpr std::string_view kReturn = "return-";
  constexpr std::string_view kClose = "close-";
  if (text.starts_with(kReturn)) {
    const auto status = whole_number(text.substr(kReturn.size()), 200, 599);
    if (!status) return "return- takes a status from 200 to 599";
    fault.number = *status;
    return fault;
  }
  if (text.starts_with(kClose)) {
    const auto code = whole_number(text.substr(kClose.size()), 1000, 4999);
    if (!code) return "close- takes a close code from 1000 to 4999";
    fault.kind = FaultKind::close;
    fault.number = *code;
    return fault;
  }
  return "there is no such fault";
}

}  // namespace

Parsed parse_fault(std::string_view text) {
  constexpr std::string_view kAfter = "-after-";
  const std::size_t split = text.find(kAfter);
  Parsed parsed = parse_head(text.substr(0, split));
  auto* fault = std::get_if<Fault>(&parsed);
  if (fault == nullptr || split == std::string_view::npos) return parsed;
  const std::string_view tail = text.substr(split + kAfter.size());
  if (fault->before_answer) return "-before-answer and -after- exclude each other";
  fault->after_bytes = size_of(tail);
  if (fault->after_bytes) {
    if (!may_count_bytes(fault->kind)) return "this fault cannot wait for a number of bytes";
    return parsed;
  }
  fault->after_messages = message_count_of(tail);
  if (fault->after_messages) {
    if (!may_count_messages(fault->kind)) return "this fault cannot wait for a number of messages";
    return parsed;
  }
  return "after- takes bytes (100B, 4K, 1M) or messages (3-messages)";
}

bool decided_at(const Fault& fault, FaultStage stage, bool websocket) {
  switch (fault.kind) {
    case FaultKind::answer:
    case FaultKind::delay:
    case FaultKind::stall:
      return stage == FaultStage::request;
    case FaultKind::reset:
    case FaultKind::broken_stream:
      return stage == (fault.after_messages ? FaultStage::session : FaultStage::request);
    case FaultKind::close:
    case FaultKind::vanish:
      return stage == (fault.after_messages ? FaultStage::session : FaultStage::message);
    case FaultKind::stall_pong:
    case FaultKind::stall_ping:
    case FaultKind::stall_reads:
    case FaultKind::stall_writes:
    case FaultKind::delay_messages:
      return stage == FaultStage::session;
    case FaultKind::garbage_json:
    case FaultKind::bad_utf8:
      if (stage == FaultStage::request) return !websocket && !fault.after_messages;
      return stage == FaultStage::message;
    case FaultKind::truncate_frame:
    case FaultKind::split_frame:
    case FaultKind::duplicate_event:
    case FaultKind::skip_event:
    case FaultKind::drop_exit_frame:
      return stage == FaultStage::message;
  }
  return false;
}

}  // namespace nullspace::local

// One flat JSON object of a stream, taken apart in place: the hot path of output. Only what is
// asked for is decoded; a terminal's frame carries its bytes twice, and the copy that is not used
// is skipped at the speed of memchr.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/error.hpp>

#include "support/result.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::inline v0::wire {

enum class FrameKey : std::size_t {
  type,
  id,
  pid,
  data,
  data_base64,
  session_id,
  exit_code,
  message,
  code,
  cols,
  rows,
  exec_id,
};
inline constexpr std::size_t kFrameKeys = 12;
[[nodiscard]] std::string_view word(FrameKey key) noexcept;

// Reads like an ObjectReader: the first problem is remembered, null counts as absent.
class Frame {
 public:
  // Refuses what is no JSON object, or nested deeper than 64. Members it does not know are checked
  // and dropped.
  [[nodiscard]] static support::Result<Frame> split(std::string&& text);

  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const std::optional<ErrorInfo>& problem() const noexcept { return problem_; }
  void refuse(FrameKey key, std::string_view what_is_wrong);

  [[nodiscard]] bool has(FrameKey key) const noexcept { return !slot(key).empty(); }
  // Present, but null: for the few members where that is not the same as absent.
  [[nodiscard]] bool is_null(FrameKey key) const noexcept {
    return nulls_.test(static_cast<std::size_t>(key));
  }
  [[nodiscard]] std::string required_text(FrameKey key);
  [[nodiscard]] std::string text_or_empty(FrameKey key);
  [[nodiscard]] int required_int(FrameKey key);
  [[nodiscard]] int int_or_zero(FrameKey key);
  // The bytes of a base64 text.
  [[nodiscard]] std::string required_bytes(FrameKey key);

 private:
  // A value as it stands in the text, quotes included. Offsets, because the text moves with the
  // frame.
  struct Span {
    std::size_t begin{0};
    std::size_t end{0};
    [[nodiscard]] bool empty() const noexcept { return begin == end; }
  };

  Frame() = default;
  [[nodiscard]] const char* split_members();
  [[nodiscard]] const char* read_member(std::size_t& position);
  void skip_space(std::size_t& position) const noexcept;
  [[nodiscard]] const Span& slot(FrameKey key) const noexcept {
    return slots_.at(static_cast<std::size_t>(key));
  }
  [[nodiscard]] std::optional<std::string> decode_text(Span span) const;
  [[nodiscard]] bool is_well_formed(Span span);
  void missing(FrameKey key, std::string_view expected);

  std::string text_{};
  std::array<Span, kFrameKeys> slots_{};
  std::bitset<kFrameKeys> nulls_{};
  std::string type_{};
  std::optional<ErrorInfo> problem_{};
};

// `error`, which exec and terminal sockets share.
[[nodiscard]] StreamError take_error(Frame& frame);

}  // namespace nullspace::inline v0::wire

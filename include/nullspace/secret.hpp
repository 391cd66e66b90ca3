/// @file
/// A string that does not print itself.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace nullspace::inline v0 {

/// Holds an API key, a token or a signed URL. Streaming or formatting one gives `***`; only
/// reveal() gives the text. Comparison takes the same time wherever the difference is. Not
/// thread-safe for writing, like a string.
class Secret {
 public:
  Secret() = default;
  // Implicit on purpose: `ClientOptions{.api_key = "..."}` should read like any other option.
  Secret(std::string text) : text_(std::move(text)) {}
  Secret(std::string_view text) : text_(text) {}
  Secret(const char* text) : text_(text == nullptr ? "" : text) {}

  /// The protected text itself. Do not log it.
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

  friend bool operator==(const Secret& left, const Secret& right) noexcept {
    if (left.text_.size() != right.text_.size()) return false;
    unsigned difference = 0;
    for (std::size_t i = 0; i < left.text_.size(); ++i) {
      difference |=
          static_cast<unsigned char>(left.text_[i]) ^ static_cast<unsigned char>(right.text_[i]);
    }
    return difference == 0;
  }

  friend std::ostream& operator<<(std::ostream& out, const Secret& /*secret*/) {
    return out << "***";
  }

 private:
  std::string text_;
};

/// Always `***`.
[[nodiscard]] inline std::string to_string(const Secret& /*secret*/) {
  return "***";
}

}  // namespace nullspace::inline v0

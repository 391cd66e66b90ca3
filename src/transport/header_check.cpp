#include "transport/header_check.hpp"

#include <algorithm>

namespace nullspace::inline v0::transport {

namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_token_char(char c) noexcept {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_value_char(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return c == '\t' || (byte >= 0x20 && byte != 0x7F);
}

}  // namespace

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

std::optional<std::string> find_header_fault(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if (!is_token(name)) return "a header name holds characters that are not allowed there";
    if (!std::all_of(value.begin(), value.end(), is_value_char)) {
      return "the value of header " + name + " holds control characters";
    }
  }
  return std::nullopt;
}

bool equal_without_case(std::string_view left, std::string_view right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace nullspace::inline v0::transport

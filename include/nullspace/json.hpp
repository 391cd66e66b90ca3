/// @file
/// A small JSON value: for sandbox metadata, field masks and whatever the server attaches to an
/// error.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nullspace/export.hpp>

namespace nullspace::inline v0 {

/// One JSON value. Integers keep 64 bits and stay integers; objects are sorted by key. A plain
/// value type: copy it, compare it, keep it; not synchronised.
///
/// @code
/// ns::Json::Object metadata{{"team", "search"}, {"run", 7}};
/// @endcode
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  template <std::signed_integral T>
  Json(T value) : value_(static_cast<std::int64_t>(value)) {}
  /// Unsigned values above the signed 64-bit range become doubles.
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Json(T value) {
    if (static_cast<std::uint64_t>(value) > static_cast<std::uint64_t>(INT64_MAX)) {
      value_ = static_cast<double>(value);
    } else {
      value_ = static_cast<std::int64_t>(value);
    }
  }
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}

  [[nodiscard]] bool is_null() const noexcept {
    return std::holds_alternative<std::nullptr_t>(value_);
  }
  [[nodiscard]] bool is_object() const noexcept { return std::holds_alternative<Object>(value_); }
  [[nodiscard]] bool is_array() const noexcept { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_string() const noexcept {
    return std::holds_alternative<std::string>(value_);
  }

  /// The value if it has that type, else nothing. as_double() also reads integers.
  [[nodiscard]] NULLSPACE_EXPORT std::optional<bool> as_bool() const noexcept;
  [[nodiscard]] NULLSPACE_EXPORT std::optional<std::int64_t> as_int() const noexcept;
  [[nodiscard]] NULLSPACE_EXPORT std::optional<double> as_double() const noexcept;
  [[nodiscard]] NULLSPACE_EXPORT std::optional<std::string> as_string() const;

  /// The members, or an empty container when this is not an object (an array).
  [[nodiscard]] NULLSPACE_EXPORT const Object& object() const noexcept;
  [[nodiscard]] NULLSPACE_EXPORT const Array& array() const noexcept;

  /// The member with that key, or a null value when there is none. Never throws.
  [[nodiscard]] NULLSPACE_EXPORT const Json& operator[](std::string_view key) const noexcept;

  /// Compact JSON text. Bytes that are not UTF-8 are replaced by U+FFFD.
  [[nodiscard]] NULLSPACE_EXPORT std::string dump() const;

  /// Parses JSON text. Throws Error (`invalid_request`) on malformed text, nesting deeper than 64
  /// levels, or a number outside what a double or a 64-bit integer holds.
  [[nodiscard]] NULLSPACE_EXPORT static Json parse(std::string_view text);

  friend bool operator==(const Json&, const Json&) = default;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_{
      nullptr};
};

}  // namespace nullspace::inline v0

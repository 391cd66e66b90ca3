#include "wire/timestamp.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>

namespace nullspace::inline v0::wire {

namespace {

// Reads a text from left to right and fails for good at the first thing that is not there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool next_is(std::string_view characters) const noexcept {
    return !rest_.empty() && characters.find(rest_.front()) != std::string_view::npos;
  }
  [[nodiscard]] bool next_is_digit() const noexcept { return next_is("0123456789"); }

  char take() noexcept {
    if (rest_.empty()) {
      ok_ = false;
      return '\0';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void fail() noexcept { ok_ = false; }

  void expect(std::string_view characters) noexcept {
    if (next_is(characters)) {
      rest_.remove_prefix(1);
    } else {
      ok_ = false;
    }
  }

  // Exactly `count` digits.
  int number(int count) noexcept {
    int value = 0;
    for (int i = 0; i < count && ok_; ++i) {
      if (!next_is_digit()) {
        ok_ = false;
        return 0;
      }
      value = value * 10 + (take() - '0');
    }
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_{true};
};

std::chrono::microseconds read_fraction(Scanner& scanner) noexcept {
  std::int64_t microseconds = 0;
  std::int64_t unit = 100'000;
  if (!scanner.next_is_digit()) scanner.fail();
  while (scanner.next_is_digit()) {
    microseconds += (scanner.take() - '0') * unit;
    unit /= 10;
  }
  return std::chrono::microseconds(microseconds);
}

std::chrono::minutes read_offset(Scanner& scanner) noexcept {
  if (scanner.next_is("Zz")) {
    scanner.take();
    return std::chrono::minutes(0);
  }
  const bool west = scanner.next_is("-");
  scanner.expect("+-");
  const int hours = scanner.number(2);
  scanner.expect(":");
  const int minutes = scanner.number(2);
  if (hours > 23 || minutes > 59) scanner.fail();
  const std::chrono::minutes offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return west ? -offset : offset;
}

}  // namespace

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Scanner scanner(text);
  const int year = scanner.number(4);
  scanner.expect("-");
  const int month = scanner.number(2);
  scanner.expect("-");
  const int day = scanner.number(2);
  scanner.expect("Tt ");
  const int hour = scanner.number(2);
  scanner.expect(":");
  const int minute = scanner.number(2);
  scanner.expect(":");
  const int second = scanner.number(2);
  std::chrono::microseconds fraction{0};
  if (scanner.next_is(".")) {
    scanner.take();
    fraction = read_fraction(scanner);
  }
  const std::chrono::minutes offset = read_offset(scanner);
  if (!scanner.ok() || !scanner.at_end()) return std::nullopt;

  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return Timestamp(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + fraction - offset;
}

std::string format_timestamp(Timestamp instant) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(instant);
  const auto day = std::chrono::floor<std::chrono::days>(milliseconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(milliseconds - day);
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
      static_cast<int>(time.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace nullspace::inline v0::wire

#include "wire/timestamp.hpp"

#include <chrono>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using nullspace::Timestamp;
using nullspace::wire::format_timestamp;
using nullspace::wire::parse_timestamp;

namespace {

Timestamp at(std::chrono::year_month_day date, std::chrono::microseconds time) {
  return Timestamp(std::chrono::sys_days(date)) + time;
}

}  // namespace

TEST_CASE("timestamp: instants in every form of RFC 3339") {
  const Timestamp expected = at(2026y / 5 / 2, 8h + 1s);
  for (const std::string_view text :
       {"2026-05-02T08:00:01Z", "2026-05-02t08:00:01z", "2026-05-02 08:00:01Z",
        "2026-05-02T08:00:01+00:00", "2026-05-02T10:30:01+02:30", "2026-05-01T23:00:01-09:00",
        "2026-05-02T08:00:01.000Z", "2026-05-02T08:00:01.0000000001Z"}) {
    INFO(text);
    CHECK(parse_timestamp(text) == expected);
  }
  CHECK(parse_timestamp("2026-05-02T08:00:01.25Z") == expected + 250ms);
  CHECK(parse_timestamp("2026-05-02T08:00:01.123456789+00:00") == expected + 123456us);
  CHECK(parse_timestamp("2026-12-31T23:59:60Z") == at(2027y / 1 / 1, 0us));
  CHECK(parse_timestamp("2024-02-29T00:00:00Z") == at(2024y / 2 / 29, 0us));
  CHECK(parse_timestamp("1969-12-31T23:59:59.5Z") == Timestamp(-500ms));
}

TEST_CASE("timestamp: what is no instant is nothing") {
  for (const std::string_view text : {"",
                                      "now",
                                      "2026-05-02",
                                      "2026-05-02T08:00:01",
                                      "2026-05-02T08:00Z",
                                      "2026-5-2T08:00:01Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-10T00:00:00Z",
                                      "2026-05-32T00:00:00Z",
                                      "2026-05-02T24:00:00Z",
                                      "2026-05-02T08:60:00Z",
                                      "2026-05-02T08:00:61Z",
                                      "2026-05-02T08:00:01.Z",
                                      "2026-05-02T08:00:01+24:00",
                                      "2026-05-02T08:00:01+02:60",
                                      "2026-05-02T08:00:01+0200",
                                      "2026-05-02T08:00:01Z ",
                                      " 2026-05-02T08:00:01Z",
                                      "2026-05-02T08:00:01ZZ",
                                      "1777708801",
                                      "+026-05-02T08:00:01Z",
                                      "2026-05-02T-8:00:01Z"}) {
    INFO(text);
    CHECK_FALSE(parse_timestamp(text));
  }
  CHECK_FALSE(parse_timestamp(std::string_view("2026-05-02T08:00:01Z\0", 21)));
}

TEST_CASE("timestamp: written in UTC with milliseconds, and read back") {
  CHECK(format_timestamp(at(2026y / 5 / 2, 8h + 1s + 250ms + 999us)) == "2026-05-02T08:00:01.250Z");
  CHECK(format_timestamp(at(1970y / 1 / 1, 0us)) == "1970-01-01T00:00:00.000Z");
  CHECK(format_timestamp(Timestamp(-1ms)) == "1969-12-31T23:59:59.999Z");
  for (int day = 0; day < 4000; day += 37) {
    const Timestamp instant = at(2020y / 1 / 1, std::chrono::hours(24 * day) + 12345678ms);
    CHECK(parse_timestamp(format_timestamp(instant)) == instant);
  }
}

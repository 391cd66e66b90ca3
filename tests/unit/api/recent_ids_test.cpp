#include "api/recent_ids.hpp"

#include <string>

#include "tests/support/catch.hpp"

using nullspace::RecentIds;

TEST_CASE("recent_ids: an id is new once") {
  RecentIds ids;
  CHECK(ids.add("a"));
  CHECK_FALSE(ids.add("a"));
  CHECK(ids.add(""));
  CHECK_FALSE(ids.add(""));
  CHECK(ids.contains("a"));
  CHECK_FALSE(ids.contains("b"));
  CHECK(ids.size() == 2);
}

TEST_CASE("recent_ids: the window keeps the last ones, in the order they came") {
  RecentIds ids(3);
  for (const char* id : {"a", "b", "c"})
    CHECK(ids.add(id));
  // Seen again is not renewed.
  CHECK_FALSE(ids.add("a"));
  CHECK(ids.add("d"));
  CHECK(ids.size() == 3);
  CHECK_FALSE(ids.contains("a"));
  CHECK(ids.contains("b"));
  CHECK(ids.add("a"));
  CHECK_FALSE(ids.contains("b"));
}

TEST_CASE("recent_ids: it does not grow, however many come") {
  RecentIds ids;
  for (int i = 0; i < 20'000; ++i)
    CHECK(ids.add("evt_of_some_length_" + std::to_string(i)));
  CHECK(ids.size() == RecentIds::kDefaultCapacity);
  CHECK(ids.contains("evt_of_some_length_19999"));
  CHECK(ids.contains("evt_of_some_length_" + std::to_string(20'000 - RecentIds::kDefaultCapacity)));
  CHECK_FALSE(
      ids.contains("evt_of_some_length_" + std::to_string(19'999 - RecentIds::kDefaultCapacity)));
}

#include "local/server/idempotency.hpp"

#include "tests/support/catch.hpp"

namespace {

using nullspace::Json;
using nullspace::local::Clock;
using nullspace::local::HttpResponse;
using nullspace::local::IdempotencyStore;
using Verdict = IdempotencyStore::Verdict;

const Clock::time_point kStart{std::chrono::hours(1000)};
const IdempotencyStore::Key kKey{1, "/v1/sandboxes", "k"};

Json body(int value) {
  return Json::Object{{"a", value}};
}

}  // namespace

TEST_CASE("a key is running until it is answered, then it repeats the answer") {
  IdempotencyStore store;
  CHECK(store.begin(kKey, body(1), kStart) == Verdict::fresh);
  CHECK(store.begin(kKey, body(1), kStart) == Verdict::running);
  HttpResponse answer;
  answer.status = 201;
  answer.body = "made";
  store.finish(kKey, answer);
  REQUIRE(store.begin(kKey, body(1), kStart) == Verdict::replay);
  CHECK(store.answer(kKey).status == 201);
  CHECK(store.answer(kKey).body == "made");
}

TEST_CASE(
    "the same key with another body is a conflict, for another account or path it is another key") {
  IdempotencyStore store;
  CHECK(store.begin(kKey, body(1), kStart) == Verdict::fresh);
  CHECK(store.begin(kKey, body(2), kStart) == Verdict::conflict);
  CHECK(store.begin({2, kKey.path, kKey.key}, body(2), kStart) == Verdict::fresh);
  CHECK(store.begin({1, "/v1/machines", kKey.key}, body(2), kStart) == Verdict::fresh);
}

TEST_CASE("a key is forgotten after a day") {
  IdempotencyStore store;
  CHECK(store.begin(kKey, body(1), kStart) == Verdict::fresh);
  store.finish(kKey, {});
  CHECK(store.begin(kKey, body(1), kStart + std::chrono::hours(23)) == Verdict::replay);
  CHECK(store.begin(kKey, body(2), kStart + std::chrono::hours(24)) == Verdict::fresh);
}

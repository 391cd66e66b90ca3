#include "wire/lifecycle_query.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;

namespace {

constexpr LifecycleScope kAccount = LifecycleScope::account;

LifecycleQuery full_query() {
  return {.page = {.offset = 100, .limit = 25},
          .oldest_first = true,
          .operation = LifecycleOperation::snapshot_created,
          .status = LifecycleStatus::succeeded,
          .from = parse_timestamp("2026-05-02T08:00:00Z"),
          .to = parse_timestamp("2026-05-02T08:00:01.250001Z"),
          .audience = LifecycleAudience::customer,
          .sandbox_id = "sb/1 &=",
          .snapshot_id = "snap_1",
          .source_sandbox_id = "sb_2",
          .target_sandbox_id = "sb_3"};
}

std::string refusal_of(std::string_view text, LifecycleScope scope = kAccount) {
  const auto query = decode_lifecycle_query(text, scope);
  INFO(text);
  REQUIRE_FALSE(query.ok());
  CHECK(query.error().code == "invalid_request");
  return query.error().message;
}

}  // namespace

TEST_CASE("lifecycle_query: what the SDK asks for, in the order of the reference client") {
  CHECK(*encode_lifecycle_query({}, kAccount, Dialect::sandbox) == "offset=0&limit=50&order=desc");
  CHECK(*encode_lifecycle_query({.page = {.limit = 5}}, LifecycleScope::snapshot,
                                Dialect::sandbox) == "offset=0&limit=5&order=desc");
  CHECK(*encode_lifecycle_query(full_query(), kAccount, Dialect::sandbox) ==
        "offset=100&limit=25&order=asc&operation=snapshot_created&status=succeeded"
        "&from=2026-05-02T08%3A00%3A00.000Z&to=2026-05-02T08%3A00%3A01.250001Z&audience=customer"
        "&sandbox_id=sb%2F1+%26%3D&snapshot_id=snap_1&source_sandbox_id=sb_2"
        "&target_sandbox_id=sb_3");
  const auto machine = encode_lifecycle_query(full_query(), kAccount, Dialect::machine);
  CHECK(contains(*machine, "&source_machine_id=sb_2&target_machine_id=sb_3"));
  CHECK_FALSE(contains(*machine, "sandbox"));
}

TEST_CASE("lifecycle_query: what the SDK asks for is understood") {
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    const auto text = encode_lifecycle_query(full_query(), kAccount, dialect);
    REQUIRE(text.ok());
    const auto query = decode_lifecycle_query(*text, kAccount);
    REQUIRE(query.ok());
    CHECK(*query == full_query());
  }
  const auto nothing = decode_lifecycle_query("", kAccount);
  REQUIRE(nothing.ok());
  CHECK(*nothing == LifecycleQuery{});
}

TEST_CASE("lifecycle_query: what the SDK does not ask for") {
  const auto refuses = [](LifecycleQuery query, LifecycleScope scope = kAccount) {
    const auto text = encode_lifecycle_query(query, scope, Dialect::sandbox);
    REQUIRE_FALSE(text.ok());
    CHECK(text.error().code == "invalid_request");
  };
  refuses({.page = {.offset = -1}});
  refuses({.page = {.limit = 0}});
  refuses({.page = {.limit = -5}});
  refuses({.operation = LifecycleOperation::unknown});
  refuses({.status = LifecycleStatus::unknown});
  refuses({.audience = LifecycleAudience::unknown});
  refuses({.audience = LifecycleAudience::internal});
  for (const LifecycleScope scope : {LifecycleScope::sandbox, LifecycleScope::snapshot}) {
    refuses({.audience = LifecycleAudience::customer}, scope);
    refuses({.sandbox_id = "a"}, scope);
    refuses({.snapshot_id = "a"}, scope);
    refuses({.source_sandbox_id = "a"}, scope);
    refuses({.target_sandbox_id = "a"}, scope);
  }
}

TEST_CASE("lifecycle_query: what a server refuses, and what it does not") {
  for (const std::string_view bad :
       {"offset=-1", "offset=", "offset=1x", "offset=99999999999999999999", "limit=0", "limit=-1",
        "limit=abc", "order=up", "order=", "operation=explode", "operation=unknown", "status=x",
        "from=yesterday", "to=", "audience=internal", "audience=x"}) {
    const std::string name(bad.substr(0, bad.find('=')));
    CHECK(contains(refusal_of(bad), name));
  }
  CHECK(contains(refusal_of("from=%zz"), "malformed"));

  CHECK(decode_lifecycle_query("limit=100000", kAccount)->page.limit == kMaxLifecyclePage);
  const auto narrow = decode_lifecycle_query("sandbox_id=a&audience=internal&x=y&status=failed",
                                             LifecycleScope::sandbox);
  REQUIRE(narrow.ok());
  CHECK(narrow->sandbox_id.empty());
  CHECK(narrow->status == LifecycleStatus::failed);
}

TEST_CASE("lifecycle_query: pages of deliveries") {
  CHECK(*encode_page_query({}) == "offset=0&limit=50");
  CHECK_FALSE(encode_page_query({.offset = -1}).ok());
  CHECK_FALSE(encode_page_query({.limit = 0}).ok());
  CHECK(*decode_page_query("offset=7&limit=3") == PageQuery{.offset = 7, .limit = 3});
  CHECK(*decode_page_query("") == PageQuery{});
  CHECK(decode_page_query("limit=1000")->limit == kMaxLifecyclePage);
  CHECK_FALSE(decode_page_query("limit=0").ok());
  CHECK_FALSE(decode_page_query("offset=x").ok());
  CHECK_FALSE(decode_page_query("offset=%").ok());
}

}  // namespace nullspace::inline v0::wire

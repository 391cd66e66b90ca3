// Snapshots as a server answers them.
#pragma once

#include <cstdint>
#include <string>

#include <nullspace/dialect.hpp>
#include <nullspace/json.hpp>
#include <nullspace/sandbox_info.hpp>

namespace nullspace::inline v0::wire {

struct SnapshotAnswer {
  std::string id{};
  std::string sandbox_id{};
  std::int64_t size_bytes{0};
  Timestamp created_at{};
  Json::Object metadata{};
};
// Exactly the members that clients allow.
[[nodiscard]] std::string encode_snapshot(Dialect dialect, const SnapshotAnswer& snapshot);

}  // namespace nullspace::inline v0::wire

// What a list of lifecycle events, or of deliveries, is asked by: the query, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/dialect.hpp>
#include <nullspace/lifecycle_event.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

inline constexpr int kDefaultLifecyclePage = 50;
// A server gives no larger pages, whatever it is asked for.
inline constexpr int kMaxLifecyclePage = 200;

struct PageQuery {
  std::int64_t offset{0};
  int limit{kDefaultLifecyclePage};
  friend bool operator==(const PageQuery&, const PageQuery&) = default;
};

// Whose events: everybody's, or those of the sandbox or snapshot that the path names.
enum class LifecycleScope { account, sandbox, snapshot };

struct LifecycleQuery {
  PageQuery page{};
  bool oldest_first{false};
  std::optional<LifecycleOperation> operation{};
  std::optional<LifecycleStatus> status{};
  std::optional<Timestamp> from{};  // inclusive
  std::optional<Timestamp> to{};    // exclusive
  // The rest exists in LifecycleScope::account only.
  std::optional<LifecycleAudience> audience{};
  std::string sandbox_id{};
  std::string snapshot_id{};
  std::string source_sandbox_id{};
  std::string target_sandbox_id{};
  friend bool operator==(const LifecycleQuery&, const LifecycleQuery&) = default;
};

// --- the SDK's side ---

// In the order of the reference client; offset, limit and order are always there. Errors:
// invalid_request (a negative offset, a limit below 1, unknown words, the audience `internal`, an
// account's filter in another scope).
[[nodiscard]] support::Result<std::string> encode_lifecycle_query(const LifecycleQuery& query,
                                                                  LifecycleScope scope,
                                                                  Dialect dialect);
// `offset=0&limit=50`
[[nodiscard]] support::Result<std::string> encode_page_query(const PageQuery& query);

// --- the server's side ---

// `text` is what follows the `?`, in either dialect. A limit above the largest is brought down to
// it; parameters that do not exist in the scope are ignored like any other unknown one. Errors:
// invalid_request, also for the audience `internal`.
[[nodiscard]] support::Result<LifecycleQuery> decode_lifecycle_query(std::string_view text,
                                                                     LifecycleScope scope);
[[nodiscard]] support::Result<PageQuery> decode_page_query(std::string_view text);

}  // namespace nullspace::inline v0::wire

// Lists of lifecycle events by REST.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <nullspace/lifecycle.hpp>

#include "api/client_core.hpp"
#include "api/recent_ids.hpp"
#include "support/result.hpp"
#include "wire/lifecycle_query.hpp"

namespace nullspace::inline v0 {

namespace detail {

struct FetchLimits {
  // Default: the client's.
  std::optional<std::chrono::milliseconds> timeout{};
  std::stop_token stop{};
};
// One page. `subject` is the id of the sandbox or snapshot that the scope names.
[[nodiscard]] support::Result<LifecyclePage> fetch_events(const ClientCore& client,
                                                          wire::LifecycleScope scope,
                                                          std::string_view subject,
                                                          const wire::LifecycleQuery& query,
                                                          const FetchLimits& limits);

// Refuses what makes no sense, before anything is sent.
[[nodiscard]] support::Result<LifecycleEventList> make_event_list(Client client,
                                                                  wire::LifecycleScope scope,
                                                                  std::string_view subject,
                                                                  LifecycleListOptions options);

}  // namespace detail

struct LifecycleEventList::State {
  State(Client for_client, wire::LifecycleScope of, std::string of_subject,
        wire::LifecycleQuery first, std::stop_token token)
      : client(std::move(for_client)),
        scope(of),
        subject(std::move(of_subject)),
        query(std::move(first)),
        stop(std::move(token)) {}

  Client client;
  wire::LifecycleScope scope;
  std::string subject;
  wire::LifecycleQuery query;
  std::stop_token stop;
  // Events that are written while one reads push others onto the next page.
  RecentIds seen{};
  bool finished{false};
};

}  // namespace nullspace::inline v0

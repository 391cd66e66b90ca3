// Every endpoint in one table: how it is addressed, and what may be done when it fails or takes
// long.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nullspace/dialect.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

enum class Endpoint {
  health,
  create_sandbox,
  list_sandboxes,
  get_sandbox,
  kill_sandbox,
  set_timeout,
  hibernate,
  resume,  // The id is that of a snapshot (sandbox dialect) or of the sandbox itself (machine
           // dialect).
  metrics,
  exec,
  list_processes,
  process_logs,
  process_stdin,
  process_kill,
  list_ptys,
  get_pty,
  kill_pty,
  resize_pty,
  list_events,
  list_sandbox_events,
  list_snapshot_events,
  create_webhook,
  list_webhooks,
  get_webhook,
  update_webhook,
  delete_webhook,
  list_deliveries,
  get_delivery,
};

// What happens when a request that was already sent is sent again.
enum class Repeat {
  harmless,  // Reads, and writes that set the same state.
  keyed,     // The Idempotency-Key makes it harmless.
  harmful,   // It would be done twice: never on a pooled connection that may die under it.
};

// Which of the client's time-outs bounds one attempt.
enum class TimeoutClass {
  request,
  create,
  transition,
  exec,  // The server holds the request open for the command's own time: max(request, timeout_secs
         // + 15 s).
};

struct EndpointTraits {
  Endpoint endpoint;
  std::string_view method;
  // `{R}` is the noun's prefix, each `{}` one id.
  std::string_view path;
  Repeat repeat;
  TimeoutClass timeout;
  bool retry_rate_limit;
  bool authenticated;
};

[[nodiscard]] const EndpointTraits& traits(Endpoint endpoint) noexcept;
[[nodiscard]] std::span<const EndpointTraits> all_endpoints() noexcept;

// The path with its ids, each encoded as one segment. Errors: invalid_request for an id that cannot
// be a segment. The number of ids must be that of the table.
[[nodiscard]] support::Result<std::string> endpoint_path(
    Endpoint endpoint, Dialect dialect, std::initializer_list<std::string_view> ids = {});

// --- WebSockets ---

enum class Channel {
  none,  // file watch
  exec,
  pty,
};
[[nodiscard]] std::string_view channel_word(Channel channel) noexcept;
// Value of the `channel` query parameter; "" is none. Nothing for an unknown word.
[[nodiscard]] std::optional<Channel> channel_from_text(std::string_view text) noexcept;

// `/v1/sandboxes/<id>/ws?channel=exec`
[[nodiscard]] support::Result<std::string> sandbox_ws_path(Dialect dialect, std::string_view id,
                                                           Channel channel);
inline constexpr std::string_view kMonitorWsPath = "/v1/monitor/ws";
// Events of all sandboxes of the account.
inline constexpr std::string_view kLifecycleWsPath = "/v1/lifecycle/ws";
// Events of one: `/v1/sandboxes/<id>/lifecycle/ws`
[[nodiscard]] support::Result<std::string> sandbox_lifecycle_ws_path(Dialect dialect,
                                                                     std::string_view id);

// --- for servers ---

// A request path (without query) taken apart. Both dialects are recognised.
struct Route {
  Endpoint endpoint{Endpoint::health};
  Dialect dialect{Dialect::sandbox};
  std::vector<std::string> ids{};  // decoded
};
// Nothing when the table has no such method and path.
[[nodiscard]] std::optional<Route> match_route(std::string_view method, std::string_view path);
// Whether some method is served on the path (405 or 404).
[[nodiscard]] bool is_known_path(std::string_view path);
// `{R}/{id}/ws` or `{R}/{id}/lifecycle/ws` taken apart.
struct WsRoute {
  Dialect dialect{Dialect::sandbox};
  std::string id{};
};
[[nodiscard]] std::optional<WsRoute> match_sandbox_ws(std::string_view path);
[[nodiscard]] std::optional<WsRoute> match_sandbox_lifecycle_ws(std::string_view path);

// --- pieces ---

// One path segment: everything but unreserved characters is percent-encoded. Errors:
// invalid_request for "", "." and
// "..", which no encoding protects from being resolved on the way.
[[nodiscard]] support::Result<std::string> encode_path_segment(std::string_view id);
// Nothing when a `%` is not followed by two hex digits.
[[nodiscard]] std::optional<std::string> decode_path_segment(std::string_view segment);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// application/x-www-form-urlencoded: space as `+`. No leading `?`.
[[nodiscard]] std::string encode_query(const QueryParameters& parameters);
// Accepts `+` and `%20`. Nothing when a `%` is malformed.
[[nodiscard]] std::optional<QueryParameters> decode_query(std::string_view query);
// First value of that name, if any.
[[nodiscard]] std::optional<std::string_view> query_value(const QueryParameters& parameters,
                                                          std::string_view name);

// The value of `fields`: trimmed, duplicates removed, joined by commas. Errors: invalid_request
// when nothing is left.
[[nodiscard]] support::Result<std::string> fields_mask(std::span<const std::string> fields);

}  // namespace nullspace::inline v0::wire

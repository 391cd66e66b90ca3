#include "api/lifecycle_list.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "api/rest.hpp"
#include "api/throw.hpp"
#include "wire/endpoints.hpp"
#include "wire/lifecycle_messages.hpp"

namespace nullspace::inline v0 {

namespace detail {

namespace {

wire::Endpoint endpoint_of(wire::LifecycleScope scope) noexcept {
  switch (scope) {
    case wire::LifecycleScope::sandbox:
      return wire::Endpoint::list_sandbox_events;
    case wire::LifecycleScope::snapshot:
      return wire::Endpoint::list_snapshot_events;
    case wire::LifecycleScope::account:
      break;
  }
  return wire::Endpoint::list_events;
}

support::Result<std::string> path_of(const ClientCore& client, wire::LifecycleScope scope,
                                     std::string_view subject) {
  const wire::Endpoint endpoint = endpoint_of(scope);
  const Dialect dialect = client.config().dialect;
  if (scope == wire::LifecycleScope::account) return wire::endpoint_path(endpoint, dialect);
  return wire::endpoint_path(endpoint, dialect, {subject});
}

}  // namespace

support::Result<LifecyclePage> fetch_events(const ClientCore& client, wire::LifecycleScope scope,
                                            std::string_view subject,
                                            const wire::LifecycleQuery& query,
                                            const FetchLimits& limits) {
  auto path = path_of(client, scope, subject);
  if (!path.ok()) return std::move(path).error();
  auto text = wire::encode_lifecycle_query(query, scope, client.config().dialect);
  if (!text.ok()) return std::move(text).error();
  auto answer = call(client, {.endpoint = endpoint_of(scope),
                              .path = *std::move(path),
                              .query = *std::move(text),
                              .timeout = limits.timeout,
                              .stop = limits.stop});
  if (!answer.ok()) return std::move(answer).error();
  return wire::decode_lifecycle_page(answer->body);
}

support::Result<LifecycleEventList> make_event_list(Client client, wire::LifecycleScope scope,
                                                    std::string_view subject,
                                                    LifecycleListOptions options) {
  wire::LifecycleQuery query{.page = {.offset = options.offset, .limit = options.page_size},
                             .oldest_first = options.oldest_first,
                             .operation = options.operation,
                             .status = options.status,
                             .from = options.from,
                             .to = options.to,
                             .audience = options.audience,
                             .sandbox_id = std::move(options.sandbox_id),
                             .snapshot_id = std::move(options.snapshot_id),
                             .source_sandbox_id = std::move(options.source_sandbox_id),
                             .target_sandbox_id = std::move(options.target_sandbox_id)};
  const ClientCore& core = *client.core();
  auto checked = wire::encode_lifecycle_query(query, scope, core.config().dialect);
  if (!checked.ok()) return std::move(checked).error();
  auto path = path_of(core, scope, subject);
  if (!path.ok()) return std::move(path).error();
  return LifecycleEventList(std::make_unique<LifecycleEventList::State>(
      std::move(client), scope, std::string(subject), std::move(query), std::move(options.stop)));
}

}  // namespace detail

LifecycleEventList::LifecycleEventList(std::unique_ptr<State> state) noexcept
    : state_(std::move(state)) {}
LifecycleEventList::LifecycleEventList(LifecycleEventList&&) noexcept = default;
LifecycleEventList& LifecycleEventList::operator=(LifecycleEventList&&) noexcept = default;
LifecycleEventList::~LifecycleEventList() = default;

std::optional<LifecyclePage> LifecycleEventList::next_page() {
  State& state = *state_;
  if (state.finished) return std::nullopt;
  LifecyclePage page = value_or_throw(detail::fetch_events(
      *state.client.core(), state.scope, state.subject, state.query, {.stop = state.stop}));
  // A server that promises more and gives nothing would be asked for ever.
  state.finished = !page.has_more || page.events.empty();
  state.query.page.offset += static_cast<std::int64_t>(page.events.size());
  return page;
}

std::optional<std::vector<LifecycleEvent>> LifecycleEventList::next_items() {
  std::optional<LifecyclePage> page = next_page();
  if (!page) return std::nullopt;
  std::erase_if(page->events,
                [this](const LifecycleEvent& event) { return !state_->seen.add(event.id); });
  return std::move(page->events);
}

}  // namespace nullspace::inline v0

// The lifecycle log: lists and sockets.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <nullspace/json.hpp>

#include "local/server/channels/lifecycle_channel.hpp"
#include "local/server/routes/api.hpp"
#include "wire/dialect.hpp"
#include "wire/lifecycle_messages.hpp"
#include "wire/lifecycle_query.hpp"

namespace nullspace::local {

namespace {

using wire::LifecycleScope;

LifecycleFilter filter_of(const wire::LifecycleQuery& query) {
  LifecycleFilter filter;
  filter.operation = query.operation;
  filter.status = query.status;
  filter.from = query.from;
  filter.to = query.to;
  filter.sandbox_id = query.sandbox_id;
  filter.snapshot_id = query.snapshot_id;
  filter.source_sandbox_id = query.source_sandbox_id;
  filter.target_sandbox_id = query.target_sandbox_id;
  return filter;
}

// An ended sandbox still has its events; one that is being created has none yet.
bool is_known_sandbox(const Api& api, const Request& request, const std::string& id) {
  return api.journal.log(request.account).mentions_sandbox(id) ||
         api.service.store().find(request.account, id) != nullptr;
}

void fail_unknown_sandbox(const Request& request, const std::string& id) {
  request.fail(api_error(404, "sandbox_not_found",
                         std::string(wire::noun(request.dialect).name) + " " + id + " not found"));
}

void list(const Api& api, const RequestPtr& request, LifecycleScope scope) {
  const LifecycleLog& log = api.journal.log(request->account);
  const std::string id = request->ids.empty() ? "" : request->ids.front();
  if (scope == LifecycleScope::sandbox && !is_known_sandbox(api, *request, id)) {
    return fail_unknown_sandbox(*request, id);
  }
  if (scope == LifecycleScope::snapshot && !log.mentions_snapshot(id)) {
    return request->fail(api_error(404, "snapshot_not_found", "snapshot " + id + " not found"));
  }
  const auto query = wire::decode_lifecycle_query(request->http.target.query_text, scope);
  if (!query) return request->fail(refused(query.error()));
  LifecycleFilter filter = filter_of(*query);
  if (scope == LifecycleScope::sandbox) filter.sandbox_id = id;
  if (scope == LifecycleScope::snapshot) filter.snapshot_id = id;
  const LifecycleLog::Page found = log.list(
      filter,
      query->oldest_first ? LifecycleLog::Order::ascending : LifecycleLog::Order::descending,
      static_cast<std::size_t>(query->page.offset), static_cast<std::size_t>(query->page.limit));
  LifecyclePage page;
  page.offset = query->page.offset;
  page.limit = query->page.limit;
  page.has_more = found.has_more;
  // Only a sandbox's own route has a noun; on the others each event keeps its sandbox's.
  Json::Array events;
  for (const LoggedEvent* entry : found.entries) {
    const Dialect dialect = scope == LifecycleScope::sandbox ? request->dialect : entry->dialect;
    events.push_back(Json::parse(wire::encode_lifecycle_event(dialect, entry->event)));
  }
  Json::Object body = Json::parse(wire::encode_lifecycle_page(request->dialect, page)).object();
  body["events"] = std::move(events);
  request->reply(200, Json(std::move(body)).dump());
}

void open_socket(const Api& api, const RequestPtr& request, LifecycleScope scope) {
  std::optional<LifecycleChannelScope> own;
  if (scope == LifecycleScope::sandbox) {
    const std::string& id = request->ids.front();
    if (!is_known_sandbox(api, *request, id)) return fail_unknown_sandbox(*request, id);
    own = LifecycleChannelScope{id, request->dialect};
  }
  request->responder.accept_websocket(
      std::make_shared<LifecycleChannel>(api.journal, request->account, std::move(own)));
}

}  // namespace

void add_lifecycle_routes(Router& router, const Api& api) {
  const auto bind = [&api](void (*handler)(const Api&, const RequestPtr&, LifecycleScope),
                           LifecycleScope scope) {
    return [&api, handler, scope](const RequestPtr& request) { handler(api, request, scope); };
  };
  router.add("GET", "/v1/lifecycle/events", bind(list, LifecycleScope::account));
  router.add("GET", "{R}/{}/lifecycle", bind(list, LifecycleScope::sandbox));
  router.add("GET", "/v1/snapshots/{}/lifecycle", bind(list, LifecycleScope::snapshot));
  router.add_websocket("/v1/lifecycle/ws", bind(open_socket, LifecycleScope::account));
  router.add_websocket("{R}/{}/lifecycle/ws", bind(open_socket, LifecycleScope::sandbox));
}

}  // namespace nullspace::local

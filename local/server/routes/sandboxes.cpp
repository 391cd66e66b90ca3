// Create, read, list, end, and the deadline.
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "local/server/create_rules.hpp"
#include "local/server/ids.hpp"
#include "local/server/routes/api.hpp"
#include "wire/public_json.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

namespace {

std::optional<WarmPoolCheckout> checkout_of(const wire::CreateRequest& request) {
  if (!request.warm_pool) return std::nullopt;
  WarmPoolCheckout checkout;
  const bool bypass = request.warm_pool->mode == WarmPoolMode::bypass;
  checkout.source = bypass ? "bypassed" : "cold_create";
  checkout.mode = bypass ? "bypass" : "prefer";
  checkout.id = request.warm_pool->id;
  checkout.waited = std::chrono::milliseconds(0);
  return checkout;
}

HttpResponse created(const Request& request, const Sandbox& sandbox) {
  SandboxInfo info = sandbox.info();
  info.warm_pool_checkout = checkout_of(sandbox.spec().request);
  const Secret token("nst_" + random_hex(24));
  wire::SandboxEncoding encoding;
  encoding.dialect = request.dialect;
  encoding.traffic_access_token = &token;
  HttpResponse response;
  response.status = 201;
  response.body = wire::encode_sandbox(info, encoding);
  return response;
}

// The answer under the request's Idempotency-Key, if it has one. True when the request is done
// with.
bool answered_before(const Api& api, const RequestPtr& request,
                     const std::optional<IdempotencyStore::Key>& key) {
  if (!key) return false;
  const auto body = wire::parse_json(request->http.body);
  const auto verdict = api.idempotency.begin(*key, body ? *body : Json(), api.clock.now());
  switch (verdict) {
    case IdempotencyStore::Verdict::fresh:
      return false;
    case IdempotencyStore::Verdict::replay:
      request->responder.send(api.idempotency.answer(*key));
      return true;
    case IdempotencyStore::Verdict::conflict:
      request->fail(api_error(409, "conflict",
                              "this Idempotency-Key was used for a create with another body"));
      return true;
    case IdempotencyStore::Verdict::running:
      break;
  }
  ApiError error = api_error(409, "transition_in_progress",
                             "the create with this Idempotency-Key is still running");
  error.retryable = true;
  request->fail(error);
  return true;
}

void create(const Api& api, const RequestPtr& request) {
  auto decoded = wire::decode_create_request(request->http.body);
  if (!decoded) return request->fail(refused(decoded.error()));
  std::optional<IdempotencyStore::Key> key;
  if (const auto header = request->http.header("idempotency-key"); header && !header->empty()) {
    key = IdempotencyStore::Key{request->account, request->route, std::string(*header)};
  }
  if (answered_before(api, request, key)) return;
  const auto answer = [&idempotency = api.idempotency, request, key](HttpResponse response) {
    if (key) idempotency.finish(*key, response);
    request->responder.send(std::move(response));
  };
  if (const auto refusal = refuse_create(*decoded, api.service.isolated())) {
    return answer(error_response(*refusal, request->dialect, request->request_id));
  }
  SandboxSpec spec;
  spec.account = request->account;
  spec.dialect = request->dialect;
  spec.request = std::move(*decoded);
  api.service.create(std::move(spec), [request, answer](SandboxService::SandboxOutcome outcome) {
    if (const auto* error = std::get_if<ApiError>(&outcome)) {
      return answer(error_response(*error, request->dialect, request->request_id));
    }
    answer(created(*request, *std::get<std::shared_ptr<Sandbox>>(outcome)));
  });
}

void get(const Api& api, const RequestPtr& request) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  wire::SandboxEncoding encoding;
  encoding.dialect = request->dialect;
  std::vector<std::string> fields;
  const auto& query = request->http.target.query;
  if (const auto mask = query.find("fields"); mask != query.end()) {
    auto decoded = wire::decode_fields_mask(mask->second);
    if (!decoded) return request->fail(refused(decoded.error()));
    fields = std::move(*decoded);
    encoding.fields = fields;
  }
  request->reply(200, wire::encode_sandbox(sandbox->info(), encoding));
}

void list(const Api& api, const RequestPtr& request) {
  const auto decoded = wire::decode_list_query(request->http.target.query_text);
  if (!decoded) return request->fail(refused(decoded.error()));
  SandboxStore::Page page;
  if (!api.service.store().list(request->account, *decoded, page)) {
    return request->fail(invalid_request("next_token: not one of this server's"));
  }
  wire::SandboxEncoding encoding;
  encoding.dialect = request->dialect;
  encoding.fields = decoded->fields;
  if (decoded->bare) return request->reply(200, wire::encode_sandbox_array(page.items, encoding));
  SandboxPage answer;
  answer.items = std::move(page.items);
  answer.has_next = !page.next_token.empty();
  answer.next_token = std::move(page.next_token);
  request->reply(200, wire::encode_sandbox_page(answer, encoding));
}

void kill(const Api& api, const RequestPtr& request) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  api.service.kill(sandbox, kByHand, [request](const std::optional<ApiError>& error) {
    if (error) return request->fail(*error);
    request->reply(200, wire::encode_destroyed(request->ids.front()));
  });
}

void set_timeout(const Api& api, const RequestPtr& request) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  const auto decoded = wire::decode_timeout_request(request->http.body);
  if (!decoded) return request->fail(refused(decoded.error()));
  if (const auto error = api.service.set_timeout(*sandbox, decoded->timeout, decoded->action)) {
    return request->fail(*error);
  }
  const SandboxInfo info = sandbox->info();
  wire::TimeoutAnswer answer;
  answer.timeout = decoded->timeout;
  answer.action = sandbox->spec().request.timeout_action;
  answer.timeout_at = info.timeout_at;
  answer.remaining = sandbox->remaining();
  request->reply(200, wire::encode_timeout_answer(answer));
}

void metrics(const Api& api, const RequestPtr& request) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  auto history = sandbox->metrics().history();
  if (!history.empty() || sandbox->status() != SandboxStatus::running) {
    return request->reply(200, wire::encode_metrics(history));
  }
  sandbox->metrics().sample(Clock::duration::zero(), [request](const SandboxMetrics* sample) {
    const std::size_t count = sample == nullptr ? 0 : 1;
    request->reply(200, wire::encode_metrics(std::span(sample, count)));
  });
}

}  // namespace

void add_sandbox_routes(Router& router, const Api& api) {
  const auto bind = [&api](void (*handler)(const Api&, const RequestPtr&)) {
    return [&api, handler](const RequestPtr& request) { handler(api, request); };
  };
  router.add("POST", "{R}", bind(create));
  router.add("GET", "{R}", bind(list));
  router.add("GET", "{R}/{}", bind(get));
  router.add("DELETE", "{R}/{}", bind(kill));
  router.add("POST", "{R}/{}/timeout", bind(set_timeout));
  router.add("GET", "{R}/{}/metrics", bind(metrics));
}

}  // namespace nullspace::local

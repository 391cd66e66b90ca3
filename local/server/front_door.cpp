#include "local/server/front_door.hpp"

#include <memory>
#include <utility>

#include "local/server/api_error.hpp"
#include "local/server/cors.hpp"
#include "local/server/host_guard.hpp"
#include "local/server/ids.hpp"
#include "local/server/request.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

namespace {

HttpResponse method_not_allowed(const std::vector<std::string>& methods,
                                const std::string& request_id) {
  std::string allowed;
  for (const std::string& method : methods) {
    if (!allowed.empty()) allowed += ", ";
    allowed += method;
  }
  HttpResponse response = error_response(
      api_error(405, "invalid_request", "this path is served for " + allowed + " only"),
      Dialect::sandbox, request_id);
  response.headers.emplace_back("allow", allowed);
  return response;
}

ApiError unauthorized() {
  return api_error(401, "unauthorized",
                   "the API key is missing or wrong: send it as `Authorization: Bearer <key>`");
}

std::string code_for(int status) {
  if (status >= 500) return "not_implemented";
  return "invalid_request";
}

}  // namespace

FrontDoor::FrontDoor(const Router& router, const KeyRing& keys, FaultInjector& faults,
                     Options options)
    : router_(router), keys_(keys), faults_(faults), options_(std::move(options)) {}

HttpResponse FrontDoor::refuse(const HttpFailure& failure) {
  const std::string request_id = new_id("req_");
  HttpResponse response =
      error_response(api_error(failure.status, code_for(failure.status), failure.message),
                     Dialect::sandbox, request_id);
  response.headers.emplace_back("x-request-id", request_id);
  return response;
}

void FrontDoor::serve(HttpRequest request, Responder responder) const {
  std::string request_id = new_id("req_");
  HttpRequest head;
  head.headers = request.headers;
  responder.decorate([request_id, head = std::move(head), log = options_.log,
                      line = request.method + " " + request.path()](HttpResponse& response) {
    response.headers.emplace_back("x-request-id", request_id);
    allow_origin(head, response);
    if (log) log(line + " " + std::to_string(response.status) + " " + request_id);
  });
  admit(std::move(request), std::move(responder), std::move(request_id));
}

void FrontDoor::admit(HttpRequest http, Responder responder, std::string request_id) const {
  const auto fail = [&](const ApiError& error) {
    responder.send(error_response(error, Dialect::sandbox, request_id));
  };
  if (!options_.any_host && !is_loopback_host(http.header("host").value_or("localhost"))) {
    return fail(api_error(403, "forbidden",
                          "this server answers to loopback names only (see --allow-remote)"));
  }
  if (http.method == "OPTIONS") return responder.send(preflight_answer(http));

  const std::vector<std::string>& segments = http.target.segments;
  if (segments.size() == 1 && segments.front() == "healthz") {
    if (http.method != "GET" && http.method != "HEAD") {
      return responder.send(method_not_allowed({"GET"}, request_id));
    }
    HttpResponse response;
    response.body = wire::encode_health();
    return responder.send(std::move(response));
  }
  const bool is_control = options_.control && !segments.empty() && segments.front() == "_emu";
  const bool is_api = !segments.empty() && segments.front() == "v1";
  if (!is_api && !is_control) return fail(not_found("there is nothing at " + http.path()));

  const auto account = keys_.account_of(http);
  if (!account) {
    HttpResponse response = error_response(unauthorized(), Dialect::sandbox, request_id);
    response.headers.emplace_back("www-authenticate", "Bearer");
    return responder.send(std::move(response));
  }

  Router::Match match = router_.match(http);
  if (match.handler == nullptr) {
    if (!match.other_methods.empty()) {
      return responder.send(method_not_allowed(match.other_methods, request_id));
    }
    return fail(not_found("there is no route " + http.method + " " + http.path()));
  }
  if (match.websocket && !http.wants_websocket()) {
    HttpResponse response = error_response(
        api_error(426, "invalid_request", match.route + " is a WebSocket: ask for an upgrade"),
        match.dialect, request_id);
    response.headers.emplace_back("upgrade", "websocket");
    return responder.send(std::move(response));
  }
  const auto request = std::make_shared<const Request>(
      Request{std::move(http), match.dialect, *account, std::move(match.ids),
              std::move(match.route), std::move(request_id), std::move(responder)});
  // Who controls the faults is spared them.
  if (is_control) return (*match.handler)(request);
  faults_.pass(request, *match.handler);
}

}  // namespace nullspace::local

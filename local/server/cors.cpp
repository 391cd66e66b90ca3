#include "local/server/cors.hpp"

#include <string>

namespace nullspace::local {

void allow_origin(const HttpRequest& request, HttpResponse& response) {
  if (!request.header("origin")) return;
  response.headers.emplace_back("access-control-allow-origin", "*");
  response.headers.emplace_back("access-control-expose-headers", "x-request-id, retry-after");
}

HttpResponse preflight_answer(const HttpRequest& request) {
  HttpResponse response;
  response.headers.emplace_back("access-control-allow-methods",
                                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  response.headers.emplace_back(
      "access-control-allow-headers",
      std::string(request.header("access-control-request-headers")
                      .value_or("authorization, content-type, idempotency-key")));
  response.headers.emplace_back("access-control-max-age", "600");
  return response;
}

}  // namespace nullspace::local

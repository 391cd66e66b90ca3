// Routes of the service that this server does not have (yet).
#include <array>
#include <string_view>

#include "local/server/routes/api.hpp"

namespace nullspace::local {

namespace {

struct MissingRoute {
  std::string_view method;  // "" = any
  std::string_view pattern;
};

constexpr std::array kMissing{
    MissingRoute{"POST", "{R}/{}/fork"},
    MissingRoute{"POST", "{R}/{}/snapshots"},
    MissingRoute{"GET", "/v1/snapshots"},
    MissingRoute{"", "/v1/snapshots/{*}"},
    MissingRoute{"GET", "{R}/{}/volumes"},
    MissingRoute{"POST", "{R}/{}/volumes"},
    MissingRoute{"", "{R}/{}/volumes/{*}"},
    MissingRoute{"", "/v1/volumes/{*}"},
    MissingRoute{"", "{R}/{}/files/{*}"},
    MissingRoute{"", "{R}/{}/file"},
    MissingRoute{"", "{R}/{}/uploads/{*}"},
    MissingRoute{"POST", "{R}/{}/host"},
    MissingRoute{"", "{R}/{}/ports/{*}"},
    MissingRoute{"", "{R}/{}/preview-urls/{*}"},
    MissingRoute{"POST", "{R}/{}/ssh-access"},
    MissingRoute{"", "{R}/{}/code/{*}"},
    MissingRoute{"", "{R}/{}/desktop/{*}"},
    MissingRoute{"", "{R}/{}/access/{*}"},
    MissingRoute{"", "{R}/{}/git/{*}"},
    MissingRoute{"PATCH", "{R}/{}/egress"},
    MissingRoute{"", "/v1/templates/{*}"},
    MissingRoute{"", "/v1/template-warm-pools/{*}"},
    MissingRoute{"", "/v1/agent-deployments/{*}"},
    MissingRoute{"", "/v1/functions/{*}"},
    MissingRoute{"", "/v1/telemetry/{*}"},
};

}  // namespace

void add_missing_routes(Router& router) {
  for (const MissingRoute& route : kMissing) {
    router.add(route.method, route.pattern, [](const RequestPtr& request) {
      request->fail(api_error(501, "not_implemented",
                              request->http.method + " " + request->http.path() +
                                  " is not available on the local server"));
    });
  }
}

}  // namespace nullspace::local

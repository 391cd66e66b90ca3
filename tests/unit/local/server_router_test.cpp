#include "local/server/router.hpp"

#include <string>
#include <vector>

#include "local/server/routes/api.hpp"
#include "tests/support/catch.hpp"

namespace {

using nullspace::Dialect;
using nullspace::local::HttpRequest;
using nullspace::local::Router;

HttpRequest request(const std::string& method, const std::string& target) {
  HttpRequest made;
  made.method = method;
  made.target_text = target;
  made.target = *nullspace::local::parse_target(target);
  return made;
}

Router sample() {
  Router router;
  router.add("GET", "{R}", {});
  router.add("POST", "{R}", {});
  router.add("POST", "{R}/{}/processes/{}/kill", {});
  router.add_websocket("{R}/{}/ws", {});
  router.add("", "/v1/templates/{*}", {});
  return router;
}

}  // namespace

TEST_CASE("both nouns lead to one route, and the path says which it was") {
  const Router router = sample();
  const auto sandbox = router.match(request("POST", "/v1/sandboxes/sb%2F1/processes/7/kill"));
  REQUIRE(sandbox.handler != nullptr);
  CHECK(sandbox.dialect == Dialect::sandbox);
  CHECK(sandbox.ids == std::vector<std::string>{"sb/1", "7"});
  const auto machine = router.match(request("POST", "/v1/machines/m/processes/7/kill"));
  REQUIRE(machine.handler != nullptr);
  CHECK(machine.dialect == Dialect::machine);
  CHECK(machine.route == "/v1/machines/{}/processes/{}/kill");
}

TEST_CASE("HEAD is a GET, other methods are told what there is") {
  const Router router = sample();
  CHECK(router.match(request("HEAD", "/v1/sandboxes")).handler != nullptr);
  const auto match = router.match(request("DELETE", "/v1/sandboxes"));
  CHECK(match.handler == nullptr);
  CHECK(match.other_methods == std::vector<std::string>{"GET", "POST"});
}

TEST_CASE("an id is one segment and never empty") {
  const Router router = sample();
  CHECK(router.match(request("GET", "/v1/sandboxes/a/b/ws")).handler == nullptr);
  CHECK(router.match(request("GET", "/v1/sandboxes//ws")).handler == nullptr);
  const auto match = router.match(request("GET", "/v1/sandboxes/a%2Fb/ws"));
  REQUIRE(match.handler != nullptr);
  CHECK(match.websocket);
}

TEST_CASE("a rest pattern takes everything below, and itself") {
  const Router router = sample();
  CHECK(router.match(request("PATCH", "/v1/templates/a/b/c")).handler != nullptr);
  CHECK(router.match(request("GET", "/v1/templates")).handler != nullptr);
  CHECK(router.match(request("GET", "/v1/templatesx")).handler == nullptr);
}

TEST_CASE("what this server has not got is known by name") {
  Router router;
  nullspace::local::add_missing_routes(router);
  for (const char* target :
       {"/v1/sandboxes/x/fork", "/v1/machines/x/git/status", "/v1/sandboxes/x/files/read",
        "/v1/sandboxes/x/ports/80/readiness", "/v1/sandboxes/x/desktop/screenshot",
        "/v1/sandboxes/x/uploads", "/v1/sandboxes/x/ssh-access", "/v1/sandboxes/x/host"}) {
    CAPTURE(target);
    CHECK(router.match(request("POST", target)).handler != nullptr);
  }
  CHECK(router.match(request("GET", "/v1/snapshots/snap_1")).handler != nullptr);
  CHECK(router.match(request("GET", "/v1/unheard-of")).handler == nullptr);
}

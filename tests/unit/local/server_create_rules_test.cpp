#include "local/server/create_rules.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace {

using nullspace::local::refuse_create;
using nullspace::wire::CreateRequest;

std::string code(const CreateRequest& request, bool isolated = true) {
  const auto refusal = refuse_create(request, isolated);
  return refusal ? std::to_string(refusal->status) + " " + refusal->code : "";
}

}  // namespace

TEST_CASE("known templates, with or without a tag") {
  for (const char* name :
       {"base", "code-interpreter", "desktop", "base:latest", "desktop:v1.2_3"}) {
    CreateRequest request;
    request.template_id = name;
    CAPTURE(name);
    CHECK(code(request).empty());
  }
  for (const char* name : {"", "Base", "base:", "base:a b", "team/base", "basex", "base:a:b"}) {
    CreateRequest request;
    request.template_id = name;
    CAPTURE(name);
    CHECK(code(request) == "404 template_not_found");
  }
}

TEST_CASE("sizes beyond the quota") {
  CreateRequest request;
  request.vcpus = 64;
  request.memory_mb = 262'144;
  CHECK(code(request).empty());
  request.vcpus = 65;
  CHECK(code(request) == "429 quota_exceeded");
  request.vcpus = 1;
  request.memory_mb = 262'145;
  CHECK(code(request) == "429 quota_exceeded");
  request.memory_mb = 127;
  CHECK(code(request) == "400 invalid_request");
}

TEST_CASE("what this server has not got is refused, never left out") {
  CreateRequest volumes;
  volumes.volumes.push_back({"ref", "/data", false, ""});
  CHECK(code(volumes) == "501 feature_unavailable");

  CreateRequest denied;
  denied.network.emplace();
  CHECK(code(denied).empty());
  denied.network->deny_out = {"0.0.0.0/0"};
  CHECK(code(denied) == "501 feature_unavailable");

  CreateRequest offline;
  offline.internet_access = false;
  CHECK(code(offline, true).empty());
  CHECK(code(offline, false) == "501 feature_unavailable");

  CreateRequest snapshot;
  snapshot.snapshot_id = "snap_1";
  CHECK(code(snapshot) == "404 snapshot_not_found");
}

TEST_CASE("there are no warm pools") {
  CreateRequest request;
  request.warm_pool.emplace();
  request.warm_pool->id = "twp_1";
  CHECK(code(request).empty());
  request.warm_pool->mode = nullspace::WarmPoolMode::require;
  CHECK(code(request) == "503 warm_pool_unavailable");
}

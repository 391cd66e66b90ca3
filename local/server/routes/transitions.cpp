// Hibernate and resume.
#include <utility>
#include <variant>

#include "local/server/routes/api.hpp"
#include "wire/sandbox_messages.hpp"
#include "wire/snapshot_messages.hpp"

namespace nullspace::local {

namespace {

void hibernate(const Api& api, const RequestPtr& request) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  api.service.hibernate(
      sandbox, kByHand, [request](const SandboxService::SnapshotOutcome& outcome) {
        if (const auto* error = std::get_if<ApiError>(&outcome)) return request->fail(*error);
        request->reply(
            200, wire::encode_snapshot(request->dialect, std::get<wire::SnapshotAnswer>(outcome)));
      });
}

// The old dialect resumes a snapshot under a new id, the new one a machine under its own; early
// versions of the new one still did it the old way.
void resume(const Api& api, const RequestPtr& request) {
  const std::string& id = request->ids.front();
  const auto answer = [request](SandboxService::SandboxOutcome outcome) {
    if (const auto* error = std::get_if<ApiError>(&outcome)) return request->fail(*error);
    wire::SandboxEncoding encoding;
    encoding.dialect = request->dialect;
    request->reply(
        200, wire::encode_sandbox(std::get<std::shared_ptr<Sandbox>>(outcome)->info(), encoding));
  };
  if (const auto paused = api.service.store().find_snapshot(request->account, id)) {
    return api.service.resume_as_new(paused, request->dialect, answer);
  }
  if (request->dialect == Dialect::machine) {
    if (const auto machine = api.service.store().find(request->account, id)) {
      return api.service.resume_in_place(machine, kByCall, answer);
    }
  }
  request->fail(api_error(404, "sandbox_not_found", "there is nothing paused as " + id));
}

}  // namespace

void add_transition_routes(Router& router, const Api& api) {
  router.add("POST", "{R}/{}/hibernate",
             [&api](const RequestPtr& request) { hibernate(api, request); });
  router.add("POST", "{R}/{}/resume", [&api](const RequestPtr& request) { resume(api, request); });
}

}  // namespace nullspace::local

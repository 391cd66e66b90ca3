#include "local/server/routes/api.hpp"

#include <charconv>
#include <string>
#include <utility>
#include <variant>

#include "wire/dialect.hpp"

namespace nullspace::local {

std::shared_ptr<Sandbox> find_sandbox(const Api& api, const RequestPtr& request) {
  const std::string& id = request->ids.front();
  auto sandbox = api.service.store().find(request->account, id);
  if (!sandbox) {
    request->fail(
        api_error(404, "sandbox_not_found",
                  std::string(wire::noun(request->dialect).name) + " " + id + " not found"));
  }
  return sandbox;
}

void with_running_sandbox(const Api& api, const RequestPtr& request,
                          std::function<void(const std::shared_ptr<Sandbox>&)> use) {
  const auto sandbox = find_sandbox(api, request);
  if (!sandbox) return;
  api.service.require_running(
      sandbox, [request, use = std::move(use)](SandboxService::SandboxOutcome outcome) {
        if (const auto* error = std::get_if<ApiError>(&outcome)) return request->fail(*error);
        use(std::get<std::shared_ptr<Sandbox>>(outcome));
      });
}

bool read_pid(const RequestPtr& request, std::size_t index, int& pid) {
  const std::string& text = request->ids.at(index);
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error == std::errc() && rest == text.data() + text.size() && pid > 0) return true;
  request->fail(not_found("there is no process " + text));
  return false;
}

}  // namespace nullspace::local

#include "local/server/create_rules.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace nullspace::local {

namespace {

constexpr std::array<std::string_view, 3> kTemplates{"base", "code-interpreter", "desktop"};
constexpr int kMaxVcpus = 64;
constexpr int kMinMemory = 128;
constexpr int kMaxMemory = 262'144;

bool is_known_template(std::string_view reference) {
  const std::size_t colon = reference.find(':');
  const std::string_view name = reference.substr(0, colon);
  const std::string_view tag =
      colon == std::string_view::npos ? "latest" : reference.substr(colon + 1);
  const bool tag_is_plain = !tag.empty() && std::all_of(tag.begin(), tag.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return tag_is_plain && std::find(kTemplates.begin(), kTemplates.end(), name) != kTemplates.end();
}

ApiError unavailable(std::string message, std::string action = {}) {
  ApiError error = api_error(501, "feature_unavailable", std::move(message));
  error.suggested_action = std::move(action);
  return error;
}

}  // namespace

std::optional<ApiError> refuse_create(const wire::CreateRequest& request, bool isolated) {
  if (!request.snapshot_id.empty()) {
    return api_error(404, "snapshot_not_found",
                     "there is no reusable snapshot " + request.snapshot_id);
  }
  if (!is_known_template(request.template_id)) {
    ApiError error = api_error(404, "template_not_found",
                               "there is no template " + request.template_id + " on this server");
    error.suggested_action = "The local server knows base, code-interpreter and desktop.";
    return error;
  }
  if (request.memory_mb < kMinMemory) {
    return invalid_request("memory_mb: at least " + std::to_string(kMinMemory));
  }
  if (request.vcpus > kMaxVcpus) {
    return api_error(429, "quota_exceeded",
                     "vcpus: at most " + std::to_string(kMaxVcpus) + " for one sandbox");
  }
  if (request.memory_mb > kMaxMemory) {
    return api_error(429, "quota_exceeded",
                     "memory_mb: at most " + std::to_string(kMaxMemory) + " for one sandbox");
  }
  if (!request.volumes.empty()) return unavailable("volumes are not available on this server");
  if (request.network &&
      (!request.network->deny_out.empty() || !request.network->allow_out.empty())) {
    return unavailable("network.deny_out and network.allow_out are not available on this server");
  }
  if (!request.internet_access && !isolated) {
    return unavailable(
        "internet_access: false needs isolated sandboxes",
        "Run the server where unprivileged user namespaces and bubblewrap are available.");
  }
  if (request.warm_pool && request.warm_pool->mode == WarmPoolMode::require) {
    return api_error(503, "warm_pool_unavailable",
                     "there is no warm pool " + request.warm_pool->id + " on this server");
  }
  return std::nullopt;
}

}  // namespace nullspace::local

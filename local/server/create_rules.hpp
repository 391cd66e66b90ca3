#pragma once

#include <optional>

#include "local/server/api_error.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

// Why this server does not create such a sandbox: unknown templates, quotas, features that it has
// not got. Nothing is silently left out.
std::optional<ApiError> refuse_create(const wire::CreateRequest& request, bool isolated);

}  // namespace nullspace::local

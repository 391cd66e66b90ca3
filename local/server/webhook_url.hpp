#pragma once

#include <optional>
#include <string_view>

#include "local/server/api_error.hpp"

namespace nullspace::local {

// Why events are not posted there: https anywhere and http on this machine are fine. The URL may
// hold a secret and is not repeated.
[[nodiscard]] std::optional<ApiError> refuse_webhook_url(std::string_view url);

}  // namespace nullspace::local

#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <variant>

#include "local/guest/isolation.hpp"
#include "local/guest/layout.hpp"

namespace nullspace::local::guest {

struct TreeError {
  std::filesystem::path path;
  std::error_code code;
};

// Makes what is missing of a sandbox's directories and its own files for /etc; what is there
// already is kept.
std::variant<SandboxLayout, TreeError> make_sandbox_tree(const std::filesystem::path& root,
                                                         const std::string& host_name,
                                                         IsolationMethod method);

}  // namespace nullspace::local::guest

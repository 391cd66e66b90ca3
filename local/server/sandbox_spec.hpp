#pragma once

#include <string>
#include <vector>

#include <nullspace/dialect.hpp>
#include <nullspace/sandbox_info.hpp>

#include "local/guest/layout.hpp"
#include "local/server/auth.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

// What a sandbox was created as; survives hibernation.
struct SandboxSpec {
  AccountId account = 0;
  Dialect dialect = Dialect::sandbox;  // whose words its ids are made of
  wire::CreateRequest request;
  Timestamp created_at{};
};

// "NAME=value" for a process: the guest's own variables, the sandbox's, those of this process.
std::vector<std::string> process_environment(const SandboxSpec& spec,
                                             const guest::SandboxLayout& layout,
                                             const EnvMap& extra);

// Where a process starts, as it has to name it: `wanted`, else the sandbox's directory, else
// /workspace.
std::string process_directory(const SandboxSpec& spec, const guest::SandboxLayout& layout,
                              const std::string& wanted);

// The shell of commands and terminals.
std::string guest_shell();

}  // namespace nullspace::local

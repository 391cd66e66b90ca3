#include "local/server/sandbox_spec.hpp"

#include <unistd.h>

#include <map>
#include <string_view>

namespace nullspace::local {

std::vector<std::string> process_environment(const SandboxSpec& spec,
                                             const guest::SandboxLayout& layout,
                                             const EnvMap& extra) {
  std::map<std::string, std::string, std::less<>> variables;
  const auto add_entry = [&variables](std::string_view entry) {
    const std::size_t equals = entry.find('=');
    variables.insert_or_assign(std::string(entry.substr(0, equals)),
                               std::string(entry.substr(equals + 1)));
  };
  for (const std::string& entry : layout.base_environment())
    add_entry(entry);
  for (const auto& [name, value] : spec.request.envs)
    variables.insert_or_assign(name, value);
  for (const auto& [name, value] : extra)
    variables.insert_or_assign(name, value);
  // By this one an unisolated sandbox's processes are found again: nobody may hide from it.
  if (!layout.isolated) add_entry(guest::sandbox_marker(layout));
  std::vector<std::string> entries;
  entries.reserve(variables.size());
  for (const auto& [name, value] : variables)
    entries.push_back(name + "=" + value);
  return entries;
}

std::string process_directory(const SandboxSpec& spec, const guest::SandboxLayout& layout,
                              const std::string& wanted) {
  if (!wanted.empty()) return layout.to_process(wanted);
  if (!spec.request.cwd.empty()) return layout.to_process(spec.request.cwd);
  return layout.to_process("/workspace");
}

std::string guest_shell() {
  return ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

}  // namespace nullspace::local

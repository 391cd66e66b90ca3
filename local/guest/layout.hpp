#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nullspace::local::guest {

// Where the directories of one sandbox are on the host, and how paths translate.
struct SandboxLayout {
  std::filesystem::path root;  // absolute
  bool isolated = false;
  // Who owns the sandbox's files on the host. A server that runs as root and writes files for a
  // sandbox must give them to this owner.
  uid_t owner_uid = 0;
  gid_t owner_gid = 0;

  [[nodiscard]] std::filesystem::path workspace() const { return root / "workspace"; }
  [[nodiscard]] std::filesystem::path home() const { return root / "home"; }
  [[nodiscard]] std::filesystem::path tmp() const { return root / "tmp"; }
  [[nodiscard]] std::filesystem::path var_tmp() const { return root / "var_tmp"; }
  [[nodiscard]] std::filesystem::path etc() const { return root / "etc"; }

  // The host's name of an absolute path of the sandbox: /workspace, /home/user, /tmp and /var/tmp
  // lie in the tree, everything else is the host's own. `..` is resolved first, by text; symbolic
  // links that the sandbox's processes made are not followed here, which is the business of whoever
  // opens the path.
  [[nodiscard]] std::filesystem::path to_host(std::string_view sandbox_path) const;

  // The same path as processes of the sandbox have to name it: unchanged when isolated, else
  // to_host().
  [[nodiscard]] std::string to_process(std::string_view sandbox_path) const;

  // PATH, HOME, USER, LOGNAME, SHELL, LANG, TMPDIR and, unisolated, the marker: what each process
  // starts from, as "NAME=value". Nothing of it comes from the server's own environment.
  [[nodiscard]] std::vector<std::string> base_environment() const;
};

// "NAME=value" by which processes of an unisolated sandbox can be told from others.
std::string sandbox_marker(const SandboxLayout& layout);

// At most 64 characters that a host name may have; "sandbox" when nothing is left of the id.
std::string host_name_of(std::string_view sandbox_id);

}  // namespace nullspace::local::guest

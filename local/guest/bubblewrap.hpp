#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "local/guest/isolation.hpp"
#include "local/guest/layout.hpp"

namespace nullspace::local::guest {

// What the user of a sandbox is called inside.
inline constexpr uid_t kInnerUid = 1000;
inline constexpr gid_t kInnerGid = 1000;

struct BubblewrapSpec {
  std::filesystem::path bubblewrap;
  IsolationMethod method = IsolationMethod::user_namespace;
  SandboxLayout layout;
  std::string host_name;
  std::vector<std::filesystem::path> hidden;
  std::filesystem::path guest_executable;
  bool internet_access = true;
  bool probe = false;  // only try everything
};

// The whole command line, program first. Looks at the host's root directory and /etc.
std::vector<std::string> bubblewrap_command(const BubblewrapSpec& spec);

// What `method` makes the owner of a sandbox's files.
uid_t owner_uid_of(IsolationMethod method);
gid_t owner_gid_of(IsolationMethod method);

}  // namespace nullspace::local::guest

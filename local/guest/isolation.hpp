#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace nullspace::local::guest {

enum class IsolationMethod {
  none,            // a plain child process: no isolation at all
  user_namespace,  // ordinary user: bubblewrap in a user namespace
  privileged,      // root: bubblewrap as root, then an unprivileged uid in a user namespace
  root_namespace,  // root without the rights for that: a user namespace, private files masked
};

struct IsolationProbe {
  bool isolated = false;
  IsolationMethod method = IsolationMethod::none;
  std::filesystem::path bubblewrap;  // the executable, when isolated
  std::string reason;                // why not, one line, when not isolated
  // The user insisted on isolation (NULLSPACE_LOCAL_ISOLATION=bubblewrap) and it is not to be had,
  // or the variable holds nonsense: the server should refuse to start, with `reason`.
  bool refused = false;
};

struct ProbeOptions {
  std::filesystem::path guest_executable;
  std::filesystem::path state_dir;  // must exist; a sandbox tree is made in it for a moment
};

// Starts and ends one guest the way `launch` would, to learn whether this system allows it (some
// milliseconds). NULLSPACE_LOCAL_ISOLATION=none|bubblewrap|auto overrides what is tried. Blocks, at
// most 3 s per method.
IsolationProbe probe_isolation(const ProbeOptions& options);

// Looks at, in this order: `option` if not empty, NULLSPACE_LOCAL_GUEST, `nullspace-local-guest`
// beside the running executable, ../libexec/nullspace relative to that, the place it was built at.
// What option and variable name must exist, else nothing is found.
std::optional<std::filesystem::path> find_guest_executable(
    const std::filesystem::path& option = {});

}  // namespace nullspace::local::guest

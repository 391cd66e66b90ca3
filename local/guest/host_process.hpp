#pragma once

#include <sys/types.h>

#include <string>
#include <variant>
#include <vector>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

// A guest (or the bubblewrap around it) as the server has just started it.
struct HostProcess {
  pid_t pid = -1;
  UniqueFd pidfd;        // none on kernels without pidfds
  UniqueFd control;      // our end of the control socket
  UniqueFd diagnostics;  // a file in memory that collects what it prints on stderr
};

struct StartError {
  int error = 0;  // errno
  std::string what;
};

// Starts `command` in a session of its own, with the other end of the control socket as descriptor
// 3, no input and output, default signals and next to no environment. Safe in a process with many
// threads.
std::variant<HostProcess, StartError> start_host_process(const std::vector<std::string>& command);

// What the process has printed so far, cut to some kilobytes, trailing line ends removed.
std::string read_diagnostics(const UniqueFd& diagnostics);

}  // namespace nullspace::local::guest

#pragma once

#include <optional>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

// What becomes stdin, stdout and stderr of a command: the child's ends of its pipes, in blocking
// mode, because programs expect that.
struct ChildStdio {
  UniqueFd stdin_fd;
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
};

// The three pipes of one command. The server's ends are non-blocking, all of them close-on-exec.
struct StdioPipes {
  UniqueFd stdin_write;
  UniqueFd stdout_read;
  UniqueFd stderr_read;
  ChildStdio child;
};

// nullopt (and errno) when the process has no descriptors left.
std::optional<StdioPipes> make_stdio_pipes();

}  // namespace nullspace::local::guest

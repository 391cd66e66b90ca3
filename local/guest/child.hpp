#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "local/guest/protocol.hpp"
#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

// What a new process is made of.
struct ChildPlan {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string cwd;
  UniqueFd stdin_fd;
  UniqueFd stdout_fd;
  UniqueFd stderr_fd;
  bool controlling_terminal = false;  // stdin is one, and the session gets it
  bool die_with_parent = false;       // where no pid namespace does it
};

// A process that is on its way to its execve.
struct NewChild {
  pid_t pid = 0;
  UniqueFd status;  // readable once the way has ended: see read_child_status
};

struct ChildError {
  SpawnStage stage = SpawnStage::fork;
  int error = 0;
};

// Forks. The child leads its own session and process group, has default signal handling and no
// other descriptors than 0, 1 and 2. Only for a process with one thread.
std::variant<NewChild, ChildError> start_child(ChildPlan plan);

enum class ChildProgress { pending, running, failed };

// How far the child is; with `failed`, `error` says why. Does not block.
ChildProgress read_child_status(const UniqueFd& status, ChildError& error);

struct Terminal {
  UniqueFd master;
  UniqueFd slave;
};

// A new pseudo-terminal of the given size; errno when there is none.
std::variant<Terminal, int> open_terminal(std::uint16_t cols, std::uint16_t rows);

}  // namespace nullspace::local::guest

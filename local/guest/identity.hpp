#pragma once

#include <sys/types.h>

#include <string>

namespace nullspace::local::guest {

// From which to which: `host_*` is what the files of the sandbox belong to, `inner_*` what it is
// called inside.
struct Identity {
  uid_t host_uid = 0;
  gid_t host_gid = 0;
  uid_t inner_uid = 0;
  gid_t inner_gid = 0;
};

// Gives up root for good and enters a user namespace in which the new identity has its inner names.
// Empty on success, else what failed. Only for a process with one thread.
std::string assume_identity(const Identity& identity);

}  // namespace nullspace::local::guest

#include "local/guest/identity.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {
namespace {

std::string failure(std::string_view what) {
  return std::string(what) + ": " + std::generic_category().message(errno);
}

bool write_file(const char* path, const std::string& text) {
  const UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string map_line(unsigned int inner, unsigned int outer) {
  return std::to_string(inner) + " " + std::to_string(outer) + " 1\n";
}

}  // namespace

std::string assume_identity(const Identity& identity) {
  if (::setgroups(0, nullptr) != 0) return failure("setgroups");
  const gid_t gid = identity.host_gid;
  const uid_t uid = identity.host_uid;
  if (::setresgid(gid, gid, gid) != 0) return failure("setresgid");
  if (::setresuid(uid, uid, uid) != 0) return failure("setresuid");
  if (::unshare(CLONE_NEWUSER) != 0) return failure("unshare(CLONE_NEWUSER)");
  // Our own files in /proc belong to root since the change of identity, unless we allow to be
  // traced.
  ::prctl(PR_SET_DUMPABLE, 1);
  if (!write_file("/proc/self/setgroups", "deny")) return failure("/proc/self/setgroups");
  if (!write_file("/proc/self/uid_map", map_line(identity.inner_uid, uid))) {
    return failure("/proc/self/uid_map");
  }
  if (!write_file("/proc/self/gid_map", map_line(identity.inner_gid, gid))) {
    return failure("/proc/self/gid_map");
  }
  // A new user namespace gives its first process every capability in it; nobody here needs one.
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) return failure("capset");
  return {};
}

}  // namespace nullspace::local::guest

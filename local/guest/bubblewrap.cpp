#include "local/guest/bubblewrap.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>
#include <system_error>
#include <utility>

namespace nullspace::local::guest {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGuestPath = "/run/nullspace-guest";

// Nobody's files, everywhere: a sandbox of a server that runs as root owns nothing on the host.
constexpr uid_t kNobodyUid = 65534;
constexpr gid_t kNobodyGid = 65534;

// Own ones take the place of some of these; the others hold what users keep to themselves.
constexpr std::array<std::string_view, 11> kNotFromHost{
    "proc", "sys", "dev", "tmp", "home", "root", "run", "mnt", "media", "workspace", "lost+found"};

constexpr std::size_t kMaxMasked = 500;

class Arguments {
 public:
  void add(std::initializer_list<std::string> values) {
    values_.insert(values_.end(), values.begin(), values.end());
  }
  std::vector<std::string> take() { return std::move(values_); }

 private:
  std::vector<std::string> values_;
};

bool from_host(const std::string& name) {
  return std::find(kNotFromHost.begin(), kNotFromHost.end(), name) == kNotFromHost.end();
}

// The name below / that an absolute path starts with.
std::string top_level_of(const fs::path& path) {
  const fs::path relative = path.relative_path();
  return relative.empty() ? std::string() : relative.begin()->string();
}

bool readable_for_all(const fs::file_status& status) {
  using fs::perms;
  const perms needed = status.type() == fs::file_type::directory
                           ? perms::others_read | perms::others_exec
                           : perms::others_read;
  return (status.permissions() & needed) == needed;
}

void collect_private(const fs::path& directory, int depth, std::vector<fs::path>& found) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (found.size() >= kMaxMasked) return;
    const fs::file_status status = it->symlink_status(error);
    if (error) return;
    const bool is_directory = status.type() == fs::file_type::directory;
    if (!is_directory && status.type() != fs::file_type::regular) continue;
    if (!readable_for_all(status)) {
      found.push_back(it->path());
    } else if (is_directory && depth > 1) {
      collect_private(it->path(), depth - 1, found);
    }
  }
}

// Root's identity inside is root's outside where files are concerned, so that the private ones
// among the host's need a cover.
void mask_private_files(Arguments& arguments) {
  std::vector<fs::path> found;
  collect_private("/etc", 8, found);
  for (const char* directory :
       {"/var", "/var/lib", "/var/log", "/var/spool", "/var/cache", "/opt", "/srv", "/boot"}) {
    collect_private(directory, 1, found);
  }
  std::error_code error;
  for (const fs::path& path : found) {
    if (path == "/var/tmp") continue;
    if (fs::is_directory(path, error)) {
      arguments.add({"--tmpfs", path.string()});
    } else {
      // A device on a mount without devices cannot even be opened.
      arguments.add({"--ro-bind", "/dev/null", path.string()});
    }
  }
}

void add_host_directories(Arguments& arguments, const std::vector<fs::path>& hidden, bool as_root) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it("/", error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  std::sort(entries.begin(), entries.end());
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (!from_host(name)) continue;
    const fs::file_status status = entry.symlink_status(error);
    if (error) continue;
    if (status.type() == fs::file_type::symlink) {
      const fs::path target = fs::read_symlink(entry.path(), error);
      if (!error) arguments.add({"--symlink", target.string(), entry.path().string()});
    } else if (status.type() == fs::file_type::directory) {
      const bool is_hidden = std::find(hidden.begin(), hidden.end(), entry.path()) != hidden.end();
      if (is_hidden || (as_root && !readable_for_all(status))) continue;
      arguments.add({"--ro-bind", entry.path().string(), entry.path().string()});
    }
  }
}

// Root's identity may write the kernel's settings; the namespace does not change that.
void cover_kernel_settings(Arguments& arguments) {
  std::error_code error;
  for (const char* path : {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"}) {
    if (fs::exists(path, error)) arguments.add({"--ro-bind", path, path});
  }
}

bool exists_as(const fs::path& path, fs::file_type type) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == type;
}

// Those that bubblewrap makes by itself on the way are for their owner only.
void add_parents(Arguments& arguments, const fs::path& path) {
  fs::path parent = path.root_path();
  for (const fs::path& part : path.parent_path().relative_path()) {
    parent /= part;
    arguments.add({"--dir", parent.string()});
  }
}

void add_etc(Arguments& arguments, const SandboxLayout& layout) {
  for (const char* name : {"passwd", "group", "hostname", "hosts"}) {
    const fs::path inside = fs::path("/etc") / name;
    // Nothing can be mounted on what is not there: the host's /etc is not ours to write.
    if (!exists_as(inside, fs::file_type::regular)) continue;
    arguments.add({"--ro-bind", (layout.etc() / name).string(), inside.string()});
  }
  // Often a link to /run, where the host's resolver keeps it.
  std::error_code error;
  const fs::path resolver = fs::canonical("/etc/resolv.conf", error);
  if (!error && !from_host(top_level_of(resolver))) {
    add_parents(arguments, resolver);
    arguments.add({"--ro-bind", resolver.string(), resolver.string()});
  }
}

void add_hidden(Arguments& arguments, const std::vector<fs::path>& hidden) {
  for (const fs::path& path : hidden) {
    const bool top_level = path.parent_path() == path.root_path();
    if (top_level || !from_host(top_level_of(path))) continue;
    if (!exists_as(path, fs::file_type::directory)) continue;
    arguments.add({"--tmpfs", path.string(), "--remount-ro", path.string()});
  }
}

std::vector<fs::path> canonical_paths(const std::vector<fs::path>& paths) {
  std::vector<fs::path> result;
  for (const fs::path& path : paths) {
    std::error_code error;
    fs::path canonical = fs::canonical(path, error);
    if (!error && canonical != canonical.root_path()) result.push_back(std::move(canonical));
  }
  return result;
}

}  // namespace

uid_t owner_uid_of(IsolationMethod method) {
  return method == IsolationMethod::privileged ? kNobodyUid : ::geteuid();
}

gid_t owner_gid_of(IsolationMethod method) {
  return method == IsolationMethod::privileged ? kNobodyGid : ::getegid();
}

std::vector<std::string> bubblewrap_command(const BubblewrapSpec& spec) {
  const SandboxLayout& layout = spec.layout;
  const bool privileged = spec.method == IsolationMethod::privileged;
  const bool as_root = spec.method == IsolationMethod::root_namespace;
  std::vector<fs::path> hidden = spec.hidden;
  hidden.push_back(layout.root);
  hidden = canonical_paths(hidden);

  Arguments arguments;
  arguments.add({spec.bubblewrap.string(), "--die-with-parent", "--as-pid-1", "--unshare-pid",
                 "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname",
                 spec.host_name});
  if (privileged) {
    // Just enough for the guest to become somebody else.
    arguments.add({"--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"});
  } else {
    arguments.add(
        {"--unshare-user", "--uid", std::to_string(kInnerUid), "--gid", std::to_string(kInnerGid)});
  }
  if (!spec.internet_access) arguments.add({"--unshare-net"});

  add_host_directories(arguments, hidden, as_root);
  add_hidden(arguments, hidden);
  if (as_root) mask_private_files(arguments);
  arguments.add({"--proc", "/proc", "--dev", "/dev"});
  if (as_root) cover_kernel_settings(arguments);
  // For everybody, as on any system; as an ordinary user it is ours in any case.
  if (privileged) arguments.add({"--perms", "1777"});
  arguments.add({"--tmpfs", "/dev/shm", "--tmpfs", "/run"});
  arguments.add({"--bind", layout.tmp().string(), "/tmp"});
  if (exists_as("/var/tmp", fs::file_type::directory)) {
    arguments.add({"--bind", layout.var_tmp().string(), "/var/tmp"});
  }
  arguments.add({"--bind", layout.workspace().string(), "/workspace"});
  add_parents(arguments, "/home/user");
  arguments.add({"--bind", layout.home().string(), "/home/user"});
  add_etc(arguments, layout);
  const std::string guest_path(kGuestPath);
  arguments.add({"--ro-bind", spec.guest_executable.string(), guest_path});
  arguments.add({"--remount-ro", "/", "--chdir", "/", "--", guest_path, "--isolated"});
  if (privileged) {
    arguments.add({"--identity=" + std::to_string(layout.owner_uid) + ":" +
                   std::to_string(layout.owner_gid) + ":" + std::to_string(kInnerUid) + ":" +
                   std::to_string(kInnerGid)});
  }
  if (spec.probe) arguments.add({"--probe"});
  return arguments.take();
}

}  // namespace nullspace::local::guest

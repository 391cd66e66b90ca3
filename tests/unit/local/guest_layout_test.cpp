#include "local/guest/layout.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "local/guest/bubblewrap.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace guest = nullspace::local::guest;

guest::SandboxLayout layout(bool isolated) {
  guest::SandboxLayout result;
  result.root = "/state/sb 1";
  result.isolated = isolated;
  return result;
}

bool holds(const std::vector<std::string>& haystack, const std::vector<std::string>& needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) !=
         haystack.end();
}

}  // namespace

TEST_CASE("paths of a sandbox have their place on the host") {
  const auto paths = layout(true);
  CHECK(paths.to_host("/workspace") == "/state/sb 1/workspace");
  CHECK(paths.to_host("/workspace/") == "/state/sb 1/workspace");
  CHECK(paths.to_host("/workspace/a/b.txt") == "/state/sb 1/workspace/a/b.txt");
  CHECK(paths.to_host("/home/user/.bashrc") == "/state/sb 1/home/.bashrc");
  CHECK(paths.to_host("/tmp/x") == "/state/sb 1/tmp/x");
  CHECK(paths.to_host("/var/tmp/x") == "/state/sb 1/var_tmp/x");
  CHECK(paths.to_host("//workspace//a/./b/../c") == "/state/sb 1/workspace/a/c");
}

TEST_CASE("what only looks like one of a sandbox's directories is not") {
  const auto paths = layout(true);
  CHECK(paths.to_host("/workspaces") == "/workspaces");
  CHECK(paths.to_host("/tmpfile") == "/tmpfile");
  CHECK(paths.to_host("/home/userland") == "/home/userland");
  CHECK(paths.to_host("/home") == "/home");
  CHECK(paths.to_host("/workspace/../etc/passwd") == "/etc/passwd");
  CHECK(paths.to_host("/../../workspace/a") == "/state/sb 1/workspace/a");
  CHECK(paths.to_host("/usr/lib") == "/usr/lib");
}

TEST_CASE("processes name their directories as the sandbox does, or by the host's path") {
  CHECK(layout(true).to_process("/workspace/a") == "/workspace/a");
  CHECK(layout(false).to_process("/workspace/a") == "/state/sb 1/workspace/a");
  CHECK(layout(false).to_process("/usr") == "/usr");

  const auto isolated = layout(true).base_environment();
  CHECK(holds(isolated, {"HOME=/home/user"}));
  CHECK(holds(isolated, {"TMPDIR=/tmp"}));
  CHECK_FALSE(holds(isolated, {guest::sandbox_marker(layout(true))}));
  const auto plain = layout(false).base_environment();
  CHECK(holds(plain, {"HOME=/state/sb 1/home"}));
  CHECK(holds(plain, {"TMPDIR=/state/sb 1/tmp"}));
  CHECK(holds(plain, {guest::sandbox_marker(layout(false))}));
}

TEST_CASE("host names hold only what host names may hold") {
  CHECK(guest::host_name_of("sb-12ab") == "sb-12ab");
  CHECK(guest::host_name_of("sb_12/..\n") == "sb-12");
  CHECK(guest::host_name_of("--x--") == "x");
  CHECK(guest::host_name_of("") == "sandbox");
  CHECK(guest::host_name_of("///") == "sandbox");
  CHECK(guest::host_name_of(std::string(200, 'a')).size() == 64);
}

TEST_CASE("bubblewrap gets the sandbox's directories and nothing writable of the host") {
  guest::BubblewrapSpec spec;
  spec.bubblewrap = "/usr/bin/bwrap";
  spec.layout = layout(true);
  spec.host_name = "sb-1";
  spec.guest_executable = "/opt/guest";
  const auto command = guest::bubblewrap_command(spec);

  REQUIRE(command.front() == "/usr/bin/bwrap");
  CHECK(holds(command, {"--unshare-user", "--uid", "1000", "--gid", "1000"}));
  CHECK(holds(command, {"--hostname", "sb-1"}));
  CHECK(holds(command, {"--bind", "/state/sb 1/workspace", "/workspace"}));
  CHECK(holds(command, {"--bind", "/state/sb 1/home", "/home/user"}));
  CHECK(holds(command, {"--bind", "/state/sb 1/tmp", "/tmp"}));
  CHECK(holds(command, {"--ro-bind", "/opt/guest", "/run/nullspace-guest"}));
  CHECK(holds(command, {"--ro-bind", "/usr", "/usr"}));
  CHECK_FALSE(holds(command, {"--unshare-net"}));
  for (std::size_t i = 0; i + 1 < command.size(); ++i) {
    if (command[i] == "--bind") CHECK(command[i + 1].starts_with("/state/sb 1/"));
    if (command[i] == "--ro-bind") {
      for (const char* never : {"/", "/home", "/root", "/proc", "/sys", "/dev", "/run", "/tmp"}) {
        CHECK(command[i + 1] != never);
      }
    }
  }

  spec.internet_access = false;
  spec.hidden = {"/usr/share"};
  const auto offline = guest::bubblewrap_command(spec);
  CHECK(holds(offline, {"--unshare-net"}));
  CHECK(holds(offline, {"--tmpfs", "/usr/share", "--remount-ro", "/usr/share"}));
}

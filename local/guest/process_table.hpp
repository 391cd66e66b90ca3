#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nullspace::local::guest {

// The fields of /proc/<pid>/stat that we use. Times in clock ticks.
struct ProcessStat {
  pid_t pid = 0;
  std::string name;  // the kernel's short name, at most 15 bytes, any bytes
  char state = '?';
  pid_t ppid = 0;
  pid_t group = 0;
  pid_t session = 0;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t children_user_ticks = 0;    // of children that were waited for
  std::uint64_t children_system_ticks = 0;  // likewise
  std::uint64_t start_ticks = 0;            // since boot
  std::uint64_t resident_pages = 0;
};

// The name may hold blanks, parentheses and line ends: what counts is the last ')'.
std::optional<ProcessStat> parse_stat(std::string_view text);

// How a command line is shown: arguments with blanks between them, control characters replaced, cut
// to a sane length; a process without one (a zombie, a kernel thread) is "[name]", as ps does it.
std::string command_text(std::string_view cmdline, std::string_view name);

std::optional<ProcessStat> read_stat(pid_t pid);
// nullopt when it has none.
std::optional<std::string> read_command_line(pid_t pid);
// What there is to show in any case.
std::string read_command(const ProcessStat& process);

// Every process that /proc shows, in the order of their pids.
std::vector<ProcessStat> scan_processes();

// Those of `all` that descend from `ancestor`, without it.
std::vector<ProcessStat> descendants_of(const std::vector<ProcessStat>& all, pid_t ancestor);

// The same by a walk down from `ancestor`, which is much quicker than a look at the whole table:
// good for catching what does not live long. May miss some. Empty on kernels that do not list
// children.
std::vector<ProcessStat> walk_descendants(pid_t ancestor);

}  // namespace nullspace::local::guest

#include "local/guest/process_table.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <unordered_map>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {
namespace {

constexpr std::size_t kMaxCommandBytes = 4096;

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What proc(5) numbers from 3 (state) on.
std::vector<std::string_view> split_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return fields;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
    fields.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The entries of a directory whose names are numbers.
std::vector<pid_t> numbers_in(const std::string& path) {
  std::vector<pid_t> numbers;
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) return numbers;
  while (const dirent* entry = ::readdir(directory.get())) {
    const auto number = parse_integer<pid_t>(entry->d_name);
    if (number && *number > 0) numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::string> read_proc_file(pid_t pid, const std::string& name, std::size_t limit) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string content;
  std::array<char, 4096> buffer{};
  while (content.size() < limit) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return content;
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      open == 0) {
    return std::nullopt;
  }
  ProcessStat stat;
  const auto pid = parse_integer<pid_t>(text.substr(0, text.find_first_of(" (")));
  if (!pid) return std::nullopt;
  stat.pid = *pid;
  stat.name = text.substr(open + 1, close - open - 1);

  constexpr std::size_t kFirstField = 3;
  const std::vector<std::string_view> fields = split_fields(text.substr(close + 1));
  const auto field = [&fields](std::size_t number) {
    const std::size_t index = number - kFirstField;
    return index < fields.size() ? fields[index] : std::string_view();
  };
  const auto ppid = parse_integer<pid_t>(field(4));
  const auto group = parse_integer<pid_t>(field(5));
  const auto session = parse_integer<pid_t>(field(6));
  const auto user = parse_integer<std::uint64_t>(field(14));
  const auto system = parse_integer<std::uint64_t>(field(15));
  const auto children_user = parse_integer<std::uint64_t>(field(16));
  const auto children_system = parse_integer<std::uint64_t>(field(17));
  const auto start = parse_integer<std::uint64_t>(field(22));
  const auto resident = parse_integer<std::uint64_t>(field(24));
  if (field(3).size() != 1 || !ppid || !group || !session || !user || !system || !children_user ||
      !children_system || !start || !resident) {
    return std::nullopt;
  }
  stat.state = field(3).front();
  stat.ppid = *ppid;
  stat.group = *group;
  stat.session = *session;
  stat.user_ticks = *user;
  stat.system_ticks = *system;
  stat.children_user_ticks = *children_user;
  stat.children_system_ticks = *children_system;
  stat.start_ticks = *start;
  stat.resident_pages = *resident;
  return stat;
}

std::string command_text(std::string_view cmdline, std::string_view name) {
  while (!cmdline.empty() && cmdline.back() == '\0')
    cmdline.remove_suffix(1);
  std::string text;
  if (cmdline.empty()) {
    text.append("[").append(name).append("]");
  } else {
    text = cmdline.substr(0, kMaxCommandBytes);
  }
  for (char& c : text) {
    if (c == '\0') {
      c = ' ';
    } else if (static_cast<unsigned char>(c) < 0x20U || c == 0x7f) {
      c = '?';
    }
  }
  return text;
}

std::optional<ProcessStat> read_stat(pid_t pid) {
  const auto text = read_proc_file(pid, "stat", 4096);
  return text ? parse_stat(*text) : std::nullopt;
}

std::optional<std::string> read_command_line(pid_t pid) {
  const auto cmdline = read_proc_file(pid, "cmdline", kMaxCommandBytes);
  if (!cmdline || cmdline->find_first_not_of('\0') == std::string::npos) return std::nullopt;
  return command_text(*cmdline, {});
}

std::string read_command(const ProcessStat& process) {
  return read_command_line(process.pid).value_or(command_text({}, process.name));
}

std::vector<ProcessStat> scan_processes() {
  std::vector<ProcessStat> processes;
  for (const pid_t pid : numbers_in("/proc")) {
    // A process may be gone between the directory and its file.
    if (auto stat = read_stat(pid)) processes.push_back(std::move(*stat));
  }
  std::sort(processes.begin(), processes.end(),
            [](const ProcessStat& a, const ProcessStat& b) { return a.pid < b.pid; });
  return processes;
}

std::vector<ProcessStat> descendants_of(const std::vector<ProcessStat>& all, pid_t ancestor) {
  std::unordered_multimap<pid_t, const ProcessStat*> children;
  for (const ProcessStat& process : all) {
    if (process.pid != ancestor) children.emplace(process.ppid, &process);
  }
  std::vector<ProcessStat> found;
  std::vector<pid_t> open{ancestor};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    const auto [begin, end] = children.equal_range(parent);
    for (auto it = begin; it != end; ++it) {
      found.push_back(*it->second);
      open.push_back(it->second->pid);
    }
    // A table read while processes come and go could hold a loop.
    children.erase(begin, end);
  }
  std::sort(found.begin(), found.end(),
            [](const ProcessStat& a, const ProcessStat& b) { return a.pid < b.pid; });
  return found;
}

std::vector<ProcessStat> walk_descendants(pid_t ancestor) {
  constexpr std::size_t kMaxChildrenBytes = std::size_t{1} << 20U;
  std::vector<ProcessStat> found;
  std::vector<pid_t> open{ancestor};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    // Each thread has its own children.
    for (const pid_t thread : numbers_in("/proc/" + std::to_string(parent) + "/task")) {
      const std::string children =
          read_proc_file(parent, "task/" + std::to_string(thread) + "/children", kMaxChildrenBytes)
              .value_or(std::string());
      for (const std::string_view child : split_fields(children)) {
        const auto pid = parse_integer<pid_t>(child);
        if (!pid) continue;
        if (auto stat = read_stat(*pid)) found.push_back(std::move(*stat));
        open.push_back(*pid);
      }
    }
  }
  return found;
}

}  // namespace nullspace::local::guest

#include "local/guest/isolation.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>
#include <thread>
#include <variant>
#include <vector>

#include "local/guest/bubblewrap.hpp"
#include "local/guest/host_process.hpp"
#include "local/guest/sandbox_tree.hpp"

namespace nullspace::local::guest {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kProbeLimit{3};
constexpr std::chrono::milliseconds kProbePause{1};
constexpr std::string_view kGuestName = "nullspace-local-guest";

std::string environment_value(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::optional<fs::path> find_bubblewrap() {
  std::string search = environment_value("PATH") + ":/usr/local/bin:/usr/bin:/bin";
  std::string_view rest = search;
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const fs::path directory(rest.substr(0, end));
    if (directory.is_absolute() && is_program(directory / "bwrap")) return directory / "bwrap";
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return std::nullopt;
}

// A directory for one probe, removed afterwards.
class ProbeTree {
 public:
  explicit ProbeTree(const fs::path& state_dir) {
    std::string pattern = (state_dir / "probe-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ProbeTree(const ProbeTree&) = delete;
  ProbeTree& operator=(const ProbeTree&) = delete;
  ~ProbeTree() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The exit status as waitpid gives it; nullopt when it had to be killed.
std::optional<int> wait_for_end(pid_t pid) {
  const auto deadline = std::chrono::steady_clock::now() + kProbeLimit;
  int status = 0;
  while (true) {
    const pid_t result = ::waitpid(pid, &status, WNOHANG);
    if (result == pid) return status;
    if (result < 0 && errno != EINTR) return std::nullopt;
    if (std::chrono::steady_clock::now() >= deadline) {
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      return std::nullopt;
    }
    std::this_thread::sleep_for(kProbePause);
  }
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Empty if the method works here, else why not.
std::string try_method(IsolationMethod method, const fs::path& bubblewrap,
                       const ProbeOptions& options) {
  const ProbeTree tree(options.state_dir);
  if (tree.path().empty()) {
    return options.state_dir.string() + ": " + std::generic_category().message(errno);
  }
  auto made = make_sandbox_tree(tree.path(), "probe", method);
  if (const auto* error = std::get_if<TreeError>(&made)) {
    return error->path.string() + ": " + error->code.message();
  }
  BubblewrapSpec spec;
  spec.bubblewrap = bubblewrap;
  spec.method = method;
  spec.layout = std::get<SandboxLayout>(made);
  spec.host_name = "probe";
  spec.hidden = {options.state_dir};
  spec.guest_executable = options.guest_executable;
  spec.probe = true;
  auto started = start_host_process(bubblewrap_command(spec));
  if (const auto* error = std::get_if<StartError>(&started)) {
    return error->what + ": " + std::generic_category().message(error->error);
  }
  const auto& process = std::get<HostProcess>(started);
  const std::optional<int> status = wait_for_end(process.pid);
  if (!status) return "bubblewrap did not come to an end";
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return {};
  const std::string printed = first_line(read_diagnostics(process.diagnostics));
  return printed.empty() ? "bubblewrap failed without a word" : printed;
}

std::vector<IsolationMethod> methods() {
  if (::geteuid() != 0) return {IsolationMethod::user_namespace};
  return {IsolationMethod::privileged, IsolationMethod::root_namespace};
}

IsolationProbe probe_methods(const ProbeOptions& options) {
  IsolationProbe probe;
  const auto bubblewrap = find_bubblewrap();
  if (!bubblewrap) {
    probe.reason = "bubblewrap (the program bwrap) is not installed";
    return probe;
  }
  for (const IsolationMethod method : methods()) {
    probe.reason = try_method(method, *bubblewrap, options);
    if (!probe.reason.empty()) continue;
    probe.isolated = true;
    probe.method = method;
    probe.bubblewrap = *bubblewrap;
    return probe;
  }
  return probe;
}

}  // namespace

IsolationProbe probe_isolation(const ProbeOptions& options) {
  const std::string wish = environment_value("NULLSPACE_LOCAL_ISOLATION");
  if (wish == "none") {
    IsolationProbe probe;
    probe.reason = "switched off by NULLSPACE_LOCAL_ISOLATION=none";
    return probe;
  }
  if (!wish.empty() && wish != "auto" && wish != "bubblewrap") {
    IsolationProbe probe;
    probe.reason = "NULLSPACE_LOCAL_ISOLATION must be none, bubblewrap or auto, not " + wish;
    probe.refused = true;
    return probe;
  }
  IsolationProbe probe = probe_methods(options);
  probe.refused = wish == "bubblewrap" && !probe.isolated;
  return probe;
}

std::optional<fs::path> find_guest_executable(const fs::path& option) {
  const auto absolute = [](const fs::path& path) -> std::optional<fs::path> {
    std::error_code error;
    fs::path result = fs::canonical(path, error);
    if (error || !is_program(result)) return std::nullopt;
    return result;
  };
  if (!option.empty()) return absolute(option);
  const std::string variable = environment_value("NULLSPACE_LOCAL_GUEST");
  if (!variable.empty()) return absolute(variable);

  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> candidates;
  if (!error) {
    const fs::path directory = self.parent_path();
    candidates.push_back(directory / kGuestName);
    candidates.push_back(directory / "../libexec/nullspace" / kGuestName);
  }
#ifdef NULLSPACE_GUEST_BUILD_PATH
  candidates.emplace_back(NULLSPACE_GUEST_BUILD_PATH);
#endif
  for (const fs::path& candidate : candidates) {
    if (auto found = absolute(candidate)) return found;
  }
  return std::nullopt;
}

}  // namespace nullspace::local::guest

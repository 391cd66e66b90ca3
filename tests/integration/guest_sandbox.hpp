#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local/guest/launcher.hpp"
#include "local/guest/link.hpp"

namespace test {

// A directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct GuestMode {
  std::string name;
  nullspace::local::guest::IsolationProbe probe;
};

// Unisolated, and isolated by each method that works for this user on this machine.
const std::vector<GuestMode>& guest_modes();

struct RunOptions {
  std::string cwd = "/workspace";
  std::vector<std::string> env;
  std::string input;
};

struct RunResult {
  std::optional<nullspace::local::guest::SpawnFailed> failure;
  pid_t pid = 0;
  int exit_code = -1;
  std::string out;
  std::string err;
};

// A guest driven by hand: no server, no event loop, just poll until what a test waits for is there.
class GuestSandbox {
 public:
  explicit GuestSandbox(const GuestMode& mode, bool internet_access = true);
  // In a directory that somebody else removes.
  GuestSandbox(const GuestMode& mode, const std::filesystem::path& state_dir,
               bool internet_access = true);
  GuestSandbox(const GuestSandbox&) = delete;
  GuestSandbox& operator=(const GuestSandbox&) = delete;
  ~GuestSandbox();

  // Both wait for the end and collect the output.
  RunResult run(std::vector<std::string> argv, RunOptions options = {});
  RunResult shell(const std::string& script, RunOptions options = {});
  // Only waits until it runs. Its output goes to /dev/null.
  pid_t start(std::vector<std::string> argv, RunOptions options = {});

  struct Terminal {
    pid_t pid = 0;
    nullspace::local::guest::UniqueFd master;
  };
  Terminal start_terminal(std::vector<std::string> argv,
                          nullspace::local::guest::TerminalSize size);
  // Everything the terminal shows until its last process has gone.
  std::string read_to_end(Terminal& terminal);

  int wait_exit(pid_t pid);
  std::vector<nullspace::local::guest::ProcessEntry> processes();
  nullspace::local::guest::Sampled sample();

  // Serves the link until `done` or ten seconds are over, which fails the test.
  void pump(const std::function<bool()>& done);
  bool pump_for(const std::function<bool()>& done, std::chrono::milliseconds limit);

  nullspace::local::guest::GuestLink& link() { return *link_; }
  void drop_link() { link_.reset(); }
  nullspace::local::guest::GuestProcess& process() { return *process_; }
  [[nodiscard]] const nullspace::local::guest::SandboxLayout& layout() const;
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] bool ready() const { return ready_.has_value(); }

 private:
  void launch(const GuestMode& mode, const std::filesystem::path& state_dir, bool internet_access);
  nullspace::local::guest::SpawnRequest request(std::vector<std::string> argv,
                                                const RunOptions& options) const;

  std::optional<TemporaryDirectory> own_state_;
  std::optional<nullspace::local::guest::GuestProcess> process_;
  std::unique_ptr<nullspace::local::guest::GuestLink> link_;
  std::optional<nullspace::local::guest::Ready> ready_;
  std::map<pid_t, nullspace::local::guest::Exited> exits_;
  bool gone_ = false;
};

// Processes of this machine whose command line holds `mark`, seen from outside of every sandbox.
std::vector<pid_t> host_processes_with(const std::string& mark);
// Waits until there are so many, at most ten seconds.
bool host_processes_become(const std::string& mark, std::size_t count);

// A text that no other command line on this machine holds.
std::string unique_mark();

}  // namespace test

#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "local/guest/isolation.hpp"
#include "local/guest/layout.hpp"
#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

struct LaunchOptions {
  std::string sandbox_id;                     // becomes the host name, too
  std::filesystem::path root;                 // the sandbox's tree; missing directories are made
  std::vector<std::filesystem::path> hidden;  // never visible inside, e.g. the server's state dir
  std::filesystem::path guest_executable;
  IsolationProbe isolation;
  bool internet_access = true;  // false: a network namespace with loopback only (isolated only)
};

struct LaunchError {
  int error = 0;  // errno
  std::string message;
};

// A running guest as a child process of ours. Movable, one thread at a time.
//
// The way to end it: GuestLink::shutdown() (or destroy the link), wait until pidfd() is readable,
// then try_reap(): after that no process of the sandbox is left. The destructor waits for that,
// too, and kills after a second: destroy the link before.
class GuestProcess {
 public:
  GuestProcess(GuestProcess&& other) noexcept;
  GuestProcess& operator=(GuestProcess&& other) noexcept;
  GuestProcess(const GuestProcess&) = delete;
  GuestProcess& operator=(const GuestProcess&) = delete;
  ~GuestProcess();

  // Of our child: bubblewrap, or the guest itself when not isolated.
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Readable when the child has ended; -1 on kernels without pidfds.
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  // The server's end of the control socket, for a GuestLink; once.
  UniqueFd take_control() { return std::move(control_); }
  [[nodiscard]] const SandboxLayout& layout() const { return layout_; }

  // True once the child has ended (and is reaped). Does not block.
  bool try_reap();
  // Waits for the end, at most so long.
  bool wait_for(std::chrono::milliseconds limit);
  // The emergency exit, for a guest that does not react: SIGKILL. Ends a whole isolated sandbox;
  // what an unisolated one leaves is hunted down by try_reap(), which may take a moment then.
  void kill();
  // What bubblewrap or the guest printed, for the error message of a guest that never became ready.
  [[nodiscard]] std::string diagnostics() const;

 private:
  friend std::variant<GuestProcess, LaunchError> launch(const LaunchOptions& options);
  GuestProcess() = default;
  void reset() noexcept;
  void ended(bool regular);

  pid_t pid_ = -1;
  bool running_ = false;
  UniqueFd pidfd_;
  UniqueFd control_;
  UniqueFd diagnostics_;
  SandboxLayout layout_;
};

// Makes the tree and starts the guest; returns at once, the guest reports itself by Ready. Safe in
// a process with many threads. The calling thread must outlive the sandbox: the kernel ends
// bubblewrap with the thread that started it (that is what --die-with-parent means), so call it on
// the event loop's thread.
std::variant<GuestProcess, LaunchError> launch(const LaunchOptions& options);

}  // namespace nullspace::local::guest

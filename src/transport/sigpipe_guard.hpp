// Keeps SIGPIPE from a thread that is not ours.
#pragma once

#include <csignal>

namespace nullspace::inline v0::transport {

// While it lives, writing to a closed connection on this thread raises no signal, whatever the
// library in between does. The process's disposition is not touched, and a SIGPIPE that was pending
// before stays pending.
class SigpipeGuard {
 public:
  SigpipeGuard();
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard();

 private:
  sigset_t before_{};
  bool blocked_{false};
};

}  // namespace nullspace::inline v0::transport

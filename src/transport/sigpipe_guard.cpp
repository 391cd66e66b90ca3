#include "transport/sigpipe_guard.hpp"

#include <pthread.h>

#include <ctime>

namespace nullspace::inline v0::transport {

namespace {

sigset_t only_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

bool is_pending() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}

}  // namespace

SigpipeGuard::SigpipeGuard() {
  // One that is pending already was not raised by us and cannot be told from one that is.
  if (is_pending()) return;
  const sigset_t set = only_sigpipe();
  blocked_ = pthread_sigmask(SIG_BLOCK, &set, &before_) == 0;
}

SigpipeGuard::~SigpipeGuard() {
  if (!blocked_) return;
  if (is_pending()) {
    const sigset_t set = only_sigpipe();
    const timespec at_once{};
    (void)sigtimedwait(&set, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace nullspace::inline v0::transport

#pragma once

#include <csignal>

namespace nullspace::local {

// Blocks every signal for the calling thread while it lives: a thread that is started meanwhile
// inherits that, so that the host program's signals stay with its own threads and a broken pipe is
// an error code.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace nullspace::local

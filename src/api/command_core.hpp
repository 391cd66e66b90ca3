// A background command: a process in the sandbox, with a live stream or without.
#pragma once

#include <memory>

#include <nullspace/commands.hpp>

#include "api/exec_stream.hpp"
#include "api/sandbox_core.hpp"

namespace nullspace::inline v0::detail {

// Thread-safe.
class CommandCore {
 public:
  enum class Seen {
    from_start,  // The stream has all output.
    from_now     // What came before the stream is only in the server's log.
  };

  CommandCore(std::shared_ptr<SandboxCore> sandbox, int pid, std::shared_ptr<ExecStream> stream,
              Seen seen)
      : sandbox_(std::move(sandbox)), pid_(pid), stream_(std::move(stream)), seen_(seen) {}

  [[nodiscard]] const SandboxCore& sandbox() const noexcept { return *sandbox_; }
  [[nodiscard]] int pid() const noexcept { return pid_; }
  [[nodiscard]] bool connected() const noexcept;
  [[nodiscard]] support::Result<CommandResult> wait(const WaitOptions& options) const;
  [[nodiscard]] support::Result<void> close_stdin() const;
  void disconnect() const noexcept;

 private:
  // Asks the server until the process is gone.
  [[nodiscard]] support::Result<void> poll_until_ended(const WaitOptions& options,
                                                       support::Expiry expiry) const;
  // The log with its exit code, which may appear a moment after the process went.
  [[nodiscard]] support::Result<ProcessLogs> final_logs(const WaitOptions& options) const;
  // What can be said of a command that is gone and whose log never got an exit code.
  [[nodiscard]] ErrorInfo ended_somehow(support::Result<ProcessLogs> logs) const;
  [[nodiscard]] CommandResult merged(const ProcessLogs& logs) const;

  const std::shared_ptr<SandboxCore> sandbox_;
  const int pid_;
  const std::shared_ptr<ExecStream> stream_;
  const Seen seen_;
};

}  // namespace nullspace::inline v0::detail

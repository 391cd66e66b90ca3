// One command on an exec socket: its output, and the proof of how it ended.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include <nullspace/commands.hpp>

#include "api/capture.hpp"
#include "api/live_stream.hpp"
#include "api/sandbox_core.hpp"
#include "support/result.hpp"
#include "wire/exec_messages.hpp"
#include "wire/utf8.hpp"

namespace nullspace::inline v0 {

struct ExecCallbacks {
  TextCallback on_stdout{};
  TextCallback on_stderr{};
  std::function<void(const CommandResult&)> on_exit{};
  std::function<void(const Error&)> on_error{};
  std::function<void(const StateChange&)> on_state_change{};
};

// How the command's stream ended: with an exit code, or with an error.
using ExecOutcome = support::Result<int>;

class ExecStream final : public LiveStream {
 public:
  // In a foreground stream what a callback throws comes out of drive(); in a background one it ends
  // the stream.
  enum class Ground { foreground, background };

  ExecStream(std::shared_ptr<const detail::SandboxCore> sandbox,
             std::shared_ptr<transport::MessageStream> stream, StreamTarget target, Ground ground,
             ExecCallbacks callbacks, std::size_t capture_limit, support::Expiry limit);

  // Opens a socket and asks for the command, or for the running process. `expiry` bounds opening
  // and sending.
  [[nodiscard]] static support::Result<std::shared_ptr<ExecStream>> start(
      std::shared_ptr<const detail::SandboxCore> sandbox, const wire::ExecRequest& request,
      Ground ground, ExecCallbacks callbacks, std::size_t capture_limit, support::Expiry expiry,
      const std::stop_token& stop);
  [[nodiscard]] static support::Result<std::shared_ptr<ExecStream>> attach(
      std::shared_ptr<const detail::SandboxCore> sandbox, int pid, ExecCallbacks callbacks,
      std::size_t capture_limit, support::Expiry expiry, const std::stop_token& stop);

  // Waits for `exec_started`: the pid.
  [[nodiscard]] support::Result<int> wait_started(support::Expiry expiry,
                                                  const std::stop_token& stop);

  [[nodiscard]] std::optional<int> pid() const;
  [[nodiscard]] bool ended() const;
  [[nodiscard]] std::optional<ExecOutcome> outcome() const;
  // What was captured so far.
  [[nodiscard]] CommandResult captured() const;
  // Takes what the log has and the stream has not: of two texts the longer one.
  void absorb(const ProcessLogs& logs);
  // An error of this stream with what arrived before it.
  [[nodiscard]] ErrorInfo with_partial_output(ErrorInfo error) const;

  // Asks the server to kill the command, without waiting for anything.
  void request_kill();
  [[nodiscard]] support::Result<void> close_stdin(support::Expiry expiry);
  // Closes the connection and waits until the server has answered: it has seen then what was sent
  // before. The command goes on.
  void leave(support::Expiry expiry);
  // A look at the log that is under way ends now.
  void hurry() noexcept { finishing_.request_stop(); }

 private:
  [[nodiscard]] std::optional<std::string> greeting() override;
  [[nodiscard]] Reply handle_reply(std::string message) override;
  void handle_connected(bool again) override;
  void handle_message(std::string message) override;
  void handle_lost(const ErrorInfo& cause) override;
  void handle_end(ErrorInfo cause) override;
  void handle_shut() noexcept override { hurry(); }
  void handle_exception(std::exception_ptr thrown) override;

  void handle(wire::ExecServerMessage message);
  void output(wire::OutputStream stream, std::string_view text);
  void keep(wire::OutputStream stream, std::string_view text);
  void call_output_callback(wire::OutputStream stream, std::string_view text) const;
  // Runs what calls the application; in a background stream one that throws ends it.
  template <typename Call>
  void guarded(const Call& call) {
    if (ground_ == Ground::foreground) {
      call();
      return;
    }
    try {
      call();
    } catch (...) {
      handle_exception(std::current_exception());
    }
  }
  void flush_text();
  void exited(int exit_code);
  // The log of a command that has ended; waits a moment for its exit code.
  [[nodiscard]] std::optional<ProcessLogs> final_log() const;
  // The first end counts; true if this is it.
  bool settle(ExecOutcome outcome);
  // Tells the application of a background stream how it ended. Once.
  void announce(const ExecOutcome& outcome) noexcept;
  void end(ExecOutcome outcome);

  const std::shared_ptr<const detail::SandboxCore> sandbox_;
  const Ground ground_;
  // Of the call that a foreground command is.
  const support::Expiry limit_;
  std::atomic<bool> leaving_{false};
  const ExecCallbacks callbacks_;
  std::string id_;
  // Only touched inside the gate.
  wire::Utf8Stream stdout_text_;
  wire::Utf8Stream stderr_text_;
  bool announced_{false};
  // There was a time without a connection.
  bool gap_{false};
  // The server did not let us come back, most likely because the command has ended.
  bool refused_{false};
  // Ends a look at the log that nobody waits for any more.
  std::stop_source finishing_;

  mutable std::mutex mutex_;
  std::optional<int> pid_;
  Capture stdout_capture_;
  Capture stderr_capture_;
  std::optional<ExecOutcome> outcome_;
};

// An error of the exec protocol: the command's own deadline is told apart from all others.
[[nodiscard]] ErrorInfo exec_error(std::string code, std::string message);
// The same for an error that came by REST.
[[nodiscard]] ErrorInfo name_exec_deadline(ErrorInfo error);

}  // namespace nullspace::inline v0

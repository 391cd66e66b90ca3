/// @file
/// Commands in a sandbox: run and wait, stream, leave in the background, come back to.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/error.hpp>
#include <nullspace/export.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/stream_state.hpp>

namespace nullspace::inline v0 {

namespace detail {
class CommandCore;
class SandboxCore;
}  // namespace detail

/// Receives a piece of text output. Pieces never end inside a UTF-8 sequence.
using TextCallback = std::function<void(std::string_view text)>;

/// No limit. Pass it where a deadline is asked for and you mean to wait for ever.
// In parentheses, because windows.h and others define a macro max.
inline constexpr std::chrono::milliseconds kNoDeadline = (std::chrono::milliseconds::max)();

/// Bytes of stdout (and of stderr) kept in a result by default: 64 MiB each.
inline constexpr std::size_t kDefaultCaptureLimit = std::size_t{64} << 20;

/// How a command ended. A non-zero exit code is a result, not an error.
struct CommandResult {
  int exit_code{0};
  std::string stdout_text{};
  std::string stderr_text{};
  std::optional<int> pid{};
  /// Bytes left out of the middle of stdout_text / stderr_text because they exceeded the capture
  /// limit. Callbacks got them all the same.
  std::size_t stdout_omitted_bytes{0};
  std::size_t stderr_omitted_bytes{0};
};

struct RunOptions {
  /// Exact arguments, no shell parsing. Not together with `shell`.
  std::vector<std::string> args{};
  /// Let the sandbox's shell interpret the command.
  bool shell{false};
  /// Absolute directory; default: the sandbox's.
  std::string cwd{};
  /// On top of the sandbox's environment.
  EnvMap envs{};
  /// How long the command may run: the *server* kills it then (whole seconds, at least 1; rounded
  /// up).
  std::chrono::milliseconds timeout{30'000};
  /// How long this *call* may take. Default: timeout plus 30 s, so that a dead server cannot hold
  /// it.
  std::optional<std::chrono::milliseconds> deadline{};
  /// With one of these the command is streamed. They run on the calling thread, inside the call;
  /// what they throw ends the stream and comes out of the call.
  TextCallback on_stdout{};
  TextCallback on_stderr{};
  /// Bytes of each stream kept for the result. Beyond it the middle is left out and counted.
  std::size_t capture_limit{kDefaultCaptureLimit};
  /// Gives up within 50 ms: Error `cancelled`. A streamed command is killed, a REST one runs into
  /// its timeout.
  std::stop_token stop{};
  /// A streamed command whose connection is lost is attached to again by its pid
  /// (ClientOptions::reconnect): reconnecting with the cause, then connected. What it wrote
  /// meanwhile does not come through on_stdout and on_stderr, but the result is complete: it is
  /// merged with the server's log. Runs where on_stdout runs.
  std::function<void(const StateChange&)> on_state_change{};
};

struct BackgroundOptions {
  std::vector<std::string> args{};
  bool shell{false};
  std::string cwd{};
  EnvMap envs{};
  /// How long the command may run before the server kills it.
  std::chrono::milliseconds timeout{std::chrono::hours{24}};
  /// With one of these the command is streamed over a socket; without, it is started by REST and
  /// has no socket. They run on the client's executor, in order, never two at once; during
  /// Command::wait() on the waiting thread.
  TextCallback on_stdout{};
  TextCallback on_stderr{};
  /// Once, when the command has ended.
  std::function<void(const CommandResult&)> on_exit{};
  /// Once, when the stream broke for good or a callback threw; the command itself may still be
  /// running.
  std::function<void(const Error&)> on_error{};
  std::size_t capture_limit{kDefaultCaptureLimit};
  std::stop_token stop{};
  /// Like RunOptions::on_state_change. The result that on_exit gets is complete, too.
  std::function<void(const StateChange&)> on_state_change{};
};

struct CommandConnectOptions {
  TextCallback on_stdout{};
  TextCallback on_stderr{};
  std::function<void(const CommandResult&)> on_exit{};
  std::function<void(const Error&)> on_error{};
  std::size_t capture_limit{kDefaultCaptureLimit};
  std::stop_token stop{};
  std::function<void(const StateChange&)> on_state_change{};
};

struct WaitOptions {
  /// How long to wait. Default: 1 hour, then Error `timeout`; kNoDeadline waits for ever.
  std::chrono::milliseconds timeout{std::chrono::hours{1}};
  /// How often the server is asked when there is no socket.
  std::chrono::milliseconds poll_interval{250};
  std::stop_token stop{};
};

/// Everything a command has written so far.
struct ProcessLogs {
  std::string stdout_text{};
  std::string stderr_text{};
  /// Both, interleaved as written.
  std::string output{};
  /// Absent while it runs.
  std::optional<int> exit_code{};
};

/// A running (or finished) background command. Movable handle, thread-safe. Destroying it
/// disconnects; the command goes on in the sandbox.
class NULLSPACE_EXPORT Command {
 public:
  Command(Command&&) noexcept;
  Command& operator=(Command&&) noexcept;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  [[nodiscard]] int pid() const noexcept;

  /// Blocks until the command has ended. Its complete output is merged from the stream and the
  /// server's logs
  /// (`GET .../processes/{pid}/logs`). May be called again and from several threads. Throws Error:
  /// `timeout` (the wait's, the command runs on), `exec_timeout` (the server killed it),
  /// `cancelled`, `transport_error`.
  CommandResult wait(WaitOptions options = {});
  /// `GET .../processes/{pid}/logs`.
  [[nodiscard]] ProcessLogs logs() const;
  /// `POST .../processes/{pid}/kill`: SIGKILL to the process group.
  void kill() const;
  /// `POST .../processes/{pid}/stdin`. Text; no newline is added.
  void send_stdin(std::string_view data) const;
  /// Ends the command's standard input (`exec_stdin_close`).
  void close_stdin() const;
  /// Closes the stream only; the command goes on. After it returns no callback runs. Idempotent.
  void disconnect() noexcept;
  /// true while a live stream is attached.
  [[nodiscard]] bool connected() const noexcept;

  /// For the SDK's own use.
  explicit Command(std::shared_ptr<detail::CommandCore> core) noexcept;

 private:
  std::shared_ptr<detail::CommandCore> core_;
};

/// Runs commands in one sandbox; got from Sandbox::commands(). Cheap to copy, thread-safe.
///
/// All calls throw Error. Common codes: `sandbox_not_found`, `sandbox_not_ready`, `unauthorized`,
/// `exec_failed` (the runtime could not start it), `transport_error`, `timeout`, `cancelled`.
class NULLSPACE_EXPORT Commands {
 public:
  /// Runs a command and waits for it. Without callbacks: `POST .../exec`; with: the exec WebSocket.
  /// A program that does not exist is a result with exit code 127, one that is not executable 126.
  /// Throws Error `exec_timeout` when the server killed it at `timeout`; `timeout` when `deadline`
  /// passed; `transport_error` when the stream was cut, with what arrived in info().partial_stdout:
  /// a cut stream is never a result.
  CommandResult run(std::string_view command, RunOptions options = {}) const;

  /// Starts a command and returns once it runs.
  [[nodiscard]] Command run_background(std::string_view command,
                                       BackgroundOptions options = {}) const;

  /// Attaches to a running command. Output from now on is streamed; what came before is in its
  /// logs, and Command::wait() merges both. Throws Error when no such command is running.
  [[nodiscard]] Command connect(int pid, CommandConnectOptions options = {}) const;

  /// `GET .../processes`: background commands and other processes of the sandbox.
  [[nodiscard]] std::vector<ProcessInfo> list() const;
  /// `POST .../processes/{pid}/kill`.
  void kill(int pid) const;
  /// `POST .../processes/{pid}/stdin`.
  void send_stdin(int pid, std::string_view data) const;
  /// Ends the standard input of a command (`exec_stdin_close` on a short-lived socket).
  void close_stdin(int pid) const;
  /// `GET .../processes/{pid}/logs`.
  [[nodiscard]] ProcessLogs get_logs(int pid) const;

  /// For the SDK's own use.
  explicit Commands(std::shared_ptr<detail::SandboxCore> sandbox) noexcept;

 private:
  std::shared_ptr<detail::SandboxCore> sandbox_;
};

struct CodeRunOptions {
  /// `python`, `javascript`, `ruby`, `bash`, `sh`, or any interpreter that takes code after `-c`.
  std::string language{"python"};
  std::string cwd{};
  EnvMap envs{};
  std::chrono::milliseconds timeout{30'000};
  std::stop_token stop{};
};

/// Runs pieces of code with an interpreter of the sandbox; got from Sandbox::process().
class NULLSPACE_EXPORT Process {
 public:
  /// `POST .../exec` of `python3 -c <code>`, `node -e <code>`, ... Like Commands::run().
  CommandResult code_run(std::string_view code, CodeRunOptions options = {}) const;

  /// For the SDK's own use.
  explicit Process(std::shared_ptr<detail::SandboxCore> sandbox) noexcept;

 private:
  std::shared_ptr<detail::SandboxCore> sandbox_;
};

}  // namespace nullspace::inline v0

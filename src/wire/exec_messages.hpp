// Commands and processes: REST bodies and the messages of the exec WebSocket. Errors are
// invalid_response for what a server sent and invalid_request for what a client sent; both name the
// field.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nullspace/commands.hpp>
#include <nullspace/sandbox_info.hpp>

#include "support/result.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::inline v0::wire {

// What is to be run, over REST or over the socket.
struct ExecRequest {
  std::string command{};
  std::vector<std::string> args{};
  bool shell{false};
  std::string cwd{};
  EnvMap envs{};
  std::int64_t timeout_secs{30};
  // REST only: the socket has no such member.
  bool background{false};
  friend bool operator==(const ExecRequest&, const ExecRequest&) = default;
};

// More than any process lives; keeps what is computed from it within 64 bits of milliseconds.
inline constexpr std::int64_t kMaxTimeoutSecs = 2'147'483'647;

// What can be refused without a server: empty command, shell with args, relative cwd, NUL anywhere,
// names of variables that are none, a time-out outside 1 to kMaxTimeoutSecs. Errors:
// invalid_request.
[[nodiscard]] support::Result<void> validate(const ExecRequest& request);

// --- REST ---

[[nodiscard]] std::string encode_exec_request(const ExecRequest& request);
[[nodiscard]] support::Result<ExecRequest> decode_exec_request(std::string_view body);

// Taken by value: the text is decoded in place, because outputs may be large.
[[nodiscard]] support::Result<CommandResult> decode_exec_answer(std::string body);
[[nodiscard]] std::string encode_exec_answer(const CommandResult& result);
// The pid.
[[nodiscard]] support::Result<int> decode_background_answer(std::string_view body);
[[nodiscard]] std::string encode_background_answer(int pid);

[[nodiscard]] support::Result<std::vector<ProcessInfo>> decode_processes(std::string_view body);
// Exactly pid, command, running.
[[nodiscard]] std::string encode_processes(std::span<const ProcessInfo> processes);

[[nodiscard]] support::Result<ProcessLogs> decode_process_logs(std::string body);
[[nodiscard]] std::string encode_process_logs(const ProcessLogs& logs);

[[nodiscard]] std::string encode_stdin_request(std::string_view data);
// The data.
[[nodiscard]] support::Result<std::string> decode_stdin_request(std::string_view body);

// --- WebSocket, client to server (a server decodes them with decode_client_message() of
// control_messages.hpp) ---

struct ExecStart {
  std::string id{};
  ExecRequest request{};
  friend bool operator==(const ExecStart&, const ExecStart&) = default;
};
struct ExecConnect {
  std::string id{};
  int pid{0};
  friend bool operator==(const ExecConnect&, const ExecConnect&) = default;
};
struct ExecStdin {
  std::string id{};
  int pid{0};
  std::string data{};
  friend bool operator==(const ExecStdin&, const ExecStdin&) = default;
};
struct ExecStdinClose {
  std::string id{};
  int pid{0};
  friend bool operator==(const ExecStdinClose&, const ExecStdinClose&) = default;
};
struct ExecKill {
  std::string id{};
  int pid{0};
  friend bool operator==(const ExecKill&, const ExecKill&) = default;
};

[[nodiscard]] std::string encode(const ExecStart& message);
[[nodiscard]] std::string encode(const ExecConnect& message);
[[nodiscard]] std::string encode(const ExecStdin& message);
[[nodiscard]] std::string encode(const ExecStdinClose& message);
[[nodiscard]] std::string encode(const ExecKill& message);

// --- WebSocket, server to client ---

enum class OutputStream { out, err };

struct ExecStarted {
  std::string id{};
  int pid{0};
  friend bool operator==(const ExecStarted&, const ExecStarted&) = default;
};
// exec_stdout or exec_stderr.
struct ExecOutput {
  std::string id{};
  // 0 when the server did not say.
  int pid{0};
  OutputStream stream{OutputStream::out};
  std::string data{};
  friend bool operator==(const ExecOutput&, const ExecOutput&) = default;
};
struct ExecExit {
  std::string id{};
  int pid{0};
  int exit_code{0};
  friend bool operator==(const ExecExit&, const ExecExit&) = default;
};

[[nodiscard]] std::string encode(const ExecStarted& message);
[[nodiscard]] std::string encode(const ExecOutput& message);
[[nodiscard]] std::string encode(const ExecExit& message);

using ExecServerMessage =
    std::variant<ExecStarted, ExecOutput, ExecExit, StreamError, UnknownMessage>;

// One message of an exec socket. Decodes in place: the text is used up. An exec_exit without a code
// is an error: a success needs its proof.
[[nodiscard]] support::Result<ExecServerMessage> decode_exec_server_message(std::string&& text);

}  // namespace nullspace::inline v0::wire

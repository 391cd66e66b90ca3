// Terminals: REST bodies and the messages of the pty WebSocket. Errors are invalid_response for
// what a server sent and invalid_request for what a client sent; both name the field.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nullspace/pty.hpp>
#include <nullspace/sandbox_info.hpp>

#include "support/result.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::inline v0::wire {

// Cells, each way: what a window size can hold.
inline constexpr int kMaxCells = 65535;
// Errors: invalid_request.
[[nodiscard]] support::Result<void> validate(PtySize size);

// --- REST ---

[[nodiscard]] support::Result<std::vector<PtySessionInfo>> decode_pty_sessions(
    std::string_view body);
[[nodiscard]] std::string encode_pty_sessions(std::span<const PtySessionInfo> sessions);
[[nodiscard]] support::Result<PtySessionInfo> decode_pty_session(std::string_view body);
[[nodiscard]] std::string encode_pty_session(const PtySessionInfo& session);
[[nodiscard]] std::string encode_resize_request(PtySize size);
[[nodiscard]] support::Result<PtySize> decode_resize_request(std::string_view body);

// --- WebSocket, client to server (a server decodes them with decode_client_message() of
// control_messages.hpp) ---

struct PtyStart {
  std::string id{};
  int cols{120};
  int rows{30};
  std::string cwd{};
  EnvMap envs{};
  friend bool operator==(const PtyStart&, const PtyStart&) = default;
};
// Exactly one of session_id (not empty) and pid.
struct PtyConnect {
  std::string id{};
  std::string session_id{};
  std::optional<int> pid{};
  friend bool operator==(const PtyConnect&, const PtyConnect&) = default;
};
struct PtyInput {
  std::string id{};
  std::string session_id{};
  // Bytes. Always written as data_base64; read from either member.
  std::string data{};
  friend bool operator==(const PtyInput&, const PtyInput&) = default;
};
struct PtyResize {
  std::string id{};
  std::string session_id{};
  int cols{0};
  int rows{0};
  friend bool operator==(const PtyResize&, const PtyResize&) = default;
};
struct PtyKill {
  std::string id{};
  std::string session_id{};
  friend bool operator==(const PtyKill&, const PtyKill&) = default;
};

[[nodiscard]] std::string encode(const PtyStart& message);
[[nodiscard]] std::string encode(const PtyConnect& message);
[[nodiscard]] std::string encode(const PtyInput& message);
[[nodiscard]] std::string encode(const PtyResize& message);
[[nodiscard]] std::string encode(const PtyKill& message);

// --- WebSocket, server to client ---

struct PtyStarted {
  std::string id{};
  // pid, cols and rows are 0 and exec_id is "" where the server did not say: the size is then the
  // one asked for.
  PtySessionInfo session{};
};
struct PtyOutput {
  std::string id{};
  std::string session_id{};
  // The terminal's bytes.
  std::string data{};
  friend bool operator==(const PtyOutput&, const PtyOutput&) = default;
};
struct PtyExited {
  std::string id{};
  std::string session_id{};
  int exit_code{0};
  friend bool operator==(const PtyExited&, const PtyExited&) = default;
};

[[nodiscard]] std::string encode(const PtyStarted& message);
// Writes both members: data_base64 with the bytes, data with a rendering of them in UTF-8.
[[nodiscard]] std::string encode(const PtyOutput& message);
[[nodiscard]] std::string encode(const PtyExited& message);

using PtyServerMessage =
    std::variant<PtyStarted, PtyOutput, PtyExited, StreamError, UnknownMessage>;

// One message of a pty socket. Decodes in place: the text is used up. data_base64 wins over data;
// exec_exit counts as pty_exited; a pty_exited without a code has code 0, as the protocol says.
[[nodiscard]] support::Result<PtyServerMessage> decode_pty_server_message(std::string&& text);

}  // namespace nullspace::inline v0::wire

// The sandbox's control socket from the server's side: exec and terminals share it.
#pragma once

#include <string_view>
#include <variant>

#include "wire/exec_messages.hpp"
#include "wire/pty_messages.hpp"

namespace nullspace::inline v0::wire {

using ClientMessage = std::variant<ExecStart, ExecConnect, ExecStdin, ExecStdinClose, ExecKill,
                                   PtyStart, PtyConnect, PtyInput, PtyResize, PtyKill>;

// The message, or the answer to one that is refused: code `invalid_request`, a text that contains
// the words "invalid message" and names the field, and the id if it could be read. An exec with a
// time-out below one second, a size outside 1 to 65535 and a shell with args are refused here.
[[nodiscard]] std::variant<ClientMessage, StreamError> decode_client_message(std::string_view text);

}  // namespace nullspace::inline v0::wire

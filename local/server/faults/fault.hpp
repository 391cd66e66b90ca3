#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace nullspace::local {

// What can go wrong on purpose.
enum class FaultKind {
  answer,          // return-X: a status instead of the service's answer
  delay,           // delay-for-T: the request waits before it is served
  reset,           // return-reset-connection: RST
  broken_stream,   // return-broken-stream: the end of the stream too early, but orderly
  stall,           // stall-for-T: the answer waits
  garbage_json,    // what is no JSON
  bad_utf8,        // what is no UTF-8
  close,           // close-C: a closing handshake; 1006 is a RST without one
  vanish,          // neither read nor write any more
  stall_pong,      // pings of the client stay unanswered
  stall_ping,      // the server does not ping
  stall_reads,     // nothing is read any more
  stall_writes,    // nothing is written any more
  delay_messages,  // delay-messages-for-T: each is sent so much later
  truncate_frame,  // a frame is cut in its middle, then RST
  split_frame,     // a message comes in fragments
  duplicate_event,
  skip_event,
  drop_exit_frame  // exec_exit and pty_exited are not sent
};

// When it is decided whether a fault happens.
enum class FaultStage {
  request,  // for each request, upgrades included
  session,  // once for each WebSocket
  message   // for each message to the client
};

struct Fault {
  FaultKind kind = FaultKind::answer;
  int number = 0;  // status or close code
  std::chrono::milliseconds time{0};
  std::optional<std::uint64_t> after_bytes;
  std::optional<std::uint64_t> after_messages;  // that the socket has been sent
  bool before_answer = false;                   // of a reset: the request is served before

  // Of an answer.
  std::string code;  // empty: the usual one for the status
  std::string retry_after;
  std::optional<std::string> body;
  std::string content_type = "application/json";
};

// Reads an instruction, `return-503` or `stall-for-2s-after-4K`; else what is wrong with it.
std::variant<Fault, std::string> parse_fault(std::string_view text);

// Whether a fault is decided on at that stage. Some are for answers and for messages alike.
bool decided_at(const Fault& fault, FaultStage stage, bool websocket);

}  // namespace nullspace::local

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What the server and the guest agent of one sandbox say to each other. Both are always of the same
// build and on the same machine, so integers travel in host byte order; everything is checked on
// arrival all the same, because a frame that is wrong means that a process is broken or hostile.
//
// A frame is an 8 byte header (payload size u32, type u8, number of descriptors u8, two zero bytes)
// and its payload. Descriptors ride as SCM_RIGHTS on the first byte of their frame.
namespace nullspace::local::guest {

inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{8} << 20U;
inline constexpr std::size_t kMaxFrameDescriptors = 3;

// --- Server to guest -----------------------------------------------------------------------------

// Run a program with three pipes (or whatever the descriptors are) as stdin, stdout and stderr, in
// this order. `env` holds complete "NAME=value" entries and is the whole environment. A program
// name without a slash is looked up in the PATH of `env`.
struct SpawnPipes {
  std::uint32_t request_id = 0;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string cwd;
};

// Run a program on a pseudo-terminal of the sandbox's own /dev/pts.
struct SpawnPty {
  std::uint32_t request_id = 0;
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string cwd;
  std::uint16_t cols = 0;
  std::uint16_t rows = 0;
};

enum class SignalScope : std::uint8_t {
  process = 0,  // this pid only
  group = 1,    // the process group that the pid leads
  session = 2,  // every process of the session the pid leads, whatever group it is in
};

struct Signal {
  std::int32_t pid = 0;
  std::int32_t signo = 0;
  SignalScope scope = SignalScope::group;
};

struct ListProcesses {
  std::uint32_t request_id = 0;
};

struct Sample {
  std::uint32_t request_id = 0;
};

// Kill every process of the sandbox and exit.
struct Shutdown {};

using ServerMessage = std::variant<SpawnPipes, SpawnPty, Signal, ListProcesses, Sample, Shutdown>;

// --- Guest to server -----------------------------------------------------------------------------

// First message of a guest. `pid` is 1 in a pid namespace of its own.
struct Ready {
  std::int32_t pid = 0;
  bool isolated = false;
};

// The program runs (its execve has succeeded). With `has_terminal` the frame carries the master
// side of the pseudo-terminal.
struct Spawned {
  std::uint32_t request_id = 0;
  std::int32_t pid = 0;
  bool has_terminal = false;
};

enum class SpawnStage : std::uint8_t {
  cwd = 0,   // the working directory cannot be entered
  exec = 1,  // the program is missing or not executable
  pty = 2,   // no pseudo-terminal to be had
  fork = 3,  // no process to be had
  gone = 4,  // never sent: the server's own mark for "the guest is not there any more"
};

struct SpawnFailed {
  std::uint32_t request_id = 0;
  std::int32_t error = 0;  // errno
  SpawnStage stage = SpawnStage::fork;
  std::string message;
};

// A program that was reported as Spawned has ended, by itself (`signal` 0) or by a signal.
struct Exited {
  std::int32_t pid = 0;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
};

struct ProcessEntry {
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  char state = '?';               // as in /proc/<pid>/stat: R, S, D, T, Z ...
  std::uint64_t start_ticks = 0;  // tells two processes with the same pid apart
  std::string command;
};

struct Processes {
  std::uint32_t request_id = 0;
  std::vector<ProcessEntry> processes;
};

struct Sampled {
  std::uint32_t request_id = 0;
  std::uint64_t cpu_usec_total = 0;  // grows only; of all processes, the ended ones included
  std::uint32_t cpu_count = 0;
  std::uint64_t mem_used_bytes = 0;
  std::uint64_t mem_total_bytes = 0;
  std::uint32_t process_count = 0;
};

using GuestMessage = std::variant<Ready, Spawned, SpawnFailed, Exited, Processes, Sampled>;

// --- Codec ---------------------------------------------------------------------------------------

// The frame's header as it was read; `type` and the descriptor count are not yet checked against
// the message.
struct FrameHeader {
  std::uint32_t payload_bytes = 0;
  std::uint8_t type = 0;
  std::uint8_t descriptors = 0;
};

// nullopt if the bytes cannot be a header: too big a payload, too many descriptors, non-zero
// padding.
std::optional<FrameHeader> decode_header(std::string_view bytes);

// A whole frame, header included. nullopt if the message would be larger than a frame may be, or
// holds something that cannot travel (a NUL byte in a string, an empty argv).
std::optional<std::string> encode(const ServerMessage& message);
std::optional<std::string> encode(const GuestMessage& message);

// nullopt for anything that `encode` would not have written: unknown type, wrong number of
// descriptors, short or over-long payload, counts and lengths that do not fit, NUL in a string.
std::optional<ServerMessage> decode_server_message(const FrameHeader& header,
                                                   std::string_view payload);
std::optional<GuestMessage> decode_guest_message(const FrameHeader& header,
                                                 std::string_view payload);

// --- What a shell would make of it ---------------------------------------------------------------

// 127 for a program that is not there, 126 for one that cannot be run; only for stage `exec`.
int exit_code_of(const SpawnFailed& failure);

// The line a shell prints on stderr, newline included.
std::string shell_message(std::string_view program, const SpawnFailed& failure);

// 128 + signal for a process that a signal ended, else its own code.
int exit_code_of(const Exited& exited);

}  // namespace nullspace::local::guest

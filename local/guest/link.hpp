#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "local/guest/channel.hpp"
#include "local/guest/pipes.hpp"
#include "local/guest/protocol.hpp"
#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {

struct SpawnRequest {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "NAME=value", complete: see SandboxLayout::base_environment
  std::string cwd;               // as processes see it: see SandboxLayout::to_process
};

struct TerminalSize {
  std::uint16_t cols = 0;
  std::uint16_t rows = 0;
};

struct Started {
  pid_t pid = 0;  // of the sandbox's pid namespace where it has one; leads its group and session
  UniqueFd terminal;  // master side, non-blocking, close-on-exec; only for spawn_pty
};

using SpawnOutcome = std::variant<Started, SpawnFailed>;
using SpawnCallback = std::function<void(SpawnOutcome&&)>;
// Null when the guest is gone before it could answer.
using ProcessesCallback = std::function<void(const Processes*)>;
using SampleCallback = std::function<void(const Sampled*)>;

struct LinkCallbacks {
  std::function<void(const Ready&)> on_ready;
  // After the callback of its spawn, exactly once. Output may still be in the pipes.
  std::function<void(const Exited&)> on_exit;
  // Once, and the last callback: the guest has closed its side or sent nonsense. Every pending
  // request has been answered with a failure before; no on_exit comes for processes still running.
  std::function<void(const std::string& reason)> on_gone;
};

// The server's side of one guest's control socket. Belongs to one thread (that of the event loop),
// never blocks, and calls back from inside on_readable/on_writable/the request itself (when the
// guest is gone). A callback may call any method and may destroy the link.
//
// The loop watches fd() for reading always, and for writing while wants_write(). Requests try to
// send at once, so wants_write() is rarely true; ask after each call of a method.
class GuestLink {
 public:
  GuestLink(UniqueFd control, LinkCallbacks callbacks);
  ~GuestLink();
  GuestLink(const GuestLink&) = delete;
  GuestLink& operator=(const GuestLink&) = delete;

  [[nodiscard]] int fd() const { return channel_.fd(); }
  [[nodiscard]] bool wants_write() const { return channel_.wants_write(); }
  [[nodiscard]] bool gone() const { return gone_; }
  void on_readable();
  void on_writable();

  void spawn_pipes(SpawnRequest request, ChildStdio stdio, SpawnCallback done);
  void spawn_pty(SpawnRequest request, TerminalSize size, SpawnCallback done);
  // A pid that is not (or no longer) one of the sandbox is ignored.
  void signal(pid_t pid, int signo, SignalScope scope = SignalScope::group);
  void list_processes(ProcessesCallback done);
  void sample(SampleCallback done);
  // The guest kills everything and closes its side: on_gone follows.
  void shutdown();

 private:
  using Pending = std::variant<SpawnCallback, ProcessesCallback, SampleCallback>;

  bool send(const ServerMessage& message, std::vector<UniqueFd> descriptors = {});
  std::uint32_t remember(Pending pending);
  void dispatch(GuestMessage&& message, std::vector<UniqueFd>&& descriptors);
  void fail_spawn(std::uint32_t request_id, int error, SpawnStage stage, std::string message);
  void lose(std::string reason);

  Channel channel_;
  LinkCallbacks callbacks_;
  std::unordered_map<std::uint32_t, Pending> pending_;
  std::uint32_t next_request_ = 1;
  bool gone_ = false;
  // Expired once the link is destroyed, which a callback may do.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace nullspace::local::guest

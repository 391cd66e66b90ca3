#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "local/server/api_error.hpp"
#include "local/server/command.hpp"
#include "local/server/guest_runtime.hpp"
#include "local/server/sandbox_spec.hpp"

namespace nullspace::local {

enum class CommandUse {
  foreground,  // one REST call waits for it; forgotten when it is answered
  background,  // REST, has a time of its own
  streamed,    // over a WebSocket
};

// The commands of one sandbox, running and remembered, and the list of its processes.
class ProcessBook {
 public:
  using StartOutcome = std::variant<std::shared_ptr<Command>, ApiError>;
  using StartCallback = std::function<void(StartOutcome)>;
  using ListCallback = std::function<void(std::vector<ProcessInfo>)>;

  ProcessBook(EventLoop& loop, GuestRuntime& guest, const SandboxSpec& spec);
  ~ProcessBook();

  // The command does not read its output before Command::start().
  void start(const wire::ExecRequest& request, CommandUse use, StartCallback done);
  [[nodiscard]] std::shared_ptr<Command> find(int pid) const;
  void list(ListCallback done);
  // `done` with false when there is no such process.
  void kill(int pid, std::function<void(bool)> done);

  // True when the pid was one of a command.
  bool exited(const guest::Exited& exited);
  // The guest is gone.
  void lose_all();

 private:
  void spawn(guest::SpawnRequest request, CommandSettings settings, CommandUse use,
             StartCallback done, bool may_explain);
  void spawned(guest::SpawnOutcome&& outcome, guest::SpawnRequest request,
               std::shared_ptr<guest::StdioPipes> pipes, CommandSettings settings, CommandUse use,
               const StartCallback& done, bool may_explain);
  void finished(Command& command, CommandUse use);
  void forget_old();

  EventLoop& loop_;
  GuestRuntime& guest_;
  const SandboxSpec& spec_;
  std::map<int, std::shared_ptr<Command>> commands_;
  std::deque<std::shared_ptr<Command>> remembered_;  // ended, oldest first
  std::set<std::shared_ptr<Command>> draining_;      // forgotten, but somebody has their pipes open
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace nullspace::local

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "local/guest/channel.hpp"
#include "local/guest/child.hpp"
#include "local/guest/protocol.hpp"
#include "local/guest/unique_fd.hpp"
#include "local/guest/usage.hpp"

namespace nullspace::local::guest {

// The first process of a sandbox: starts its programs, reaps everything, and takes all of it along
// when it ends. One thread, one poll loop.
class Agent {
 public:
  // `isolated`: we are process 1 of a pid namespace, so that the kernel kills the rest with us.
  Agent(UniqueFd control, bool isolated);

  // Returns when the sandbox is to end. False if the kernel refuses what the agent needs.
  bool run();

  // Kills every process of the sandbox but this one, which should exit next.
  void kill_sandbox();

 private:
  struct Pending {
    std::uint32_t request_id = 0;
    UniqueFd status;
    UniqueFd terminal;
    std::string command;
  };

  bool watch_signals();
  // False when the control socket is of no use any more.
  bool serve_control(short events);
  // False when one of the signals asks us to end.
  bool serve_signals();
  bool handle(ServerMessage&& message, std::vector<UniqueFd>&& descriptors);

  void start(const SpawnPipes& request, std::vector<UniqueFd>&& descriptors);
  void start(const SpawnPty& request);
  void launch(std::uint32_t request_id, ChildPlan plan, UniqueFd terminal);
  void settle(pid_t pid);
  void fail(std::uint32_t request_id, const ChildError& error, const std::string& subject);
  void reap();
  void deliver(const Signal& signal);
  std::string command_of(const ProcessStat& process) const;
  void list(std::uint32_t request_id);
  void sample(std::uint32_t request_id);
  void send(const GuestMessage& message, std::vector<UniqueFd> descriptors = {});
  std::vector<ProcessStat> sandbox_processes() const;

  Channel channel_;
  bool isolated_;
  pid_t pid_;
  pid_t parent_;
  UniqueFd signals_;
  std::unordered_map<pid_t, Pending> pending_;
  std::unordered_map<pid_t, std::string> running_;  // what we have started, and its command line
  UsageMeter usage_;
};

}  // namespace nullspace::local::guest

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local/guest/launcher.hpp"
#include "local/guest/link.hpp"
#include "local/server/event_loop.hpp"

namespace nullspace::local {

// One guest on the loop: starts it, keeps its control socket served, ends it.
class GuestRuntime {
 public:
  struct Events {
    // Once: null when the guest serves, else why it does not.
    std::function<void(const std::string* failure)> on_started;
    std::function<void(const guest::Exited&)> on_exit;
    // The guest went away by itself: every process of the sandbox is dead or about to be.
    std::function<void(const std::string& reason)> on_lost;
  };

  GuestRuntime(EventLoop& loop, Events events);
  ~GuestRuntime();
  GuestRuntime(const GuestRuntime&) = delete;
  GuestRuntime& operator=(const GuestRuntime&) = delete;

  void start(const guest::LaunchOptions& options);
  // Kills every process; `done` when none is left.
  void stop(Task done);

  [[nodiscard]] bool serving() const { return state_ == State::serving; }
  [[nodiscard]] const guest::SandboxLayout& layout() const { return layout_; }

  // While serving; otherwise the callback gets a failure at once. See GuestLink.
  void spawn_pipes(guest::SpawnRequest request, guest::ChildStdio stdio, guest::SpawnCallback done);
  void spawn_pty(guest::SpawnRequest request, guest::TerminalSize size, guest::SpawnCallback done);
  void signal(pid_t pid, int signo, guest::SignalScope scope);
  void list_processes(guest::ProcessesCallback done);
  void sample(guest::SampleCallback done);

 private:
  enum class State { idle, starting, serving, stopping, ended };

  void on_ready();
  void on_gone(const std::string& reason);
  void fail_start(std::string reason);
  void await_end();
  void check_end();
  void ended();
  void pump();
  void report_start(const std::string* failure);
  void report_stop();

  EventLoop& loop_;
  Events events_;
  State state_ = State::idle;
  guest::SandboxLayout layout_;
  std::optional<guest::GuestProcess> process_;
  std::unique_ptr<guest::GuestLink> link_;
  std::unique_ptr<FdWatch> link_watch_;
  std::unique_ptr<FdWatch> end_watch_;
  Timer timer_;
  Timer kill_timer_;
  std::optional<std::string> start_failure_;
  std::optional<std::string> lost_reason_;
  std::vector<Task> stopped_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace nullspace::local

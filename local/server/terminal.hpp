#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/pty.hpp>

#include "local/guest/protocol.hpp"
#include "local/guest/unique_fd.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/input_queue.hpp"

namespace nullspace::local {

// Somebody attached to a terminal session. The slowest viewer sets the pace for all, as with
// commands.
class TerminalViewer {
 public:
  virtual ~TerminalViewer() = default;
  // At most Terminal::kMaxPiece bytes.
  virtual void on_output(std::string_view bytes) = 0;
  // After all output, once, and the last call. Without a code the sandbox ended under it.
  virtual void on_exit(std::optional<int> exit_code) = 0;
  virtual void on_input_drained() {}
  [[nodiscard]] virtual bool congested() const = 0;
};

// A shell on a pseudo-terminal. With nobody attached its output is read and thrown away, so that it
// goes on.
class Terminal : public std::enable_shared_from_this<Terminal> {
 public:
  static constexpr std::size_t kMaxPiece = std::size_t{32} << 10U;

  struct Controls {
    std::function<void(pid_t pid)> kill;  // every process of the session, by SIGKILL
    std::function<void(Terminal&)> on_finished;
  };

  Terminal(EventLoop& loop, PtySessionInfo info, guest::UniqueFd master, Controls controls);
  void start();

  [[nodiscard]] const PtySessionInfo& info() const { return info_; }
  [[nodiscard]] bool running() const { return !finished_; }

  void attach(const std::shared_ptr<TerminalViewer>& viewer);
  void detach(const TerminalViewer* viewer);
  void update_reading();
  // False when too much is waiting already.
  bool write_input(std::string bytes);
  [[nodiscard]] bool input_congested() const { return input_.size() > InputQueue::kCongestedBytes; }
  void resize(PtySize size);
  void kill();

  void exited(const guest::Exited& exited);
  void lose();

 private:
  void ready(Readiness readiness);
  void read_some();
  void flush_input();
  void after_exit_silence();
  void finish(std::optional<int> exit_code);
  [[nodiscard]] bool held_back() const;

  EventLoop& loop_;
  PtySessionInfo info_;
  guest::UniqueFd master_;
  std::unique_ptr<FdWatch> watch_;
  Controls controls_;
  InputQueue input_;
  bool input_blocked_ = false;
  std::vector<std::shared_ptr<TerminalViewer>> viewers_;
  Timer timer_;
  Timer reopen_timer_;
  std::optional<int> exit_code_;
  bool hung_up_ = false;
  bool finished_ = false;
};

}  // namespace nullspace::local

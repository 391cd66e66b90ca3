#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/guest/pipes.hpp"
#include "local/guest/protocol.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/input_queue.hpp"
#include "local/server/output_log.hpp"
#include "wire/exec_messages.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

enum class CommandEnd {
  exited,     // with a code
  timed_out,  // killed because its time was up
  overflow,   // killed because nobody could be given so much output at once
  lost,       // the sandbox ended under it
};

// Somebody attached to a running command. The slowest viewer sets the pace: while one of them is
// congested the command's pipes are not read. One that takes nothing at all is ended by its missed
// pongs.
class CommandViewer {
 public:
  virtual ~CommandViewer() = default;
  // Whole characters, at most kMaxPiece bytes.
  virtual void on_output(wire::OutputStream stream, std::string_view text) = 0;
  // After all output, once, and the last call.
  virtual void on_end(CommandEnd end, int exit_code) = 0;
  // What was queued for the command's input has been taken.
  virtual void on_input_drained() {}
  [[nodiscard]] virtual bool congested() const = 0;
};

struct CommandSettings {
  std::string display;  // as lists show it
  bool background = false;
  bool keep_stdin = false;  // else the command sees the end of its input at once
  std::optional<std::chrono::seconds> timeout;
  std::size_t log_limit = 0;
  // More output than that on one stream ends the command.
  std::optional<std::uint64_t> output_limit;
};

// One program with pipes, from its start to the end of its output.
class Command : public std::enable_shared_from_this<Command> {
 public:
  static constexpr std::size_t kMaxPiece = std::size_t{64} << 10U;

  struct Controls {
    std::function<void(pid_t pid)> kill;            // the group, by SIGKILL
    std::function<void(Command&)> on_finished;      // ended; its pipes may still be open
    std::function<void(Command&)> on_pipes_closed;  // after that nobody can write into them
  };

  Command(EventLoop& loop, pid_t pid, guest::StdioPipes pipes, CommandSettings settings,
          Controls controls);
  // Starts to read. Attach who must not miss anything before that.
  void start();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const CommandSettings& settings() const { return settings_; }
  [[nodiscard]] bool running() const { return !end_; }
  [[nodiscard]] std::optional<int> exit_code() const { return exit_code_; }
  [[nodiscard]] bool pipes_open() const { return readers_[0].watch || readers_[1].watch; }
  [[nodiscard]] const OutputLog& log() const { return log_; }

  void attach(const std::shared_ptr<CommandViewer>& viewer);
  void detach(const CommandViewer* viewer);
  // A viewer has become less congested.
  void update_reading();

  enum class InputResult { taken, full, closed };
  InputResult write_stdin(std::string bytes);
  [[nodiscard]] bool stdin_congested() const { return input_.size() > InputQueue::kCongestedBytes; }
  void close_stdin();
  void kill();

  void exited(const guest::Exited& exited);
  // The guest is gone, and the command with it.
  void lose();
  // Nobody will ask for its output any more.
  void forget_log() { log_.clear(); }

 private:
  struct Reader {
    guest::UniqueFd fd;
    std::unique_ptr<FdWatch> watch;
    wire::Utf8Stream characters;
  };

  void readable(wire::OutputStream stream);
  // False at the end of the stream.
  bool read_once(wire::OutputStream stream);
  void deliver(wire::OutputStream stream, std::string_view bytes);
  void deliver_text(wire::OutputStream stream, std::string_view text);
  void drain(wire::OutputStream stream);
  void close_reader(wire::OutputStream stream);
  void write_input();
  void finish(CommandEnd end, int exit_code);
  [[nodiscard]] bool held_back() const;
  Reader& reader(wire::OutputStream stream) {
    return readers_[stream == wire::OutputStream::out ? 0 : 1];
  }

  EventLoop& loop_;
  pid_t pid_;
  CommandSettings settings_;
  Controls controls_;
  OutputLog log_;
  std::array<Reader, 2> readers_;
  guest::UniqueFd stdin_;
  std::unique_ptr<FdWatch> stdin_watch_;
  InputQueue input_;
  bool close_stdin_wanted_ = false;
  std::vector<std::shared_ptr<CommandViewer>> viewers_;
  Timer timer_;
  bool timed_out_ = false;
  bool overflowed_ = false;
  std::optional<CommandEnd> end_;
  std::optional<int> exit_code_;
};

}  // namespace nullspace::local

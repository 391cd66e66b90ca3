#include "local/server/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace nullspace::local {

namespace {

constexpr int kPiecesPerRound = 4;
constexpr int kKilled = 137;
// A job that outlives its shell may keep the terminal open; what the shell itself wrote has come by
// then.
constexpr auto kSilence = std::chrono::milliseconds(200);
// A shell may close its terminal and open it again; meanwhile the master only reports a hang-up.
constexpr auto kReopenPoll = std::chrono::milliseconds(50);
constexpr auto kKillPatience = std::chrono::seconds(5);

}  // namespace

Terminal::Terminal(EventLoop& loop, PtySessionInfo info, guest::UniqueFd master, Controls controls)
    : loop_(loop),
      info_(std::move(info)),
      master_(std::move(master)),
      controls_(std::move(controls)),
      timer_(loop),
      reopen_timer_(loop) {}

void Terminal::start() {
  watch_ = std::make_unique<FdWatch>(loop_, master_.get(), Interest{!held_back(), false},
                                     [this](Readiness readiness) {
                                       const auto self = shared_from_this();
                                       ready(readiness);
                                     });
}

void Terminal::attach(const std::shared_ptr<TerminalViewer>& viewer) {
  viewers_.push_back(viewer);
}

void Terminal::detach(const TerminalViewer* viewer) {
  std::erase_if(viewers_, [viewer](const auto& held) { return held.get() == viewer; });
  update_reading();
}

bool Terminal::held_back() const {
  return std::any_of(viewers_.begin(), viewers_.end(),
                     [](const auto& viewer) { return viewer->congested(); });
}

void Terminal::update_reading() {
  if (!watch_) return;
  watch_->set({!hung_up_ && !held_back(), input_blocked_ && !hung_up_});
  if (exit_code_ && !timer_.active()) after_exit_silence();
}

void Terminal::ready(Readiness readiness) {
  if (readiness.writable) flush_input();
  if (readiness.readable && !finished_) read_some();
}

// A terminal gives a few KiB at a time: pieces are collected until one is worth a message.
void Terminal::read_some() {
  static thread_local std::array<char, kMaxPiece> buffer;
  for (int piece = 0; piece < kPiecesPerRound; ++piece) {
    std::size_t size = 0;
    bool empty = false;
    while (size < buffer.size() && !empty && !hung_up_) {
      const ssize_t got = ::read(master_.get(), buffer.data() + size, buffer.size() - size);
      if (got > 0) {
        size += static_cast<std::size_t>(got);
      } else if (got < 0 && errno == EINTR) {
        continue;
      } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        empty = true;
      } else {
        hung_up_ = true;  // nobody has the other side open
      }
    }
    if (size > 0) {
      const auto viewers = viewers_;
      for (const auto& viewer : viewers)
        viewer->on_output({buffer.data(), size});
    }
    if (hung_up_ || empty || held_back()) break;
  }
  if (hung_up_ && exit_code_) return finish(exit_code_);
  if (exit_code_) after_exit_silence();
  if (hung_up_) {
    reopen_timer_.start(kReopenPoll, [this] {
      hung_up_ = false;
      update_reading();
    });
  }
  update_reading();
}

void Terminal::after_exit_silence() {
  // While a viewer holds the reading back, silence means nothing.
  timer_.cancel();
  if (held_back()) return;
  timer_.start(kSilence, [this] {
    const auto self = shared_from_this();
    finish(exit_code_);
  });
}

bool Terminal::write_input(std::string bytes) {
  if (finished_) return true;
  if (!input_.push(std::move(bytes))) return false;
  flush_input();
  return true;
}

void Terminal::flush_input() {
  if (finished_) return;
  const bool was_congested = input_congested();
  input_blocked_ = input_.write_to(master_.get()) == InputQueue::Progress::blocked;
  update_reading();
  if (was_congested && !input_congested()) {
    const auto viewers = viewers_;
    for (const auto& viewer : viewers)
      viewer->on_input_drained();
  }
}

void Terminal::resize(PtySize size) {
  if (finished_) return;
  info_.cols = size.cols;
  info_.rows = size.rows;
  winsize window{};
  window.ws_col = static_cast<unsigned short>(size.cols);
  window.ws_row = static_cast<unsigned short>(size.rows);
  ioctl(master_.get(), TIOCSWINSZ, &window);
}

void Terminal::kill() {
  if (finished_) return;
  controls_.kill(info_.pid);
  if (exit_code_) return;
  timer_.start(kKillPatience, [this] {
    const auto self = shared_from_this();
    finish(kKilled);
  });
}

void Terminal::exited(const guest::Exited& exited) {
  if (finished_) return;
  exit_code_ = guest::exit_code_of(exited);
  if (hung_up_) return finish(exit_code_);
  after_exit_silence();
}

void Terminal::lose() {
  if (finished_) return;
  finish(exit_code_);
}

void Terminal::finish(std::optional<int> exit_code) {
  const auto self = shared_from_this();
  finished_ = true;
  timer_.cancel();
  reopen_timer_.cancel();
  watch_.reset();
  master_.reset();
  input_.clear();
  const auto viewers = std::exchange(viewers_, {});
  for (const auto& viewer : viewers)
    viewer->on_exit(exit_code);
  if (controls_.on_finished) controls_.on_finished(*this);
}

}  // namespace nullspace::local

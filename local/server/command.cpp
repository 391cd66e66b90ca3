#include "local/server/command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace nullspace::local {

namespace {

using wire::OutputStream;

constexpr std::array<OutputStream, 2> kStreams{OutputStream::out, OutputStream::err};
constexpr std::size_t kReadBytes = Command::kMaxPiece;
constexpr int kReadsPerRound = 4;
constexpr int kKilled = 137;
// A process that does not die of SIGKILL hangs in the kernel: nobody should wait with it.
constexpr auto kKillPatience = std::chrono::seconds(5);

std::array<char, kReadBytes>& read_buffer() {
  static thread_local std::array<char, kReadBytes> buffer;
  return buffer;
}

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

Command::Command(EventLoop& loop, pid_t pid, guest::StdioPipes pipes, CommandSettings settings,
                 Controls controls)
    : loop_(loop),
      pid_(pid),
      settings_(std::move(settings)),
      controls_(std::move(controls)),
      log_(settings_.log_limit),
      timer_(loop) {
  readers_[0].fd = std::move(pipes.stdout_read);
  readers_[1].fd = std::move(pipes.stderr_read);
  if (settings_.keep_stdin) stdin_ = std::move(pipes.stdin_write);
}

void Command::start() {
  for (const OutputStream stream : kStreams) {
    Reader& reader = this->reader(stream);
    reader.watch = std::make_unique<FdWatch>(loop_, reader.fd.get(), Interest{true, false},
                                             [this, stream](Readiness) {
                                               const auto self = shared_from_this();
                                               readable(stream);
                                             });
  }
  update_reading();
  if (!settings_.timeout) return;
  timer_.start(*settings_.timeout, [this] {
    const auto self = shared_from_this();
    if (end_) return;
    timed_out_ = true;
    kill();
  });
}

void Command::attach(const std::shared_ptr<CommandViewer>& viewer) {
  viewers_.push_back(viewer);
}

void Command::detach(const CommandViewer* viewer) {
  std::erase_if(viewers_, [viewer](const auto& held) { return held.get() == viewer; });
  update_reading();
}

bool Command::held_back() const {
  return std::any_of(viewers_.begin(), viewers_.end(),
                     [](const auto& viewer) { return viewer->congested(); });
}

void Command::update_reading() {
  const bool read = !held_back();
  for (Reader& reader : readers_) {
    if (reader.watch) reader.watch->want_read(read);
  }
}

void Command::readable(OutputStream stream) {
  for (int i = 0; i < kReadsPerRound; ++i) {
    if (!read_once(stream)) {
      close_reader(stream);
      return;
    }
    if (held_back()) break;
  }
  update_reading();
}

bool Command::read_once(OutputStream stream) {
  const int fd = reader(stream).fd.get();
  ssize_t got = -1;
  do {
    got = ::read(fd, read_buffer().data(), read_buffer().size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
  if (got == 0) return false;
  deliver(stream, std::string_view(read_buffer().data(), static_cast<std::size_t>(got)));
  return true;
}

void Command::deliver(OutputStream stream, std::string_view bytes) {
  log_.append(stream, bytes);
  if (end_) return;
  if (settings_.output_limit && log_.total(stream) > *settings_.output_limit && !overflowed_) {
    overflowed_ = true;
    log_.clear();
    kill();
  }
  if (viewers_.empty()) return;
  deliver_text(stream, reader(stream).characters.push(bytes));
}

void Command::deliver_text(OutputStream stream, std::string_view text) {
  while (!text.empty()) {
    std::size_t size = std::min(text.size(), kMaxPiece);
    while (size < text.size() && size > 0 && continues_character(text[size]))
      --size;
    const auto viewers = viewers_;
    for (const auto& viewer : viewers)
      viewer->on_output(stream, text.substr(0, size));
    text.remove_prefix(size);
  }
}

// All that the command itself has written is in the pipe when it has ended. More than a pipe holds
// can only come from others that still have it open.
void Command::drain(OutputStream stream) {
  if (!reader(stream).watch) return;
  const int capacity = ::fcntl(reader(stream).fd.get(), F_GETPIPE_SZ);
  const std::uint64_t limit =
      log_.total(stream) + static_cast<std::uint64_t>(std::max(capacity, 1 << 16));
  while (log_.total(stream) < limit) {
    const std::uint64_t before = log_.total(stream);
    if (!read_once(stream)) {
      close_reader(stream);
      break;
    }
    if (log_.total(stream) == before) break;
  }
}

void Command::close_reader(OutputStream stream) {
  Reader& reader = this->reader(stream);
  reader.watch.reset();
  reader.fd.reset();
  if (end_ && !pipes_open() && controls_.on_pipes_closed) controls_.on_pipes_closed(*this);
}

Command::InputResult Command::write_stdin(std::string bytes) {
  if (end_ || !stdin_ || close_stdin_wanted_) return InputResult::closed;
  if (!input_.push(std::move(bytes))) return InputResult::full;
  write_input();
  return InputResult::taken;
}

void Command::close_stdin() {
  close_stdin_wanted_ = true;
  if (input_.empty()) {
    stdin_watch_.reset();
    stdin_.reset();
  }
}

void Command::write_input() {
  if (!stdin_) return;
  const bool was_congested = stdin_congested();
  const InputQueue::Progress progress = input_.write_to(stdin_.get());
  if (progress == InputQueue::Progress::blocked) {
    if (!stdin_watch_) {
      stdin_watch_ =
          std::make_unique<FdWatch>(loop_, stdin_.get(), Interest{false, true}, [this](Readiness) {
            const auto self = shared_from_this();
            write_input();
          });
    }
    stdin_watch_->want_write(true);
  } else {
    stdin_watch_.reset();
    if (progress == InputQueue::Progress::broken || close_stdin_wanted_) stdin_.reset();
  }
  if (was_congested && !stdin_congested()) {
    const auto viewers = viewers_;
    for (const auto& viewer : viewers)
      viewer->on_input_drained();
  }
}

void Command::kill() {
  if (end_) return;
  controls_.kill(pid_);
  timer_.start(kKillPatience, [this] {
    const auto self = shared_from_this();
    guest::Exited exited;
    exited.pid = pid_;
    exited.exit_code = kKilled;
    this->exited(exited);
  });
}

void Command::exited(const guest::Exited& exited) {
  if (end_) return;
  for (const OutputStream stream : kStreams)
    drain(stream);
  for (const OutputStream stream : kStreams) {
    if (!viewers_.empty()) deliver_text(stream, reader(stream).characters.flush());
  }
  finish(timed_out_    ? CommandEnd::timed_out
         : overflowed_ ? CommandEnd::overflow
                       : CommandEnd::exited,
         guest::exit_code_of(exited));
}

void Command::lose() {
  if (!end_) {
    for (const OutputStream stream : kStreams)
      drain(stream);
    finish(CommandEnd::lost, kKilled);
  }
  for (Reader& reader : readers_) {
    reader.watch.reset();
    reader.fd.reset();
  }
}

void Command::finish(CommandEnd end, int exit_code) {
  const auto self = shared_from_this();
  end_ = end;
  exit_code_ = exit_code;
  timer_.cancel();
  stdin_watch_.reset();
  stdin_.reset();
  input_.clear();
  const auto viewers = std::exchange(viewers_, {});
  for (const auto& viewer : viewers)
    viewer->on_end(end, exit_code);
  update_reading();
  if (controls_.on_finished) controls_.on_finished(*this);
}

}  // namespace nullspace::local

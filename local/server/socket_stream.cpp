#include "local/server/socket_stream.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace nullspace::local {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
constexpr std::size_t kMaxVectors = 64;
// A connection that takes everything at once must not keep the others waiting.
constexpr std::size_t kFlushBytes = std::size_t{2} << 20U;
// A reset would take back what the peer's system has not got yet.
constexpr auto kResetPoll = std::chrono::milliseconds(1);
constexpr auto kResetPatience = std::chrono::seconds(1);
// How long a connection is kept whose peer ought to close it, or has closed it.
constexpr auto kCutLinger = std::chrono::seconds(2);
constexpr auto kGoneLinger = std::chrono::seconds(30);

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

SocketStream::SocketStream(EventLoop& loop, guest::UniqueFd socket)
    : loop_(loop), socket_(std::move(socket)), fault_timer_(loop) {
  watch_.emplace(loop_, socket_.get(), Interest{true, false},
                 [this](Readiness readiness) { ready(readiness); });
}

SocketStream::~SocketStream() = default;

void SocketStream::write(std::string bytes) {
  if (broken_ || shutdown_wanted_ || cut_off_ || bytes.empty()) return;
  queued_ += bytes.size();
  if (queued_ > kHighWater) above_high_water_ = true;
  outgoing_.push_back(std::move(bytes));
  schedule_flush();
}

void SocketStream::schedule_flush() {
  // While the socket is full, its readiness flushes.
  if (flush_scheduled_ || !watch_ || watch_->interest().write) return;
  flush_scheduled_ = true;
  loop_.defer([this, alive = std::weak_ptr<const bool>(alive_)] {
    if (alive.expired()) return;
    flush_scheduled_ = false;
    flush();
  });
}

std::size_t SocketStream::unacknowledged() const {
  int bytes = 0;
  if (ioctl(socket_.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<std::size_t>(bytes);
}

void SocketStream::pause_reading(bool paused) {
  paused_ = paused;
  update_interest();
}

void SocketStream::shutdown_when_sent() {
  if (broken_ || cut_off_) return;
  shutdown_wanted_ = true;
  schedule_flush();
}

void SocketStream::update_interest() {
  if (!watch_) return;
  const bool read = !broken_ && !ended_ && !paused_ && !reading_stalled_;
  const bool write = !broken_ && !outgoing_.empty() && !flush_scheduled_ && !writing_stalled_;
  // Who is not read is still noticed to be gone, or the descriptor would stay for ever.
  watch_->set({read, write, reading_stalled_ && !broken_ && !ended_});
}

void SocketStream::ready(Readiness readiness) {
  if (reading_stalled_ && readiness.peer_closed && !ended_) {
    ended_ = true;
    update_interest();
    fault_timer_.start(kGoneLinger, [this] { break_off(); });
  }
  if (vanished_) return;
  const std::weak_ptr<const bool> alive = alive_;
  if (readiness.writable) flush();
  if (alive.expired() || broken_) return;
  if (readiness.readable) read_some();
}

void SocketStream::read_some() {
  static thread_local std::array<char, kReadBytes> buffer;
  ssize_t got = -1;
  do {
    got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  } while (got < 0 && errno == EINTR);
  const auto events = events_;
  if (got > 0) {
    if (events->on_data) {
      events->on_data(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    }
  } else if (got == 0) {
    ended_ = true;
    update_interest();
    if (events->on_end) events->on_end();
  } else if (!would_block(errno)) {
    break_off();
  }
}

void SocketStream::flush() {
  std::size_t budget = kFlushBytes;
  while (!outgoing_.empty() && budget > 0 && !broken_) {
    if (gate_ && sent_ >= gate_->at) reach_gate();
    if (writing_stalled_ || cut_off_) break;
    std::uint64_t allowed = gate_ ? gate_->at - sent_ : queued_;
    std::array<iovec, kMaxVectors> vectors;
    std::size_t count = 0;
    std::size_t offset = front_sent_;
    for (std::string& piece : outgoing_) {
      if (count == vectors.size() || allowed == 0) break;
      const std::size_t left = piece.size() - offset;
      vectors[count].iov_base = piece.data() + offset;
      vectors[count].iov_len = std::min<std::uint64_t>(left, allowed);
      allowed -= vectors[count].iov_len;
      offset = 0;
      ++count;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t result = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (result < 0) {
      if (errno == EINTR) continue;
      if (would_block(errno)) break;
      return break_off();
    }
    std::size_t accepted = static_cast<std::size_t>(result);
    queued_ -= accepted;
    sent_ += accepted;
    budget -= std::min(budget, accepted);
    while (accepted > 0) {
      const std::size_t left = outgoing_.front().size() - front_sent_;
      if (accepted < left) {
        front_sent_ += accepted;
        break;
      }
      accepted -= left;
      front_sent_ = 0;
      outgoing_.pop_front();
    }
  }
  if (gate_ && sent_ >= gate_->at && !broken_) reach_gate();
  if (cut_off_) return update_interest();
  if (outgoing_.empty() && shutdown_wanted_) ::shutdown(socket_.get(), SHUT_WR);
  update_interest();
  const bool drained = outgoing_.empty() || (above_high_water_ && queued_ < kLowWater);
  if (!drained) return;
  above_high_water_ = false;
  const auto events = events_;
  if (events->on_drain) events->on_drain();
}

void SocketStream::break_off() {
  if (broken_) return;
  broken_ = true;
  drop_queue();
  gate_.reset();
  fault_timer_.cancel();
  update_interest();
  const auto events = events_;
  if (events->on_broken) events->on_broken();
}

void SocketStream::drop_queue() {
  outgoing_.clear();
  queued_ = 0;
  front_sent_ = 0;
}

void SocketStream::cut_after(std::uint64_t bytes, Cut cut, Clock::duration stall) {
  if (broken_ || cut_off_ || gate_) return;
  gate_ = Gate{sent_ + queued_ + bytes, cut, stall};
  schedule_flush();
}

void SocketStream::reach_gate() {
  const Gate gate = *std::exchange(gate_, std::nullopt);
  if (gate.cut == Cut::stall) {
    writing_stalled_ = true;
    return fault_timer_.start(gate.stall, [this] {
      writing_stalled_ = false;
      schedule_flush();
    });
  }
  if (gate.cut == Cut::vanish) return vanish();
  cut_off_ = true;
  drop_queue();
  if (gate.cut == Cut::reset) return await_reset(Clock::now() + kResetPatience);
  ::shutdown(socket_.get(), SHUT_WR);
  fault_timer_.start(kCutLinger, [this] { break_off(); });
}

void SocketStream::await_reset(Clock::time_point limit) {
  if (unacknowledged() == 0 || Clock::now() >= limit) return reset();
  fault_timer_.start(kResetPoll, [this, limit] { await_reset(limit); });
}

void SocketStream::reset() {
  if (broken_) return;
  cut_off_ = true;
  drop_queue();
  gate_.reset();
  const linger at_once{1, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  watch_.reset();
  socket_.reset();
  fault_timer_.start(Clock::duration::zero(), [this] { break_off(); });
}

void SocketStream::stall_reading() {
  reading_stalled_ = true;
  update_interest();
}

void SocketStream::stall_writing() {
  writing_stalled_ = true;
  fault_timer_.cancel();
  update_interest();
}

void SocketStream::vanish() {
  if (broken_ || vanished_) return;
  vanished_ = true;
  cut_off_ = true;
  reading_stalled_ = true;
  drop_queue();
  gate_.reset();
  fault_timer_.cancel();
  update_interest();
}

}  // namespace nullspace::local

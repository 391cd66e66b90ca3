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

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

SocketStream::SocketStream(EventLoop& loop, guest::UniqueFd socket)
    : loop_(loop), socket_(std::move(socket)) {
  watch_.emplace(loop_, socket_.get(), Interest{true, false},
                 [this](Readiness readiness) { ready(readiness); });
}

SocketStream::~SocketStream() = default;

void SocketStream::write(std::string bytes) {
  if (broken_ || shutdown_wanted_ || bytes.empty()) return;
  queued_ += bytes.size();
  if (queued_ > kHighWater) above_high_water_ = true;
  outgoing_.push_back(std::move(bytes));
  schedule_flush();
}

void SocketStream::schedule_flush() {
  // While the socket is full, its readiness flushes.
  if (flush_scheduled_ || watch_->interest().write) return;
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
  if (broken_) return;
  shutdown_wanted_ = true;
  schedule_flush();
}

void SocketStream::update_interest() {
  const bool read = !broken_ && !ended_ && !paused_;
  const bool write = !broken_ && !outgoing_.empty() && !flush_scheduled_;
  watch_->set({read, write});
}

void SocketStream::ready(Readiness readiness) {
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
    std::array<iovec, kMaxVectors> vectors;
    std::size_t count = 0;
    std::size_t offset = front_sent_;
    for (std::string& piece : outgoing_) {
      if (count == vectors.size()) break;
      vectors[count].iov_base = piece.data() + offset;
      vectors[count].iov_len = piece.size() - offset;
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
  if (outgoing_.empty() && shutdown_wanted_) ::shutdown(socket_.get(), SHUT_WR);
  update_interest();
  const bool drained = outgoing_.empty() || (above_high_water_ && queued_ < kLowWater);
  if (!drained) return;
  above_high_water_ = false;
  const auto events = events_;
  if (events->on_drain) events->on_drain();
}

void SocketStream::break_off() {
  broken_ = true;
  outgoing_.clear();
  queued_ = 0;
  front_sent_ = 0;
  update_interest();
  const auto events = events_;
  if (events->on_broken) events->on_broken();
}

}  // namespace nullspace::local

#include "tests/support/tcp_link.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace nullspace::tests {

namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
// Beyond this a reader that is slow is felt by the writer, as without a proxy in between.
constexpr std::size_t kMaxQueued = std::size_t{256} << 10;
// With a bandwidth bytes go out in pieces of that time.
constexpr auto kBandwidthStep = std::chrono::milliseconds(5);
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

void keep_earlier(std::optional<TcpPipe::Clock::time_point>& kept,
                  std::optional<TcpPipe::Clock::time_point> other) {
  if (other && (!kept || *other < *kept)) kept = other;
}

void end_socket(local::guest::UniqueFd& socket, bool reset) {
  if (!socket) return;
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  } else {
    // Closing with unread bytes would make a reset of it.
    ::shutdown(socket.get(), SHUT_WR);
    std::array<char, 4096> unread;
    while (::recv(socket.get(), unread.data(), unread.size(), MSG_DONTWAIT) > 0) {
    }
  }
  socket.reset();
}

}  // namespace

// ---- one direction -----------------------------------------------------------------------------

void TcpPipe::set_toxics(const Toxics& toxics, Clock::time_point now) {
  toxics_ = toxics;
  toxics_since_ = now;
}

bool TcpPipe::read_from(int socket, Clock::time_point now, std::mt19937_64& random) {
  while (wants_read()) {
    std::string bytes(kReadBytes, '\0');
    const ssize_t got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return would_block(errno);
    auto late = std::chrono::duration_cast<Clock::duration>(toxics_.latency);
    if (toxics_.jitter.count() > 0) {
      const auto most = std::chrono::duration_cast<Clock::duration>(toxics_.jitter).count();
      late += Clock::duration(std::uniform_int_distribution<Clock::rep>(-most, most)(random));
    }
    last_due_ = std::max(last_due_, now + std::max(late, Clock::duration::zero()));
    if (got == 0) {
      ended_ = true;
      last_due_ += toxics_.slow_close;
      break;
    }
    bytes.resize(static_cast<std::size_t>(got));
    queued_ += bytes.size();
    pieces_.push_back({std::move(bytes), last_due_});
  }
  return true;
}

bool TcpPipe::write_to(int socket, Clock::time_point now, std::mt19937_64& random,
                       std::uint64_t budget, std::uint64_t& written) {
  written = 0;
  full_ = false;
  while (!blocked() && !pieces_.empty() && pieces_.front().due <= now && gate_ <= now &&
         written < budget) {
    const std::string& bytes = pieces_.front().bytes;
    const std::size_t available = static_cast<std::size_t>(
        std::min<std::uint64_t>(slice(bytes.size() - front_written_, random), budget - written));
    const ssize_t sent =
        ::send(socket, bytes.data() + front_written_, available, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && would_block(errno)) {
      full_ = true;
      break;
    }
    if (sent < 0) return false;
    const auto count = static_cast<std::size_t>(sent);
    written += count;
    passed_ += count;
    queued_ -= count;
    front_written_ += count;
    if (front_written_ == bytes.size()) {
      pieces_.pop_front();
      front_written_ = 0;
    }
    if (toxics_.bandwidth > 0) {
      gate_ = std::max(gate_, now - kBandwidthStep) +
              std::chrono::nanoseconds(count * 1'000'000'000 / toxics_.bandwidth);
    }
    if (toxics_.slicer) gate_ = std::max(gate_, now + toxics_.slicer->delay);
  }
  if (ended_ && !end_passed_on_ && !blocked() && pieces_.empty() && last_due_ <= now) {
    end_passed_on_ = true;
    ::shutdown(socket, SHUT_WR);
  }
  return true;
}

std::size_t TcpPipe::slice(std::size_t available, std::mt19937_64& random) const {
  if (toxics_.slicer) {
    const std::size_t average = std::max<std::size_t>(toxics_.slicer->average_size, 1);
    const std::size_t variation = std::min(toxics_.slicer->size_variation, average - 1);
    available = std::min(available, std::uniform_int_distribution<std::size_t>(
                                        average - variation, average + variation)(random));
  }
  if (toxics_.bandwidth > 0) {
    const auto steps = static_cast<std::size_t>(std::chrono::seconds(1) / kBandwidthStep);
    available = std::min(available, std::max<std::size_t>(toxics_.bandwidth / steps, 1));
  }
  return available;
}

bool TcpPipe::wants_read() const {
  return !ended_ && !blocked() && queued_ < kMaxQueued;
}

bool TcpPipe::wants_write(Clock::time_point now) const {
  return full_ && !blocked() && !pieces_.empty() && pieces_.front().due <= now && gate_ <= now;
}

std::uint64_t TcpPipe::left() const {
  if (!toxics_.limit_data) return kUnlimited;
  return *toxics_.limit_data > passed_ ? *toxics_.limit_data - passed_ : 0;
}

std::optional<TcpPipe::Clock::time_point> TcpPipe::close_due() const {
  if (!toxics_.timeout || toxics_.timeout->count() == 0) return std::nullopt;
  return toxics_since_ + *toxics_.timeout;
}

std::optional<TcpPipe::Clock::time_point> TcpPipe::reset_due() const {
  if (!toxics_.reset_peer) return std::nullopt;
  return toxics_since_ + *toxics_.reset_peer;
}

std::optional<TcpPipe::Clock::time_point> TcpPipe::next_due() const {
  std::optional<Clock::time_point> next;
  keep_earlier(next, close_due());
  keep_earlier(next, reset_due());
  if (blocked()) return next;
  if (!pieces_.empty() && !full_) keep_earlier(next, std::max(pieces_.front().due, gate_));
  if (pieces_.empty() && ended_ && !end_passed_on_) keep_earlier(next, last_due_);
  return next;
}

// ---- both --------------------------------------------------------------------------------------

TcpLink::TcpLink(local::guest::UniqueFd client, local::guest::UniqueFd server,
                 std::optional<std::uint64_t> cut_after, Cut how)
    : client_(std::move(client)), server_(std::move(server)), bytes_left_(cut_after), how_(how) {}

void TcpLink::set_toxics(Direction direction, const Toxics& toxics, Clock::time_point now) {
  (direction == Direction::upstream ? upstream_ : downstream_).set_toxics(toxics, now);
}

void TcpLink::cut_after(std::optional<std::uint64_t> bytes, Cut how) {
  bytes_left_ = bytes;
  how_ = how;
}

TcpLink::Traffic TcpLink::advance(short client_events, short server_events, Clock::time_point now,
                                  std::mt19937_64& random) {
  Traffic traffic;
  if (state_ != State::open || cut_by_toxics(now, random)) return traffic;
  constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
  const bool whole = move(upstream_, client_.get(), server_.get(), (client_events & kReadable) != 0,
                          now, random, traffic.upstream) &&
                     move(downstream_, server_.get(), client_.get(),
                          (server_events & kReadable) != 0, now, random, traffic.downstream);
  if (!whole) {
    // One side was reset, or took no more: the other learns of it in the same way.
    state_ = State::over;
    close_both(true);
  } else if (upstream_.finished() && downstream_.finished()) {
    state_ = State::over;
    close_both(false);
  } else if (bytes_left_ && *bytes_left_ == 0) {
    cut(how_, random);
  } else if (upstream_.left() == 0 || downstream_.left() == 0) {
    cut(Cut::close, random);
  }
  return traffic;
}

bool TcpLink::move(TcpPipe& pipe, int from, int to, bool readable, Clock::time_point now,
                   std::mt19937_64& random, std::uint64_t& written) {
  if (readable && pipe.wants_read() && !pipe.read_from(from, now, random)) return false;
  const bool whole = pipe.write_to(
      to, now, random, std::min(pipe.left(), bytes_left_.value_or(kUnlimited)), written);
  if (bytes_left_) *bytes_left_ -= written;
  return whole;
}

bool TcpLink::cut_by_toxics(Clock::time_point now, std::mt19937_64& random) {
  for (const TcpPipe* pipe : {&upstream_, &downstream_}) {
    if (const auto due = pipe->reset_due(); due && *due <= now) {
      cut(Cut::reset, random);
      return true;
    }
    if (const auto due = pipe->close_due(); due && *due <= now) {
      cut(Cut::close, random);
      return true;
    }
  }
  return false;
}

void TcpLink::cut(Cut how, std::mt19937_64& random) {
  if (state_ != State::open) return;
  state_ = State::cut;
  if (how == Cut::either) how = (random() & 1U) != 0 ? Cut::reset : Cut::close;
  close_both(how == Cut::reset);
}

void TcpLink::close_both(bool reset) {
  end_socket(client_, reset);
  end_socket(server_, reset);
}

TcpLink::Interest TcpLink::interest(Clock::time_point now) const {
  const auto events = [now](const TcpPipe& in, const TcpPipe& out) {
    return static_cast<short>((in.wants_read() ? POLLIN : 0) |
                              (out.wants_write(now) ? POLLOUT : 0));
  };
  Interest wanted{.client = events(upstream_, downstream_),
                  .server = events(downstream_, upstream_)};
  keep_earlier(wanted.wake, upstream_.next_due());
  keep_earlier(wanted.wake, downstream_.next_due());
  return wanted;
}

}  // namespace nullspace::tests

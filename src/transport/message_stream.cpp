#include "transport/message_stream.hpp"

#include <utility>

#include "support/condition.hpp"

namespace nullspace::inline v0::transport {

namespace {

// A queued message costs more than its bytes; a flood of empty ones must reach the mark, too.
constexpr std::size_t kMessageOverhead = 128;

constexpr std::uint16_t kNormalClosure = 1000;

}  // namespace

std::shared_ptr<MessageStream> MessageStream::open(WebSocketTransport& transport,
                                                   WebSocketRequest request,
                                                   std::size_t high_water_bytes) {
  std::shared_ptr<MessageStream> stream(new MessageStream(high_water_bytes));
  std::shared_ptr<WebSocketConnection> connection = transport.open(std::move(request), stream);
  {
    const std::lock_guard lock(stream->mutex_);
    if (!stream->closed_) stream->connection_ = std::move(connection);
  }
  // Messages may have come in before the connection was known here.
  stream->apply_backpressure();
  return stream;
}

MessageStream::~MessageStream() = default;

MessageStream::Wait MessageStream::wait_open(support::Expiry expiry, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (support::wait_until(changed_, lock, stop, expiry, [this] { return open_ || closed_; })) {
    return open_ ? Wait::ready : Wait::closed;
  }
  return stop.stop_requested() ? Wait::cancelled : Wait::timed_out;
}

MessageStream::Wait MessageStream::wait_message(support::Expiry expiry,
                                                const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (support::wait_until(changed_, lock, stop, expiry,
                          [this] { return !messages_.empty() || closed_; })) {
    return messages_.empty() ? Wait::closed : Wait::ready;
  }
  return stop.stop_requested() ? Wait::cancelled : Wait::timed_out;
}

std::uint64_t MessageStream::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

MessageStream::Wait MessageStream::wait_change(std::uint64_t seen, support::Expiry expiry,
                                               const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (support::wait_until(changed_, lock, stop, expiry,
                          [this, seen] { return version_ != seen; })) {
    return Wait::ready;
  }
  return stop.stop_requested() ? Wait::cancelled : Wait::timed_out;
}

void MessageStream::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++version_;
  }
  changed_.notify_all();
}

std::optional<std::string> MessageStream::take() {
  std::string message;
  {
    const std::lock_guard lock(mutex_);
    if (messages_.empty()) return std::nullopt;
    message = std::move(messages_.front());
    messages_.pop_front();
    queued_bytes_ -= message.size() + kMessageOverhead;
    if (queued_bytes_ <= high_water_bytes_ / 2) want_paused_ = false;
  }
  apply_backpressure();
  return message;
}

void MessageStream::apply_backpressure() {
  // One thread at a time tells the socket, and looks again before it goes: a pause decided by the
  // I/O thread must not overtake the resume decided by a reader a moment later.
  std::unique_lock lock(mutex_);
  if (applying_) return;
  applying_ = true;
  while (connection_ && is_paused_ != want_paused_) {
    is_paused_ = want_paused_;
    const bool pause = is_paused_;
    const std::shared_ptr<WebSocketConnection> connection = connection_;
    lock.unlock();
    if (pause) {
      connection->pause_reading();
    } else {
      connection->resume_reading();
    }
    lock.lock();
  }
  applying_ = false;
}

MessageStream::Wait MessageStream::send(std::string_view message, support::Expiry expiry,
                                        const std::stop_token& stop) {
  while (true) {
    std::shared_ptr<WebSocketConnection> connection;
    std::uint64_t drained_before = 0;
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || !connection_) return Wait::closed;
      connection = connection_;
      drained_before = drained_;
    }
    switch (connection->try_send(message)) {
      case SendStatus::queued:
        return Wait::ready;
      case SendStatus::closed:
        return Wait::closed;
      case SendStatus::full:
        break;
    }
    std::unique_lock lock(mutex_);
    if (!support::wait_until(changed_, lock, stop, expiry, [this, drained_before] {
          return drained_ != drained_before || closed_;
        })) {
      return stop.stop_requested() ? Wait::cancelled : Wait::timed_out;
    }
  }
}

bool MessageStream::is_open() const {
  const std::lock_guard lock(mutex_);
  return open_ && !closed_;
}

bool MessageStream::exhausted() const {
  const std::lock_guard lock(mutex_);
  return closed_ && messages_.empty();
}

std::optional<TransportFailure> MessageStream::close_cause() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void MessageStream::set_ready_hook(std::function<void()> hook) {
  auto shared = std::make_shared<const std::function<void()>>(std::move(hook));
  {
    const std::lock_guard lock(mutex_);
    ready_hook_.swap(shared);
  }
  call_ready_hook();
}

void MessageStream::call_ready_hook() {
  std::shared_ptr<const std::function<void()>> hook;
  {
    const std::lock_guard lock(mutex_);
    hook = ready_hook_;
  }
  if (hook) (*hook)();
}

std::shared_ptr<WebSocketConnection> MessageStream::connection() const {
  const std::lock_guard lock(mutex_);
  return connection_;
}

void MessageStream::close() {
  if (const auto open = connection()) open->close(kNormalClosure, {});
}

void MessageStream::abort() {
  if (const auto open = connection()) open->abort();
}

void MessageStream::on_open() {
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
    ++version_;
  }
  changed_.notify_all();
  call_ready_hook();
}

void MessageStream::on_message(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ += message.size() + kMessageOverhead;
    messages_.push_back(std::move(message));
    ++version_;
    if (queued_bytes_ > high_water_bytes_) want_paused_ = true;
  }
  apply_backpressure();
  changed_.notify_all();
  call_ready_hook();
}

void MessageStream::on_drained() {
  {
    const std::lock_guard lock(mutex_);
    ++drained_;
  }
  changed_.notify_all();
}

void MessageStream::on_closed(const TransportFailure& why) {
  // The connection is let go of outside the lock: its end may call back.
  std::shared_ptr<WebSocketConnection> gone;
  {
    const std::lock_guard lock(mutex_);
    closed_ = why;
    ++version_;
    gone.swap(connection_);
  }
  changed_.notify_all();
  call_ready_hook();
}

}  // namespace nullspace::inline v0::transport

// One WebSocket connection as a bounded queue of messages that any thread can read and write with a
// deadline.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <nullspace/transport.hpp>

#include "support/expiry.hpp"

namespace nullspace::inline v0::transport {

// Thread-safe. Its own lock is never held while foreign code runs.
class MessageStream final : public WebSocketListener,
                            public std::enable_shared_from_this<MessageStream> {
 public:
  enum class Wait { ready, closed, timed_out, cancelled };

  // Starts connecting. `high_water_bytes` of unread messages stop the reading of the socket, half
  // of it resumes it.
  [[nodiscard]] static std::shared_ptr<MessageStream> open(WebSocketTransport& transport,
                                                           WebSocketRequest request,
                                                           std::size_t high_water_bytes);

  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;
  ~MessageStream() override;

  // `ready` once connected. `closed`: close_cause() says why it never opened.
  [[nodiscard]] Wait wait_open(support::Expiry expiry, const std::stop_token& stop);
  // `ready` when there is a message, `closed` when there is none and none will come.
  [[nodiscard]] Wait wait_message(support::Expiry expiry, const std::stop_token& stop);
  // For threads that wait for something that another thread may make of the messages: note the
  // version, look, and wait until it is another one. Every event counts it up, and so does wake().
  [[nodiscard]] std::uint64_t version() const;
  [[nodiscard]] Wait wait_change(std::uint64_t seen, support::Expiry expiry,
                                 const std::stop_token& stop);
  void wake();
  // The next message, if there is one.
  [[nodiscard]] std::optional<std::string> take();
  // Waits while the send queue is full.
  [[nodiscard]] Wait send(std::string_view message, support::Expiry expiry,
                          const std::stop_token& stop);

  [[nodiscard]] bool is_open() const;
  // Closed and every message taken.
  [[nodiscard]] bool exhausted() const;
  // Why it ended; empty while it lives.
  [[nodiscard]] std::optional<TransportFailure> close_cause() const;

  // Called whenever there is something new (a message, open, closed), on the I/O thread, without a
  // lock; must not block, and must cope with being called late, when nobody is interested any more.
  // Called once at once, too, so that nothing that came before is missed.
  void set_ready_hook(std::function<void()> hook);

  // Close handshake in the background.
  void close();
  // Ends the connection now.
  void abort();

  void on_open() override;
  void on_message(std::string message) override;
  void on_drained() override;
  void on_closed(const TransportFailure& why) override;

 private:
  explicit MessageStream(std::size_t high_water_bytes) : high_water_bytes_(high_water_bytes) {}
  void call_ready_hook();
  void apply_backpressure();
  [[nodiscard]] std::shared_ptr<WebSocketConnection> connection() const;

  const std::size_t high_water_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<WebSocketConnection> connection_;
  std::deque<std::string> messages_;
  std::size_t queued_bytes_{0};
  std::uint64_t version_{0};
  bool open_{false};
  // Whether the socket should be left unread; whether it has been told so; whether a thread is
  // about to tell it.
  bool want_paused_{false};
  bool is_paused_{false};
  bool applying_{false};
  // Counted, not flagged: several threads may wait for room at once.
  std::uint64_t drained_{0};
  std::optional<TransportFailure> closed_;
  std::shared_ptr<const std::function<void()>> ready_hook_;
};

}  // namespace nullspace::inline v0::transport

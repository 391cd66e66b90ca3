#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "local/guest/unique_fd.hpp"
#include "local/server/event_loop.hpp"

namespace nullspace::local {

// A connected TCP socket on the loop: bytes in by callback, bytes out through a queue. Whoever
// holds it watches queued() and stops producing; the queue itself has no limit.
class SocketStream {
 public:
  struct Events {
    std::function<void(std::string_view)> on_data;
    // The peer will send nothing more. Once.
    std::function<void()> on_end;
    // The connection is of no use any more. Once, and the last one.
    std::function<void()> on_broken;
    // The queue has become shorter than kLowWater after it was longer than kHighWater, or empty.
    std::function<void()> on_drain;
  };
  static constexpr std::size_t kHighWater = std::size_t{512} << 10U;
  static constexpr std::size_t kLowWater = std::size_t{128} << 10U;

  SocketStream(EventLoop& loop, guest::UniqueFd socket);
  ~SocketStream();
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  // Events come from the loop only, never from inside a call; callbacks may destroy the stream.
  void set_events(Events events) { events_ = std::make_shared<const Events>(std::move(events)); }

  // Sent before the loop waits the next time, together with whatever else is written until then.
  void write(std::string bytes);
  [[nodiscard]] std::size_t queued() const { return queued_; }
  // Bytes that the peer's system has not taken yet, as far as this system knows.
  [[nodiscard]] std::size_t unacknowledged() const;
  // Everything ever handed to the kernel.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  void pause_reading(bool paused);
  [[nodiscard]] bool reading_paused() const { return paused_ || reading_stalled_; }
  // No more will be written: the peer sees the end once the queue is empty.
  void shutdown_when_sent();
  [[nodiscard]] bool broken() const { return broken_; }

  // --- what a network does to a connection, on request ---

  enum class Cut {
    reset,  // RST
    end,    // FIN; what the peer still sends is ignored
    stall,  // a pause
    vanish  // see vanish()
  };
  // Once `bytes` more than what is queued now have been sent, the connection is cut or, for that
  // long, stalled. What is written behind a cut is dropped. Not more than one at a time.
  void cut_after(std::uint64_t bytes, Cut cut, Clock::duration stall = {});
  void forget_cut() { gate_.reset(); }
  // At once, or after what is queued has reached the peer's system.
  void reset();
  void reset_when_sent() { cut_after(0, Cut::reset); }
  // From now on nothing is read, or nothing is written.
  void stall_reading();
  void stall_writing();
  [[nodiscard]] bool writing_stalled() const { return writing_stalled_; }
  // The peer gets no sign of life any more, not even of the connection's end. Broken a while after
  // the peer has given up.
  void vanish();

 private:
  struct Gate {
    std::uint64_t at = 0;  // of sent_
    Cut cut = Cut::reset;
    Clock::duration stall{};
  };

  void ready(Readiness readiness);
  void reach_gate();
  void cut_off();
  void await_reset(Clock::time_point limit);
  void read_some();
  void flush();
  void schedule_flush();
  void break_off();
  void drop_queue();
  void update_interest();

  EventLoop& loop_;
  guest::UniqueFd socket_;
  std::shared_ptr<const Events> events_ = std::make_shared<const Events>();
  std::deque<std::string> outgoing_;
  std::size_t front_sent_ = 0;
  std::size_t queued_ = 0;
  std::uint64_t sent_ = 0;
  bool above_high_water_ = false;
  bool flush_scheduled_ = false;
  bool paused_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool shutdown_wanted_ = false;
  bool reading_stalled_ = false;
  bool writing_stalled_ = false;
  bool cut_off_ = false;  // nothing may be written any more
  bool vanished_ = false;
  std::optional<Gate> gate_;
  Timer fault_timer_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::optional<FdWatch> watch_;
};

}  // namespace nullspace::local

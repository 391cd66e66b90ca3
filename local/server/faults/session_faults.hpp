#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "local/server/connection.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/faults/fault_book.hpp"

namespace nullspace::local {

class WebSocketSession;

// What goes wrong on one WebSocket: asks the rules, and does what they decide.
class SessionFaults {
 public:
  SessionFaults(const ServingContext& context, std::shared_ptr<const ConnectionOwner> owner,
                WebSocketSession& session);

  // Whether messages have to come by here at all.
  [[nodiscard]] bool active() const {
    return !own_.empty() || !context_.faults.idle() || delay_ > Clock::duration::zero();
  }
  // Sends a message, or whatever becomes of it.
  void send(std::string text);
  // Decides what concerns the socket as a whole.
  void settle();
  // True when the socket will be closed once the delayed messages are gone.
  bool close_later(std::uint16_t code, std::string_view reason);
  // The socket is over.
  void stop();

  [[nodiscard]] bool pongs_stalled() const { return pongs_stalled_; }
  [[nodiscard]] bool pings_stalled() const { return pings_stalled_; }
  [[nodiscard]] std::size_t delayed_bytes() const { return delayed_bytes_; }

 private:
  struct Delayed {
    Clock::time_point due;
    std::string text;  // of a message, or the reason of a close
    std::optional<std::uint16_t> close_code;
  };

  void emit(std::string text);
  void emit_changed(const Fault& fault, std::string text);
  void apply(const Fault& fault);
  void put_off(Delayed delayed);
  void arm();

  ServingContext context_;
  std::shared_ptr<const ConnectionOwner> owner_;
  WebSocketSession& session_;
  FaultList own_;
  std::set<std::uint64_t> decided_;
  std::set<std::uint64_t> own_decided_;

  bool pongs_stalled_ = false;
  bool pings_stalled_ = false;
  Clock::duration delay_{};
  std::deque<Delayed> delayed_;
  std::size_t delayed_bytes_ = 0;
  Timer delay_timer_;
};

}  // namespace nullspace::local

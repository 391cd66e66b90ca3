#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "local/server/auth.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/faults/fault_rule.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/websocket_frames.hpp"

namespace nullspace::local {

class FaultBook;

// What every connection works with.
struct ServingContext {
  EventLoop& loop;
  ServiceClock& clock;
  FaultBook& faults;
  Clock::duration ping_interval;  // 0: none
};

// Whom a connection belongs to, as the front door found out.
struct ConnectionOwner {
  AccountId account = 0;
  RequestFacts facts;
  std::vector<FaultRule> faults;  // that the request asked for itself
};

// How a connection is ended under its client.
struct ConnectionEnd {
  enum class How {
    reset,  // RST
    close,  // a WebSocket by its closing handshake, another orderly
    vanish  // it stays, and nothing happens on it any more
  };
  How how = How::reset;
  std::uint16_t close_code = kCloseGoingAway;
};

// The end that a client sees as that close code: 1006 is a RST. Nothing for a code that must not
// be sent.
inline std::optional<ConnectionEnd> closing_with(std::int64_t code) {
  if (code == kCloseAbnormal) return ConnectionEnd{ConnectionEnd::How::reset, kCloseGoingAway};
  if (!may_be_close_code(code)) return std::nullopt;
  return ConnectionEnd{ConnectionEnd::How::close, static_cast<std::uint16_t>(code)};
}

}  // namespace nullspace::local

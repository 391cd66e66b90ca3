#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "local/server/connection.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/faults/fault_book.hpp"
#include "local/server/request.hpp"

namespace nullspace::local {

// Where requests pass on their way from the front door to their routes: does to them what the
// account's rules and their own header ask for.
class FaultInjector {
 public:
  using Serve = std::function<void(const RequestPtr&)>;

  // With `by_header` requests may ask for a fault themselves, by `x-nullspace-fault`.
  FaultInjector(EventLoop& loop, FaultBook& book, bool by_header)
      : loop_(loop), book_(book), by_header_(by_header) {}

  // Calls `serve`, now, later or never.
  void pass(const RequestPtr& request, const Serve& serve);
  // That have passed, and how many of them asked for a WebSocket.
  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t websockets = 0;
  };
  [[nodiscard]] Counts counts(AccountId account) const;

 private:
  void inject(const RequestPtr& request, const std::vector<Fault>& faults, const Serve& serve);
  void serve_after(Clock::duration delay, const RequestPtr& request, const Serve& serve);

  EventLoop& loop_;
  FaultBook& book_;
  bool by_header_;
  std::map<AccountId, Counts> counts_;
  std::map<std::uint64_t, std::unique_ptr<Timer>> delays_;
  std::uint64_t last_delay_ = 0;
};

}  // namespace nullspace::local

#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <variant>

#include <nullspace/json.hpp>

#include "local/server/api_error.hpp"
#include "local/server/auth.hpp"
#include "local/server/faults/fault_book.hpp"
#include "local/server/faults/fault_injector.hpp"
#include "local/server/idempotency.hpp"
#include "local/server/listener.hpp"
#include "local/server/sandbox_service.hpp"
#include "local/server/service_clock.hpp"

namespace nullspace::local {

// What a test may do to a server, in words of JSON: by HTTP below /_emu, or in the server's own
// process. Loop's thread only.
class ControlDoor {
 public:
  using Outcome = std::variant<Json, ApiError>;
  using Callback = std::function<void(Outcome)>;

  struct Parts {
    SandboxService& service;
    IdempotencyStore& idempotency;
    ServiceClock& clock;
    FaultBook& faults;
    const FaultInjector& injector;
    Listener& listener;
  };
  explicit ControlDoor(Parts parts) : parts_(parts) {}

  // Rules: installs one or several, shows them with their accounting, takes them away.
  Outcome install_faults(AccountId account, std::string_view text);
  [[nodiscard]] Json faults(AccountId account) const;
  Outcome remove_fault(AccountId account, std::string_view id);
  Json clear_faults(AccountId account);

  Outcome drop_connections(AccountId account, std::string_view json);
  std::size_t drop_connections(const ConnectionFilter& filter, ConnectionEnd end);
  // Sandboxes, rules, remembered answers: as if the server had just been started.
  Json reset(AccountId account);
  [[nodiscard]] Json stats(AccountId account) const;

  [[nodiscard]] Json clock() const;
  [[nodiscard]] Timestamp now() const { return parts_.clock.wall(); }
  // Answers when everything is done that became due.
  void advance_clock(std::string_view json, const Callback& done);
  void set_clock(std::string_view json, const Callback& done);
  void advance_clock(Clock::duration by, const Callback& done);

 private:
  Parts parts_;
};

}  // namespace nullspace::local

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "local/server/auth.hpp"
#include "local/server/background_worker.hpp"
#include "local/server/control_door.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/faults/fault_book.hpp"
#include "local/server/faults/fault_injector.hpp"
#include "local/server/front_door.hpp"
#include "local/server/idempotency.hpp"
#include "local/server/lifecycle_journal.hpp"
#include "local/server/listener.hpp"
#include "local/server/router.hpp"
#include "local/server/routes/api.hpp"
#include "local/server/sandbox_service.hpp"
#include "local/server/webhook_dispatcher.hpp"
#include "local/server/webhook_sender.hpp"

namespace nullspace::local {

// The parts of a running server, put together. Everything but the constructor belongs to the loop's
// thread.
class ServerCore {
 public:
  struct Options {
    std::vector<Secret> api_keys;
    bool any_host = false;
    bool control = false;  // by HTTP; see ControlDoor
    std::chrono::milliseconds ping_interval{0};
    std::vector<std::chrono::milliseconds> webhook_retry_delays;
    std::function<void(const std::string&)> log;
  };

  ServerCore(EventLoop& loop, const Machinery& machinery, const Options& options);

  [[nodiscard]] Listener& listener() { return listener_; }
  [[nodiscard]] ControlDoor& control() { return control_; }
  // Ends everything and then the loop.
  void shut_down();

 private:
  [[nodiscard]] HttpHandlers handlers();
  void await_websockets();

  EventLoop& loop_;
  KeyRing keys_;
  LifecycleJournal journal_;
  WebhookSender webhook_sender_;
  std::shared_ptr<WebhookDispatcher> webhooks_;
  SandboxService service_;
  IdempotencyStore idempotency_;
  Api api_;
  Router router_;
  FaultBook faults_;
  FaultInjector injector_;
  FrontDoor front_door_;
  Listener listener_;
  ControlDoor control_;
  Timer shutdown_timer_;
  Clock::time_point shutdown_limit_;
};

}  // namespace nullspace::local

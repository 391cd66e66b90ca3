#pragma once

#include <functional>
#include <memory>
#include <string>

#include "local/server/event_loop.hpp"
#include "local/server/idempotency.hpp"
#include "local/server/lifecycle_journal.hpp"
#include "local/server/request.hpp"
#include "local/server/router.hpp"
#include "local/server/sandbox_service.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/webhook_dispatcher.hpp"

namespace nullspace::local {

class ControlDoor;

// What the routes work with.
struct Api {
  EventLoop& loop;
  ServiceClock& clock;
  SandboxService& service;
  IdempotencyStore& idempotency;
  LifecycleJournal& journal;
  WebhookDispatcher& webhooks;
};

// The sandbox that the first id of the path names, or the answer that there is none.
std::shared_ptr<Sandbox> find_sandbox(const Api& api, const RequestPtr& request);

// The same for what only a running one can do; one that may be woken by use is.
void with_running_sandbox(const Api& api, const RequestPtr& request,
                          std::function<void(const std::shared_ptr<Sandbox>&)> use);

// A pid out of the path; the answer to one that cannot be is given here.
bool read_pid(const RequestPtr& request, std::size_t index, int& pid);

void add_sandbox_routes(Router& router, const Api& api);
void add_transition_routes(Router& router, const Api& api);
void add_exec_routes(Router& router, const Api& api);
void add_process_routes(Router& router, const Api& api);
void add_pty_routes(Router& router, const Api& api);
void add_channel_routes(Router& router, const Api& api);
void add_lifecycle_routes(Router& router, const Api& api);
void add_webhook_routes(Router& router, const Api& api);
void add_control_routes(Router& router, ControlDoor& door);
// The service's other routes, so that a client learns that they are missing here and not in the
// service.
void add_missing_routes(Router& router);

}  // namespace nullspace::local

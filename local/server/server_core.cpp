#include "local/server/server_core.hpp"

#include <utility>

#include "transport/curl_http.hpp"

namespace nullspace::local {

namespace {

constexpr auto kCloseWait = std::chrono::milliseconds(250);
constexpr auto kClosePoll = std::chrono::milliseconds(10);
constexpr auto kShutdownLimit = std::chrono::seconds(15);

}  // namespace

ServerCore::ServerCore(EventLoop& loop, const Machinery& machinery, const Options& options)
    : loop_(loop),
      keys_(options.api_keys),
      journal_([&clock = machinery.clock] { return clock.wall(); }),
      webhook_sender_(loop_,
                      std::make_shared<transport::CurlHttpTransport>(transport::CurlHttpOptions{})),
      webhooks_(std::make_shared<WebhookDispatcher>(machinery.clock, webhook_sender_,
                                                    options.webhook_retry_delays)),
      service_(machinery, journal_,
               [log = options.log](const std::string& line) {
                 if (log) log(line);
               }),
      api_{loop_, machinery.clock, service_, idempotency_, journal_, *webhooks_},
      injector_(loop_, faults_, options.control),
      front_door_(router_, keys_, injector_, {options.any_host, options.control, options.log}),
      listener_({loop_, machinery.clock, faults_, options.ping_interval}, handlers()),
      control_({service_, idempotency_, machinery.clock, faults_, injector_, listener_}),
      shutdown_timer_(loop_) {
  add_sandbox_routes(router_, api_);
  add_transition_routes(router_, api_);
  add_exec_routes(router_, api_);
  add_process_routes(router_, api_);
  add_pty_routes(router_, api_);
  add_channel_routes(router_, api_);
  add_lifecycle_routes(router_, api_);
  add_webhook_routes(router_, api_);
  if (options.control) add_control_routes(router_, control_);
  add_missing_routes(router_);
  journal_.add_observer(webhooks_);
}

HttpHandlers ServerCore::handlers() {
  HttpHandlers handlers;
  handlers.on_request = [this](HttpRequest request, Responder responder) {
    front_door_.serve(std::move(request), std::move(responder));
  };
  handlers.on_malformed = [](const HttpFailure& failure) { return FrontDoor::refuse(failure); };
  return handlers;
}

void ServerCore::shut_down() {
  listener_.close();
  webhooks_->stop();
  webhook_sender_.stop();
  shutdown_timer_.start(kShutdownLimit, [this] { loop_.stop(); });
  service_.shut_down([this] {
    shutdown_limit_ = Clock::now() + kCloseWait;
    await_websockets();
  });
}

// Clients get a moment to answer the closing handshake and to take their last answers.
void ServerCore::await_websockets() {
  shutdown_timer_.start(kClosePoll, [this] {
    if (listener_.has_websockets() && Clock::now() < shutdown_limit_) return await_websockets();
    listener_.abort();
    loop_.stop();
  });
}

}  // namespace nullspace::local

#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "local/server/auth.hpp"
#include "local/server/sandbox_service.hpp"
#include "local/server/websocket_session.hpp"
#include "wire/monitor_messages.hpp"

namespace nullspace::local {

// `/v1/monitor/ws`: all sandboxes of one account, as they change and what they use. A client that
// does not keep up misses samples, never changes.
class MonitorChannel : public WebSocketHandler,
                       public SandboxObserver,
                       public std::enable_shared_from_this<MonitorChannel> {
 public:
  MonitorChannel(ServiceClock& clock, SandboxService& service, AccountId account);

  void on_open(std::shared_ptr<WebSocketSession> session) override;
  void on_message(std::string text, bool binary) override;
  void on_drain() override;
  void on_closed() override;

  void on_sandbox_changed(const Sandbox& sandbox) override;
  void on_sandbox_removed(const Sandbox& sandbox) override;

 private:
  struct Subscription {
    Subscription(ServiceClock& clock, std::chrono::milliseconds every, bool processes)
        : interval(every), include_processes(processes), timer(clock) {}
    std::chrono::milliseconds interval;
    bool include_processes;
    ServiceTimer timer;
  };

  void handle(std::string_view text);
  void subscribe(const wire::MonitorSubscribe& message);
  void tick(const std::string& id);
  void report(const std::string& id, Subscription& subscription);
  void send_snapshot(const std::string& id);
  void send_update(const Sandbox& sandbox, bool removed);
  void send(std::string message);

  ServiceClock& clock_;
  SandboxService& service_;
  AccountId account_;
  std::shared_ptr<WebSocketSession> session_;
  std::map<std::string, std::shared_ptr<Subscription>> subscriptions_;
};

}  // namespace nullspace::local

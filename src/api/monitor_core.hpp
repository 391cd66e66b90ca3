// One monitor subscription: connects, subscribes, hands out events, and comes back when the
// connection is lost.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <nullspace/monitor.hpp>

#include "api/client_core.hpp"
#include "api/open_stream.hpp"
#include "api/serial_steps.hpp"
#include "api/subscription_core.hpp"
#include "transport/message_stream.hpp"
#include "wire/monitor_messages.hpp"

namespace nullspace::inline v0::detail {

// Everything that calls the application happens in step(), inside the gate, on the client's
// executor.
class MonitorCore final : public SubscriptionCore, public SerialSteps {
 public:
  MonitorCore(std::shared_ptr<ClientCore> client, MonitorOptions options);

  // Makes the first connection. Blocks.
  [[nodiscard]] support::Result<void> start();

  void stop() noexcept override;
  [[nodiscard]] StreamState state() const noexcept override;
  [[nodiscard]] std::optional<Error> last_error() const override;

 private:
  bool step() override;
  // Ends the connection and every attempt to make another.
  void disconnect() noexcept;
  void step_soon() { schedule(client_->executor()); }
  [[nodiscard]] std::weak_ptr<MonitorCore> weak_self();

  // Inside the gate: the connection's life.
  void use(std::shared_ptr<transport::MessageStream> stream);
  void connect_again();
  void lost(const TransportFailure& why);
  void try_again_later(ErrorInfo cause);
  void give_up(ErrorInfo cause);

  // Inside the gate: the application.
  void handle(std::string message);
  void enter(StreamState state, std::optional<ErrorInfo> cause);
  void report(ErrorInfo error);
  // Runs a callback; one that throws ends the subscription.
  template <typename Callback, typename Event>
  void deliver(const Callback& callback, const Event& event);

  const std::shared_ptr<ClientCore> client_;
  const MonitorOptions options_;
  const StreamTarget target_;
  const std::string id_;

  std::atomic<bool> reconnect_due_{false};

  // Only touched inside the gate (and by start() before anything runs).
  bool subscribed_{false};
  int attempts_{0};

  mutable std::mutex mutex_;
  std::shared_ptr<transport::MessageStream> stream_;
  std::optional<transport::Dispatcher::TimerId> timer_;
  StreamState state_{StreamState::connecting};
  std::optional<Error> last_error_;
  bool stopped_{false};
};

}  // namespace nullspace::inline v0::detail

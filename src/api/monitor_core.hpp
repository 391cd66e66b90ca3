// One monitor subscription: subscribes, hands out events, and makes up for what a lost connection
// hid.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include <nullspace/monitor.hpp>

#include "api/client_core.hpp"
#include "api/subscription_stream.hpp"
#include "support/result.hpp"
#include "transport/message_stream.hpp"
#include "wire/monitor_messages.hpp"

namespace nullspace::inline v0::detail {

class MonitorCore final : public SubscriptionStream {
 public:
  // Makes the first connection and subscribes. Blocks.
  [[nodiscard]] static support::Result<std::shared_ptr<MonitorCore>> open(
      std::shared_ptr<const ClientCore> client, MonitorOptions options);

  MonitorCore(std::shared_ptr<const ClientCore> client,
              std::shared_ptr<transport::MessageStream> stream, std::string id,
              MonitorOptions options);

 private:
  [[nodiscard]] std::optional<std::string> greeting() override;
  [[nodiscard]] std::string farewell() const override;
  void handle_message(std::string message) override;
  void handle(const MonitorSnapshotEvent& snapshot);
  void handle(const MonitorUpdateEvent& update);

  const MonitorOptions options_;
  const std::string id_;
  // The sandboxes that the application knows of. Only touched inside the gate.
  std::set<std::string, std::less<>> known_;
};

}  // namespace nullspace::inline v0::detail

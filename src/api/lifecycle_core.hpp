// One subscription to lifecycle events.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <nullspace/lifecycle.hpp>

#include "api/client_core.hpp"
#include "api/lifecycle_feed.hpp"
#include "api/subscription_stream.hpp"
#include "support/result.hpp"
#include "transport/message_stream.hpp"

namespace nullspace::inline v0::detail {

class LifecycleCore final : public SubscriptionStream, private LifecycleSink {
 public:
  // Makes the first connection and subscribes. Blocks.
  [[nodiscard]] static support::Result<std::shared_ptr<LifecycleCore>> open(
      std::shared_ptr<const ClientCore> client, LifecycleSubscribeOptions options);

  LifecycleCore(std::shared_ptr<const ClientCore> client,
                std::shared_ptr<transport::MessageStream> stream,
                std::unique_ptr<LifecycleFeed> feed, LifecycleSubscribeOptions options);

 private:
  [[nodiscard]] std::optional<std::string> greeting() override;
  [[nodiscard]] Reply handle_reply(std::string message) override;
  void handle_connected(bool again) override;
  void handle_message(std::string message) override;
  void handle_shut() noexcept override;

  void take_event(LifecycleEvent event) override;
  void take_gap(LifecycleGap gap) override;
  void take_problem(ErrorInfo problem) override;

  void catch_up();

  const LifecycleSubscribeOptions options_;
  // Only touched inside the gate.
  const std::unique_ptr<LifecycleFeed> feed_;
  // Ends a look at the log that nobody waits for any more.
  std::stop_source stopping_;
};

}  // namespace nullspace::inline v0::detail

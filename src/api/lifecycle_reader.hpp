// Lifecycle events for a thread that asks for one after the other.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <nullspace/lifecycle.hpp>

#include "api/client_core.hpp"
#include "api/lifecycle_feed.hpp"
#include "api/live_stream.hpp"
#include "support/result.hpp"
#include "transport/message_stream.hpp"

namespace nullspace::inline v0::detail {

class LifecycleReader final : public LiveStream, private LifecycleSink {
 public:
  // Makes the first connection and subscribes. Blocks.
  [[nodiscard]] static support::Result<std::shared_ptr<LifecycleReader>> open(
      std::shared_ptr<const ClientCore> client, LifecycleSource source,
      LifecycleStreamOptions options);

  LifecycleReader(std::shared_ptr<const ClientCore> client,
                  std::shared_ptr<transport::MessageStream> stream,
                  std::unique_ptr<LifecycleFeed> feed, LifecycleStreamOptions options);

  // See LifecycleStream::next(). By one thread at a time.
  [[nodiscard]] std::optional<LifecycleEvent> next();
  // By any thread.
  void close() noexcept;

 private:
  [[nodiscard]] std::optional<std::string> greeting() override;
  [[nodiscard]] Reply handle_reply(std::string message) override;
  void handle_connected(bool again) override;
  void handle_message(std::string message) override;
  void handle_lost(const ErrorInfo& cause) override;
  void handle_end(ErrorInfo cause) override;
  void handle_shut() noexcept override;
  void handle_exception(std::exception_ptr thrown) override;

  void take_event(LifecycleEvent event) override;
  void take_gap(LifecycleGap gap) override;
  void take_problem(ErrorInfo problem) override;

  void announce(StreamState state, const ErrorInfo* cause = nullptr) const;

  const LifecycleStreamOptions options_;
  // All of these are only touched by the thread that reads.
  const std::unique_ptr<LifecycleFeed> feed_;
  std::deque<LifecycleEvent> ready_;
  std::optional<ErrorInfo> end_;

  std::stop_source stopping_;
  // The application's token ends a look at the log, too.
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace nullspace::inline v0::detail

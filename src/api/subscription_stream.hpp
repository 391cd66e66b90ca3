// What the subscriptions to events have in common: state, errors, the end.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <nullspace/error.hpp>
#include <nullspace/stream_state.hpp>

#include "api/live_stream.hpp"
#include "api/subscription_core.hpp"

namespace nullspace::inline v0::detail {

// A callback that throws ends its subscription.
class SubscriptionStream : public SubscriptionCore, public LiveStream {
 public:
  void stop() noexcept override;
  [[nodiscard]] StreamState state() const noexcept override;
  [[nodiscard]] std::optional<Error> last_error() const override;

 protected:
  struct Observers {
    std::function<void(const Error&)> on_error{};
    std::function<void(const StateChange&)> on_state_change{};
  };

  SubscriptionStream(std::shared_ptr<const ClientCore> client,
                     std::shared_ptr<transport::MessageStream> stream, Channel channel,
                     Observers observers);

  // What the server is told before the connection closes; "" for nothing.
  [[nodiscard]] virtual std::string farewell() const { return {}; }

  // Something went wrong and the subscription goes on: to on_error, else to the log.
  void report(ErrorInfo error);
  // Over for good, for this reason.
  void give_up(ErrorInfo cause);
  template <typename Callback, typename Event>
  void deliver(const Callback& callback, const Event& event) {
    // A callback may have stopped the subscription a moment ago.
    if (callback && !gate().closed()) callback(event);
  }

  void handle_connected(bool again) override;
  void handle_lost(const ErrorInfo& cause) override;
  void handle_end(ErrorInfo cause) override;
  void handle_exception(std::exception_ptr thrown) override;

 private:
  // False when it was closed already.
  bool enter(StreamState state, const std::optional<Error>& cause);
  void announce(StreamState state, std::optional<ErrorInfo> cause);

  const std::string_view name_;
  const Observers observers_;

  mutable std::mutex mutex_;
  StreamState state_{StreamState::connecting};
  std::optional<Error> last_error_;
};

}  // namespace nullspace::inline v0::detail

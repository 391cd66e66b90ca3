#include "api/subscription_stream.hpp"

#include <utility>

#include "support/error_info.hpp"

namespace nullspace::inline v0::detail {

SubscriptionStream::SubscriptionStream(std::shared_ptr<const ClientCore> client,
                                       std::shared_ptr<transport::MessageStream> stream,
                                       Channel channel, Observers observers)
    : LiveStream(std::move(client), std::move(stream), channel),
      name_(channel.name),
      observers_(std::move(observers)) {}

void SubscriptionStream::stop() noexcept {
  // In a child that was forked off there is nothing to stop, and the mutex may be held for ever.
  if (gate().closed()) {
    shut();
    return;
  }
  const bool first = enter(StreamState::closed, std::nullopt);
  // A courtesy; the closed socket says the same.
  if (first && attached()) {
    if (const std::string words = farewell(); !words.empty()) send_soon(words);
  }
  shut();
}

StreamState SubscriptionStream::state() const noexcept {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> SubscriptionStream::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

bool SubscriptionStream::enter(StreamState state, const std::optional<Error>& cause) {
  const std::lock_guard lock(mutex_);
  if (state_ == StreamState::closed) return false;
  state_ = state;
  if (state == StreamState::closed) last_error_ = cause;
  return true;
}

void SubscriptionStream::announce(StreamState state, std::optional<ErrorInfo> cause) {
  std::optional<Error> error;
  if (cause) error.emplace(*std::move(cause));
  if (!enter(state, error)) return;
  deliver(observers_.on_state_change, StateChange{state, std::move(error)});
}

void SubscriptionStream::report(ErrorInfo error) {
  if (observers_.on_error) {
    deliver(observers_.on_error, Error(std::move(error)));
  } else {
    client().logger().log(LogLevel::warning, name_, error.message);
  }
}

void SubscriptionStream::give_up(ErrorInfo cause) {
  finish();
  report(cause);
  announce(StreamState::closed, std::move(cause));
}

void SubscriptionStream::handle_connected(bool /*again*/) {
  announce(StreamState::connected, std::nullopt);
}

void SubscriptionStream::handle_lost(const ErrorInfo& cause) {
  announce(StreamState::reconnecting, cause);
}

void SubscriptionStream::handle_end(ErrorInfo cause) {
  give_up(std::move(cause));
}

void SubscriptionStream::handle_exception(std::exception_ptr thrown) {
  const ErrorInfo error = support::callback_failed(name_, std::move(thrown));
  // Also when nobody can be told any more, because it stopped the subscription before it threw.
  client().logger().log(LogLevel::error, name_, error.message);
  finish();
  // It was the last call of all, or one about the end.
  if (state() == StreamState::closed) return;
  // Callbacks that are to hear of it may throw as well; last_error() has the first cause.
  const auto try_to = [this](const auto& tell) {
    try {
      tell();
    } catch (...) {
      const ErrorInfo another = support::callback_failed(name_, std::current_exception());
      client().logger().log(LogLevel::error, name_, another.message);
    }
  };
  try_to([&] { report(error); });
  try_to([&] { announce(StreamState::closed, error); });
}

}  // namespace nullspace::inline v0::detail

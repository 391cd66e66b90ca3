#include "api/monitor_core.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "support/error_info.hpp"
#include "support/random.hpp"
#include "transport/backoff.hpp"
#include "wire/endpoints.hpp"

namespace nullspace::inline v0::detail {

namespace {

Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

MonitorCore::MonitorCore(std::shared_ptr<ClientCore> client, MonitorOptions options)
    : client_(std::move(client)),
      options_(std::move(options)),
      target_{.path = std::string(wire::kMonitorWsPath)},
      id_("monitor_" + support::random_hex(8)) {}

support::Result<void> MonitorCore::start() {
  const Timeouts& timeouts = client_->options().timeouts;
  auto opened = open_stream(*client_, target_,
                            support::Expiry::after(timeouts.websocket_open + timeouts.request), {});
  if (!opened.ok()) return std::move(opened).error();
  use(*std::move(opened));
  return {};
}

void MonitorCore::stop() noexcept {
  gate().close();
  disconnect();
  gate().wait_empty();
}

void MonitorCore::disconnect() noexcept {
  std::shared_ptr<transport::MessageStream> stream;
  std::optional<transport::Dispatcher::TimerId> timer;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    state_ = StreamState::closed;
    stream.swap(stream_);
    timer.swap(timer_);
  }
  if (timer) client_->timers().cancel(*timer);
  if (!stream) return;
  // A courtesy; the closed socket says the same.
  if (stream->is_open()) {
    (void)stream->send(wire::encode(wire::MonitorUnsubscribe{.id = id_}),
                       support::Expiry::after(std::chrono::milliseconds{0}), {});
  }
  stream->close();
}

StreamState MonitorCore::state() const noexcept {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> MonitorCore::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

std::weak_ptr<MonitorCore> MonitorCore::weak_self() {
  return std::static_pointer_cast<MonitorCore>(shared_from_this());
}

bool MonitorCore::step() {
  std::shared_ptr<transport::MessageStream> stream;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == StreamState::closed) return false;
    stream = stream_;
  }
  if (!stream) {
    if (!reconnect_due_.exchange(false)) return false;
    connect_again();
    return true;
  }
  if (!subscribed_ && stream->is_open()) {
    subscribed_ = true;
    const wire::MonitorSubscribe hello{
        .id = id_, .interval = options_.interval, .include_processes = options_.include_processes};
    (void)stream->send(wire::encode(hello), support::Expiry::after(std::chrono::milliseconds{0}),
                       {});
    enter(StreamState::connected, std::nullopt);
    return true;
  }
  if (auto message = stream->take()) {
    attempts_ = 0;
    handle(*std::move(message));
    return true;
  }
  if (stream->exhausted()) {
    {
      const std::lock_guard lock(mutex_);
      stream_.reset();
    }
    lost(*stream->close_cause());
    return true;
  }
  return false;
}

void MonitorCore::use(std::shared_ptr<transport::MessageStream> stream) {
  subscribed_ = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) {
      stream->abort();
      return;
    }
    stream_ = stream;
  }
  stream->set_ready_hook([weak = weak_self()] {
    if (const auto self = weak.lock()) self->step_soon();
  });
}

void MonitorCore::connect_again() {
  std::shared_ptr<transport::MessageStream> stream;
  try {
    stream =
        transport::MessageStream::open(client_->websocket(), websocket_request(*client_, target_),
                                       client_->options().receive_buffer_bytes);
  } catch (const std::exception& exception) {
    // No memory or no thread to be had now: as good as a connection that does not open.
    try_again_later(support::transport_error(exception.what()));
    return;
  }
  use(std::move(stream));
}

void MonitorCore::lost(const TransportFailure& why) {
  if (subscribed_) {
    try_again_later(stream_cut(why));
    return;
  }
  // There is no sandbox to ask for, so this does not block.
  OpenFailure failure = explain_open_failure(*client_, target_, why, support::Expiry::never(), {});
  if (failure.worth_retrying) {
    try_again_later(std::move(failure.error));
  } else {
    give_up(std::move(failure.error));
  }
}

void MonitorCore::try_again_later(ErrorInfo cause) {
  const ReconnectOptions& reconnect = client_->options().reconnect;
  if (!reconnect.enabled || (reconnect.max_attempts > 0 && attempts_ >= reconnect.max_attempts)) {
    give_up(std::move(cause));
    return;
  }
  const auto delay =
      transport::full_jitter({.initial = reconnect.initial_delay, .max = reconnect.max_delay},
                             attempts_++, support::random_unit());
  client_->logger().log(
      LogLevel::warning, "monitor",
      fmt::format("connection lost, trying again in {} ms: {}", delay.count(), cause.message));
  enter(StreamState::reconnecting, std::move(cause));
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  timer_ = client_->timers().post_after(delay, [weak = weak_self()] {
    const auto self = weak.lock();
    if (!self) return;
    self->reconnect_due_ = true;
    self->step_soon();
  });
}

void MonitorCore::give_up(ErrorInfo cause) {
  report(cause);
  enter(StreamState::closed, std::move(cause));
}

void MonitorCore::handle(std::string message) {
  auto decoded = wire::decode_monitor_message(message, now());
  if (!decoded.ok()) {
    report(std::move(decoded).error());
    return;
  }
  if (decoded->id != id_) return;
  if (const auto* snapshot = std::get_if<MonitorSnapshotEvent>(&decoded->event)) {
    deliver(options_.on_snapshot, *snapshot);
  } else if (const auto* update = std::get_if<MonitorUpdateEvent>(&decoded->event)) {
    deliver(options_.on_update, *update);
  } else if (const auto* metrics = std::get_if<MonitorMetricsEvent>(&decoded->event)) {
    deliver(options_.on_metrics, *metrics);
  } else if (const auto* processes = std::get_if<MonitorProcessesEvent>(&decoded->event)) {
    deliver(options_.on_processes, *processes);
  } else if (auto* problem = std::get_if<wire::MonitorProblem>(&decoded->event)) {
    ErrorInfo error;
    error.code = "monitor_error";
    error.message = std::move(problem->message);
    report(std::move(error));
  }
}

void MonitorCore::enter(StreamState state, std::optional<ErrorInfo> cause) {
  std::optional<Error> error;
  if (cause) error.emplace(*std::move(cause));
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || state_ == StreamState::closed) return;
    state_ = state;
    if (state == StreamState::closed) last_error_ = error;
  }
  deliver(options_.on_state_change, StateChange{state, std::move(error)});
}

void MonitorCore::report(ErrorInfo error) {
  if (options_.on_error) {
    deliver(options_.on_error, Error(std::move(error)));
  } else {
    client_->logger().log(LogLevel::warning, "monitor", error.message);
  }
}

template <typename Callback, typename Event>
void MonitorCore::deliver(const Callback& callback, const Event& event) {
  // A callback may have stopped the subscription a moment ago.
  if (!callback || gate().closed()) return;
  ErrorInfo error;
  try {
    callback(event);
    return;
  } catch (...) {
    error = support::callback_failed("monitor", std::current_exception());
  }
  // Also when nobody can be told any more, because it stopped the subscription before it threw.
  client_->logger().log(LogLevel::error, "monitor", error.message);
  std::shared_ptr<transport::MessageStream> stream;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == StreamState::closed)
      return;  // It was the last call of all, or one about the end.
    state_ = StreamState::closed;
    last_error_.emplace(error);
    stream.swap(stream_);
  }
  if (stream) stream->close();
  report(error);
  deliver(options_.on_state_change, StateChange{StreamState::closed, Error(std::move(error))});
}

}  // namespace nullspace::inline v0::detail

#include "api/live_stream.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "support/random.hpp"

namespace nullspace::inline v0 {

namespace {

using std::chrono::milliseconds;
using Action = transport::ChannelState::Action;

transport::ChannelState::Time now() {
  return transport::ChannelState::Time::clock::now();
}

// "For ever" must not overflow the clock.
milliseconds sane(milliseconds duration) {
  constexpr milliseconds kLongest = std::chrono::hours{24 * 365};
  return std::clamp(duration, milliseconds{0}, kLongest);
}

transport::ChannelState::Policy policy(const ReconnectOptions& options,
                                       milliseconds answer_within) {
  return {.reconnect = options.enabled,
          .initial_delay = sane(options.initial_delay),
          .max_delay = sane(options.max_delay),
          .max_attempts = options.max_attempts,
          .max_outage = sane(options.max_outage),
          .answer_within = sane(answer_within)};
}

// A message over the limit, or one that cannot be made, comes again on the next connection.
bool final_loss(TransportFailureKind kind) {
  return kind == TransportFailureKind::too_large || kind == TransportFailureKind::invalid_request;
}

}  // namespace

LiveStream::LiveStream(std::shared_ptr<const detail::ClientCore> client,
                       std::shared_ptr<transport::MessageStream> stream, Channel channel)
    : client_(std::move(client)),
      channel_(std::move(channel)),
      state_(policy(client_->options().reconnect, channel_.answer_within), now()),
      stream_(std::move(stream)) {}

LiveStream::~LiveStream() {
  // What a child inherited belongs to threads that it does not have.
  if (!ours_.still()) return;
  if (timer_) client_->timers().cancel(*timer_);
  stream_->close();
}

LiveStream::Reply LiveStream::handle_reply(std::string /*message*/) {
  return {};
}
void LiveStream::handle_connected(bool /*again*/) {}
void LiveStream::handle_lost(const ErrorInfo& /*cause*/) {}

std::weak_ptr<LiveStream> LiveStream::weak_self() {
  return std::static_pointer_cast<LiveStream>(shared_from_this());
}

std::shared_ptr<transport::MessageStream> LiveStream::current() const {
  const std::lock_guard lock(mutex_);
  return stream_;
}

void LiveStream::listen_to(transport::MessageStream& stream) {
  stream.set_ready_hook([weak = weak_self()] {
    if (const auto self = weak.lock()) self->nudge();
  });
}

void LiveStream::listen() {
  if (!listening_.exchange(true)) listen_to(*current());
}

void LiveStream::run_in_background() {
  in_background_ = true;
  listen();
  nudge();
}

void LiveStream::nudge() {
  {
    const std::lock_guard lock(mutex_);
    ++version_;
  }
  changed_.notify_all();
  if (in_background_) schedule(client_->executor());
}

std::uint64_t LiveStream::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

LiveStream::Wait LiveStream::wait_change(std::uint64_t seen, support::Expiry expiry,
                                         const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (support::wait_until(changed_, lock, stop, expiry,
                          [this, seen] { return version_ != seen; })) {
    return Wait::ready;
  }
  return stop.stop_requested() ? Wait::cancelled : Wait::timed_out;
}

bool LiveStream::handle_next() {
  if (!first_announced_) {
    first_announced_ = true;
    handle_connected(false);
    return true;
  }
  const auto stream = current();
  switch (state_.phase()) {
    case Phase::connected:
      return handle_connected_stream(*stream);
    case Phase::connecting:
      return handle_opening(*stream);
    case Phase::greeting:
      return handle_greeting(*stream);
    case Phase::waiting: {
      const auto next = state_.tick(now());
      if (next.action != Action::connect) return false;
      connect();
      return true;
    }
    case Phase::closed:
      break;
  }
  return false;
}

bool LiveStream::handle_connected_stream(transport::MessageStream& stream) {
  if (auto message = stream.take()) {
    if (!heard_) {
      heard_ = true;
      state_.heard();
    }
    handle_message(*std::move(message));
    return true;
  }
  if (!stream.exhausted()) return false;
  const TransportFailure why = *stream.close_cause();
  lost(stream_cut(why), final_loss(why.kind));
  return true;
}

bool LiveStream::handle_opening(transport::MessageStream& stream) {
  if (const auto why = stream.close_cause()) {
    OpenFailure failure = classify_open_failure(channel_.target, *why);
    // The burst that the limit is meant for is this very one: a lost subscription waits it out.
    const bool worth_retrying =
        failure.worth_retrying || failure.error.kind == ErrorKind::rate_limit;
    lost(std::move(failure.error), !worth_retrying);
    return true;
  }
  if (!stream.is_open()) return false;
  const auto words = greeting();
  if (!words) {
    stream.close();
    lost(support::cancelled("over before it was connected again"), true);
    return true;
  }
  // If this fails, the connection has closed, and that is the next event.
  (void)stream.send(*words, support::Expiry::after(milliseconds{0}), {});
  const auto next = state_.opened(now());
  if (next.action == Action::wait) {
    arm(next.at);
  } else {
    count_as_connected();
  }
  return true;
}

bool LiveStream::handle_greeting(transport::MessageStream& stream) {
  if (auto message = stream.take()) {
    Reply reply = handle_reply(*std::move(message));
    switch (reply.verdict) {
      case Reply::Verdict::taken:
        state_.answered(now());
        count_as_connected();
        break;
      case Reply::Verdict::refused:
        stream.close();
        lost(std::move(reply.error), reply.final);
        break;
      case Reply::Verdict::not_one:
        break;
    }
    return true;
  }
  if (stream.exhausted()) {
    const TransportFailure why = *stream.close_cause();
    lost(stream_cut(why), final_loss(why.kind));
    return true;
  }
  if (state_.tick(now()).action != Action::drop) return false;
  stream.abort();
  lost(support::timed_out(Deadline::connect, "the server did not answer on the new connection"),
       false);
  return true;
}

void LiveStream::count_as_connected() {
  heard_ = channel_.answer_within > milliseconds{0};
  connected_ = true;
  client_->logger().log(LogLevel::info, channel_.name, "connected again");
  handle_connected(true);
}

void LiveStream::connect() {
  std::shared_ptr<transport::MessageStream> stream;
  try {
    stream = transport::MessageStream::open(client_->websocket(),
                                            websocket_request(*client_, channel_.target),
                                            client_->options().receive_buffer_bytes);
  } catch (const std::exception& exception) {
    // No memory or no thread to be had now: as good as a connection that does not open.
    lost(support::transport_error(exception.what()), false);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!shut_) stream_ = stream;
  }
  if (stream != current()) {
    stream->abort();
    return;
  }
  listen_to(*stream);
}

void LiveStream::lost(ErrorInfo cause, bool final) {
  connected_ = false;
  // Of two causes the one that keeps it from coming back is not the loss.
  const bool comes_back = greeting().has_value();
  auto pause = cause.retry_after;
  if (pause) pause = std::min(*pause, client_->options().retry.max_retry_after);
  const auto next = state_.lost(now(), {.final = final || !comes_back, .retry_after = pause},
                                support::random_unit());
  if (next.action != Action::wait) {
    handle_end(std::move(cause));
    return;
  }
  arm(next.at);
  client_->logger().log(
      LogLevel::warning, channel_.name,
      fmt::format("connection lost, trying again in {} ms: {}",
                  std::chrono::ceil<milliseconds>(next.at - now()).count(), cause.message));
  handle_lost(cause);
}

void LiveStream::arm(transport::ChannelState::Time at) {
  const auto delay = std::max(std::chrono::ceil<milliseconds>(at - now()), milliseconds{0});
  const std::lock_guard lock(mutex_);
  if (shut_) return;
  if (timer_) client_->timers().cancel(*timer_);
  timer_ = client_->timers().post_after(delay, [weak = weak_self()] {
    if (const auto self = weak.lock()) self->nudge();
  });
}

LiveStream::Driving::~Driving() {
  // Whatever way the wait ended, messages that the executor left alone must not be left lying.
  --stream_.drivers_;
  if (stream_.in_background_) stream_.schedule(stream_.client_->executor());
}

bool LiveStream::step() {
  if (drivers_ > 0) return false;
  bool handled = true;
  try {
    handled = handle_next();
  } catch (...) {
    handle_exception(std::current_exception());
  }
  if (handled) {
    // A thread may wait for what this brought.
    {
      const std::lock_guard lock(mutex_);
      ++version_;
    }
    changed_.notify_all();
  }
  return handled;
}

LiveStream::Drive LiveStream::drive(support::Expiry expiry, const std::stop_token& stop,
                                    const std::function<bool()>& done) {
  const Driving driving(*this);
  listen();
  while (true) {
    const std::uint64_t seen = version();
    // This thread keeps the time itself: the one that runs the timers may be busy in a callback, or
    // be this very one.
    auto next_look = expiry;
    if (const auto turn = gate().enter(expiry, stop)) {
      while (!done()) {
        // A callback may have shut the stream: it was the last one then.
        if (gate().closed()) return Drive::shut;
        if (stop.stop_requested()) return Drive::cancelled;
        if (expiry.passed() || !handle_next()) break;
      }
      if (const auto due = state_.due())
        next_look = support::Expiry::earlier(expiry, support::Expiry::at(*due));
    } else if (gate().closed()) {
      return done() ? Drive::done : Drive::shut;
    }
    if (done()) return Drive::done;
    switch (wait_change(seen, next_look, stop)) {
      case Wait::cancelled:
        return Drive::cancelled;
      case Wait::timed_out:
        if (expiry.passed()) return Drive::timed_out;
        break;
      case Wait::ready:
      case Wait::closed:
        break;
    }
  }
}

bool LiveStream::attached() const {
  return !gate().closed() && connected_ && current()->is_open();
}

LiveStream::Wait LiveStream::send(std::string_view message, support::Expiry expiry,
                                  const std::stop_token& stop) {
  return current()->send(message, expiry, stop);
}

void LiveStream::send_soon(std::string_view message) {
  (void)current()->send(message, support::Expiry::after(milliseconds{0}), {});
}

void LiveStream::close_connection() noexcept {
  current()->close();
}

bool LiveStream::exhausted() const {
  return current()->exhausted();
}

void LiveStream::finish() noexcept {
  state_.close();
  connected_ = false;
  close_connection();
}

void LiveStream::shut() noexcept {
  if (!ours_.still()) return;
  gate().close();
  std::shared_ptr<transport::MessageStream> stream;
  std::optional<transport::Dispatcher::TimerId> timer;
  {
    const std::lock_guard lock(mutex_);
    shut_ = true;
    ++version_;
    stream = stream_;
    timer.swap(timer_);
  }
  // Before anybody is waited for: a callback may itself be waiting for this stream.
  changed_.notify_all();
  if (timer) client_->timers().cancel(*timer);
  stream->close();
  handle_shut();
  gate().wait_empty();
}

}  // namespace nullspace::inline v0

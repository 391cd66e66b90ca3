#include "api/lifecycle_feed.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "api/lifecycle_list.hpp"
#include "support/error_info.hpp"
#include "support/expiry.hpp"
#include "wire/endpoints.hpp"

namespace nullspace::inline v0::detail {

namespace {

using transport::MessageStream;
using Wait = MessageStream::Wait;

// A look at the log that only makes the stream better must not hold it up for long.
constexpr std::chrono::milliseconds kBaselineTimeout{5'000};

Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

ErrorInfo reported_by_server(std::string message) {
  ErrorInfo error;
  error.code = "websocket_error";
  error.message = std::move(message);
  return error;
}

template <typename Options>
support::Result<wire::LifecycleSubscribe> make_wanted(const Options& options) {
  if (options.audience == LifecycleAudience::internal)
    return support::invalid_request("audience: internal events are not public");
  const bool has_unknown_word = options.operation == LifecycleOperation::unknown ||
                                options.status == LifecycleStatus::unknown ||
                                options.audience == LifecycleAudience::unknown;
  if (has_unknown_word)
    return support::invalid_request("operation, status, audience: unknown is no filter");
  if (options.replay_limit.value_or(0) < 0)
    return support::invalid_request("replay_limit must not be negative");
  if (options.live_only && !options.after_event_id.empty())
    return support::invalid_request("live_only and after_event_id contradict each other");
  return wire::LifecycleSubscribe{.sandbox_id = options.sandbox_id,
                                  .snapshot_id = options.snapshot_id,
                                  .operation = options.operation,
                                  .status = options.status,
                                  .audience = options.audience,
                                  .live_only = options.live_only,
                                  .after_event_id = options.after_event_id,
                                  .replay_limit = options.replay_limit,
                                  .metadata = options.metadata};
}

// Asking again may help.
bool is_passing(const ErrorInfo& error) {
  return error.http_status == 0
             ? error.kind != ErrorKind::invalid_response
             : error.http_status == 429 || (error.http_status >= 500 && error.http_status != 501);
}

}  // namespace

LifecycleSource account_source() {
  return {.target = {.path = std::string(wire::kLifecycleWsPath)}};
}

support::Result<LifecycleSource> sandbox_source(const ClientCore& client,
                                                std::string_view sandbox_id) {
  auto path = wire::sandbox_lifecycle_ws_path(client.config().dialect, sandbox_id);
  if (!path.ok()) return std::move(path).error();
  return LifecycleSource{
      .target = {.path = *std::move(path), .sandbox_id = std::string(sandbox_id)},
      .sandbox_id = std::string(sandbox_id)};
}

support::Result<wire::LifecycleSubscribe> wanted_by(const LifecycleSubscribeOptions& options) {
  return make_wanted(options);
}

support::Result<wire::LifecycleSubscribe> wanted_by(const LifecycleStreamOptions& options) {
  return make_wanted(options);
}

ErrorInfo gap_error(const LifecycleGap& gap) {
  ErrorInfo error;
  error.code = "lifecycle_gap";
  error.message = gap.after_event_id.empty()
                      ? "events may have been missed: "
                      : "events after " + gap.after_event_id + " may have been missed: ";
  error.message += gap.cause.message();
  return error;
}

LifecycleFeed::LifecycleFeed(std::shared_ptr<const ClientCore> client, LifecycleSource source,
                             wire::LifecycleSubscribe wanted)
    : client_(std::move(client)), source_(std::move(source)), position_(std::move(wanted)) {}

wire::LifecycleScope LifecycleFeed::scope() const noexcept {
  return source_.sandbox_id.empty() ? wire::LifecycleScope::account : wire::LifecycleScope::sandbox;
}

support::Result<LifecyclePage> LifecycleFeed::fetch(const wire::LifecycleQuery& query,
                                                    const std::stop_token& stop) const {
  return fetch_events(*client_, scope(), source_.sandbox_id, query, {.stop = stop});
}

LifecyclePosition::Baseline LifecycleFeed::find_baseline(const std::stop_token& stop) const {
  wire::LifecycleQuery query = position_.filters(scope());
  query.page = {.limit = 1};
  const auto timeout = std::min(client_->options().timeouts.request, kBaselineTimeout);
  const auto page = fetch_events(*client_, scope(), source_.sandbox_id, query,
                                 {.timeout = timeout, .stop = stop});
  if (!page.ok()) {
    client_->logger().log(LogLevel::info, "lifecycle",
                          "the newest event is not known: " + page.error().message);
    return {};
  }
  LifecyclePosition::Baseline baseline{.known = true};
  if (!page->events.empty()) {
    const LifecycleEvent& newest = page->events.front();
    baseline.newest = {newest.id, newest.occurred_at};
  }
  return baseline;
}

support::Result<std::shared_ptr<MessageStream>> LifecycleFeed::open(const std::stop_token& stop) {
  if (stop.stop_requested()) return support::cancelled("stopped before it began");
  // Before the connection: what happens between the two comes twice, instead of not at all.
  if (position_.cursor().id.empty()) position_.set_baseline(find_baseline(stop));
  const Timeouts& timeouts = client_->options().timeouts;
  auto opened =
      open_stream(*client_, source_.target,
                  support::Expiry::after(timeouts.websocket_open + timeouts.request), stop);
  if (!opened.ok()) return opened;
  MessageStream& stream = **opened;
  const auto expiry = support::Expiry::after(timeouts.websocket_open);
  (void)stream.send(greeting(), expiry, stop);  // A failure shows as a lost connection.
  switch (stream.wait_message(expiry, stop)) {
    case Wait::ready:
      break;
    case Wait::closed:
      return stream_cut(*stream.close_cause());
    case Wait::timed_out:
      stream.abort();
      return support::timed_out(Deadline::connect, "the server did not answer the subscription");
    case Wait::cancelled:
      stream.abort();
      return support::cancelled("stopped while subscribing");
  }
  auto taken = answered(stream.take().value_or(""));
  if (!taken.ok()) {
    stream.close();
    return std::move(taken).error();
  }
  return opened;
}

std::string LifecycleFeed::greeting() const {
  return wire::encode(client_->config().dialect, position_.request());
}

support::Result<void> LifecycleFeed::answered(const std::string& message) {
  auto decoded = wire::decode_lifecycle_message(message);
  if (!decoded.ok()) return std::move(decoded).error();
  if (auto* problem = std::get_if<wire::LifecycleProblem>(&*decoded)) {
    ErrorInfo error = reported_by_server(problem->message);
    if (wire::is_unknown_cursor(*problem) && !position_.request().after_event_id.empty()) {
      position_.forget_cursor();
      gap_cause_ = error;
    }
    return error;
  }
  if (!std::holds_alternative<wire::LifecycleSubscribed>(*decoded))
    return support::invalid_response("expected subscribed as the first message");
  connected_at_ = now();
  deserted_ = false;
  gap_ = position_.subscribed();
  return {};
}

void LifecycleFeed::announce_gap(LifecycleSink& sink) {
  if (!gap_) return;
  const LifecyclePosition::Point last = *std::exchange(gap_, std::nullopt);
  std::optional<ErrorInfo> cause = std::exchange(gap_cause_, std::nullopt);
  if (!cause) {
    cause = support::transport_error(
        "the connection was lost before there was an event to go on after");
  }
  sink.take_gap({.after_event_id = last.id, .after_time = last.time, .cause = Error(*cause)});
}

void LifecycleFeed::handle(const std::string& message, LifecycleSink& sink) {
  if (deserted_) return;
  auto decoded = wire::decode_lifecycle_message(message);
  if (!decoded.ok()) {
    sink.take_problem(std::move(decoded).error());
  } else if (auto* event = std::get_if<LifecycleEvent>(&*decoded)) {
    if (position_.take(*event)) sink.take_event(std::move(*event));
  } else if (auto* problem = std::get_if<wire::LifecycleProblem>(&*decoded)) {
    sink.take_problem(reported_by_server(std::move(problem->message)));
  }
}

bool LifecycleFeed::catch_up(LifecycleSink& sink, const std::stop_token& stop) {
  auto page = fetch(position_.next_page(scope()), stop);
  if (page.ok()) {
    for (LifecycleEvent& event : position_.take_page(*std::move(page)))
      sink.take_event(std::move(event));
    deserted_ = position_.has_outrun_connection();
    return !deserted_;
  }
  ErrorInfo why = std::move(page).error();
  client_->logger().log(LogLevel::warning, "lifecycle",
                        "the log could not be read: " + why.message);
  // Without the log the connection can still be asked in portions, as long as that leads on. What
  // looks younger than the connection was not repeated but is live.
  const bool looks_live = position_.cursor().time && *position_.cursor().time >= connected_at_;
  if (is_passing(why) || (!looks_live && position_.has_moved())) {
    deserted_ = true;
    return false;
  }
  position_.stop_reading_log();
  if (!looks_live) {
    const LifecyclePosition::Point& last = position_.cursor();
    sink.take_gap(
        {.after_event_id = last.id, .after_time = last.time, .cause = Error(std::move(why))});
  }
  return true;
}

}  // namespace nullspace::inline v0::detail

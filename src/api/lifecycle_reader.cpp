#include "api/lifecycle_reader.hpp"

#include <utility>

#include "api/throw.hpp"
#include "support/expiry.hpp"

namespace nullspace::inline v0::detail {

support::Result<std::shared_ptr<LifecycleReader>> LifecycleReader::open(
    std::shared_ptr<const ClientCore> client, LifecycleSource source,
    LifecycleStreamOptions options) {
  auto wanted = wanted_by(options);
  if (!wanted.ok()) return std::move(wanted).error();
  auto feed = std::make_unique<LifecycleFeed>(client, std::move(source), *std::move(wanted));
  auto stream = feed->open(options.stop);
  if (!stream.ok()) return std::move(stream).error();
  return std::make_shared<LifecycleReader>(std::move(client), *std::move(stream), std::move(feed),
                                           std::move(options));
}

LifecycleReader::LifecycleReader(std::shared_ptr<const ClientCore> client,
                                 std::shared_ptr<transport::MessageStream> stream,
                                 std::unique_ptr<LifecycleFeed> feed,
                                 LifecycleStreamOptions options)
    : LiveStream(client, std::move(stream),
                 {.target = feed->target(),
                  .answer_within = client->options().timeouts.websocket_open,
                  .name = "lifecycle"}),
      options_(std::move(options)),
      feed_(std::move(feed)),
      on_stop_(options_.stop, [this] { stopping_.request_stop(); }) {}

std::optional<LifecycleEvent> LifecycleReader::next() {
  const auto has_news = [this] { return !ready_.empty() || end_ || feed_->behind(); };
  while (!stopping_.stop_requested()) {
    if (!ready_.empty()) {
      LifecycleEvent event = std::move(ready_.front());
      ready_.pop_front();
      return event;
    }
    if (end_) throw_error(*end_);
    if (feed_->behind()) {
      if (!feed_->catch_up(*this, stopping_.get_token())) close_connection();
      continue;
    }
    const Drive driven = drive(support::Expiry::never(), stopping_.get_token(), has_news);
    if (driven == Drive::cancelled || driven == Drive::shut) break;
  }
  close();
  return std::nullopt;
}

void LifecycleReader::close() noexcept {
  stopping_.request_stop();
  shut();
}

std::optional<std::string> LifecycleReader::greeting() {
  return feed_->greeting();
}

LifecycleReader::Reply LifecycleReader::handle_reply(std::string message) {
  auto answered = feed_->answered(message);
  if (answered.ok()) return {.verdict = Reply::Verdict::taken};
  return {.verdict = Reply::Verdict::refused, .error = std::move(answered).error(), .final = false};
}

void LifecycleReader::handle_connected(bool /*again*/) {
  announce(StreamState::connected);
  feed_->announce_gap(*this);
}

void LifecycleReader::handle_message(std::string message) {
  feed_->handle(message, *this);
}

void LifecycleReader::handle_lost(const ErrorInfo& cause) {
  announce(StreamState::reconnecting, &cause);
}

void LifecycleReader::handle_end(ErrorInfo cause) {
  end_ = std::move(cause);
  announce(StreamState::closed, &*end_);
}

void LifecycleReader::handle_shut() noexcept {
  stopping_.request_stop();
}

// Nothing runs in the background: what is thrown comes out of next().
void LifecycleReader::handle_exception(std::exception_ptr /*thrown*/) {}

void LifecycleReader::take_event(LifecycleEvent event) {
  ready_.push_back(std::move(event));
}

void LifecycleReader::take_gap(LifecycleGap gap) {
  if (!options_.on_gap) throw_error(gap_error(gap));
  options_.on_gap(gap);
}

void LifecycleReader::take_problem(ErrorInfo problem) {
  throw_error(std::move(problem));
}

void LifecycleReader::announce(StreamState state, const ErrorInfo* cause) const {
  if (!options_.on_state_change) return;
  options_.on_state_change(
      {state, cause == nullptr ? std::optional<Error>() : std::optional<Error>(Error(*cause))});
}

}  // namespace nullspace::inline v0::detail

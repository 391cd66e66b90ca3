#include "api/lifecycle_core.hpp"

#include <utility>

namespace nullspace::inline v0::detail {

support::Result<std::shared_ptr<LifecycleCore>> LifecycleCore::open(
    std::shared_ptr<const ClientCore> client, LifecycleSubscribeOptions options) {
  auto wanted = wanted_by(options);
  if (!wanted.ok()) return std::move(wanted).error();
  auto feed = std::make_unique<LifecycleFeed>(client, account_source(), *std::move(wanted));
  auto stream = feed->open({});
  if (!stream.ok()) return std::move(stream).error();
  auto core = std::make_shared<LifecycleCore>(std::move(client), *std::move(stream),
                                              std::move(feed), std::move(options));
  core->run_in_background();
  return core;
}

LifecycleCore::LifecycleCore(std::shared_ptr<const ClientCore> client,
                             std::shared_ptr<transport::MessageStream> stream,
                             std::unique_ptr<LifecycleFeed> feed, LifecycleSubscribeOptions options)
    : SubscriptionStream(
          client, std::move(stream),
          {.target = feed->target(),
           .answer_within = client->options().timeouts.websocket_open,
           .name = "lifecycle"},
          {.on_error = options.on_error, .on_state_change = options.on_state_change}),
      options_(std::move(options)),
      feed_(std::move(feed)) {}

std::optional<std::string> LifecycleCore::greeting() {
  return feed_->greeting();
}

LifecycleCore::Reply LifecycleCore::handle_reply(std::string message) {
  auto answered = feed_->answered(message);
  if (answered.ok()) return {.verdict = Reply::Verdict::taken};
  // What the server does not like now it may like later; what it said is in the state's cause.
  return {.verdict = Reply::Verdict::refused, .error = std::move(answered).error(), .final = false};
}

void LifecycleCore::handle_connected(bool again) {
  SubscriptionStream::handle_connected(again);
  feed_->announce_gap(*this);
  catch_up();
}

void LifecycleCore::handle_message(std::string message) {
  feed_->handle(message, *this);
  catch_up();
}

void LifecycleCore::catch_up() {
  while (feed_->behind() && !gate().closed()) {
    if (!feed_->catch_up(*this, stopping_.get_token())) close_connection();
  }
}

void LifecycleCore::handle_shut() noexcept {
  stopping_.request_stop();
}

void LifecycleCore::take_event(LifecycleEvent event) {
  deliver(options_.on_event, event);
}

void LifecycleCore::take_gap(LifecycleGap gap) {
  if (options_.on_gap) {
    deliver(options_.on_gap, gap);
  } else {
    report(gap_error(gap));
  }
}

void LifecycleCore::take_problem(ErrorInfo problem) {
  report(std::move(problem));
}

}  // namespace nullspace::inline v0::detail

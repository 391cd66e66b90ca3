// What callbacks and ranges of lifecycle events have in common: one stream's connections, what they
// say, and what has to be looked up in between.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <nullspace/lifecycle.hpp>

#include "api/client_core.hpp"
#include "api/lifecycle_position.hpp"
#include "api/open_stream.hpp"
#include "support/result.hpp"
#include "transport/message_stream.hpp"
#include "wire/lifecycle_messages.hpp"

namespace nullspace::inline v0::detail {

// Of all sandboxes, or of one.
struct LifecycleSource {
  StreamTarget target{};
  // "" = all.
  std::string sandbox_id{};
};
[[nodiscard]] LifecycleSource account_source();
// Errors: invalid_request for an id that cannot be part of a path.
[[nodiscard]] support::Result<LifecycleSource> sandbox_source(const ClientCore& client,
                                                              std::string_view sandbox_id);

// What the options ask for. Errors: invalid_request.
[[nodiscard]] support::Result<wire::LifecycleSubscribe> wanted_by(
    const LifecycleSubscribeOptions& options);
[[nodiscard]] support::Result<wire::LifecycleSubscribe> wanted_by(
    const LifecycleStreamOptions& options);

// Who gets what a feed finds. May throw.
class LifecycleSink {
 public:
  LifecycleSink() = default;
  LifecycleSink(const LifecycleSink&) = delete;
  LifecycleSink& operator=(const LifecycleSink&) = delete;

  virtual void take_event(LifecycleEvent event) = 0;
  virtual void take_gap(LifecycleGap gap) = 0;
  // The stream goes on.
  virtual void take_problem(ErrorInfo problem) = 0;

 protected:
  ~LifecycleSink() = default;
};

// The same as an error, for who has no callback for gaps.
[[nodiscard]] ErrorInfo gap_error(const LifecycleGap& gap);

// Not thread-safe.
class LifecycleFeed {
 public:
  LifecycleFeed(std::shared_ptr<const ClientCore> client, LifecycleSource source,
                wire::LifecycleSubscribe wanted);

  // Makes the first connection and subscribes. Blocks.
  [[nodiscard]] support::Result<std::shared_ptr<transport::MessageStream>> open(
      const std::stop_token& stop);

  [[nodiscard]] const StreamTarget& target() const noexcept { return source_.target; }
  // What a new connection starts with.
  [[nodiscard]] std::string greeting() const;
  // The first message on it: taken, or why not.
  [[nodiscard]] support::Result<void> answered(const std::string& message);
  // To be called after answered(), before handle().
  void announce_gap(LifecycleSink& sink);
  void handle(const std::string& message, LifecycleSink& sink);

  // Events must be looked up before further messages are handled.
  [[nodiscard]] bool behind() const noexcept { return !deserted_ && position_.behind(); }
  // Looks up some. Blocks. False: the connection is of no use any more and is to be made anew.
  [[nodiscard]] bool catch_up(LifecycleSink& sink, const std::stop_token& stop);

 private:
  [[nodiscard]] LifecyclePosition::Baseline find_baseline(const std::stop_token& stop) const;
  [[nodiscard]] support::Result<LifecyclePage> fetch(const wire::LifecycleQuery& query,
                                                     const std::stop_token& stop) const;
  [[nodiscard]] wire::LifecycleScope scope() const noexcept;

  const std::shared_ptr<const ClientCore> client_;
  const LifecycleSource source_;
  LifecyclePosition position_;
  // After which event something is missing, and why.
  std::optional<LifecyclePosition::Point> gap_{};
  std::optional<ErrorInfo> gap_cause_{};
  Timestamp connected_at_{};
  // What the present connection still says does not follow what was delivered.
  bool deserted_{false};
};

}  // namespace nullspace::inline v0::detail

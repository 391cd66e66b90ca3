/// @file
/// The handle of a background stream of events.
#pragma once

#include <memory>

#include <nullspace/export.hpp>
#include <nullspace/stream_state.hpp>

namespace nullspace::inline v0 {

namespace detail {
class SubscriptionCore;
}

/// Keeps a background stream alive; destroying it stops the stream. Movable, not copyable. All
/// methods may be called from any thread, from the subscription's own callbacks too.
class NULLSPACE_EXPORT Subscription {
 public:
  /// An empty handle: not active, stop() does nothing.
  Subscription() noexcept;
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  /// Calls stop().
  ~Subscription();

  /// Ends the stream. When it returns on another thread than the one a callback is running on, no
  /// callback of this stream is running and none will run. Inside a callback it returns at once and
  /// that callback is the last. Idempotent, never throws, returns within 100 ms once a running
  /// callback is through, also when the peer is gone.
  void stop() noexcept;

  /// false once the stream is over for good.
  [[nodiscard]] bool active() const noexcept;
  [[nodiscard]] StreamState state() const noexcept;
  /// The error that ended the stream, if one did.
  [[nodiscard]] std::optional<Error> last_error() const;

  /// For the SDK's own use.
  explicit Subscription(std::shared_ptr<detail::SubscriptionCore> core) noexcept;

 private:
  std::shared_ptr<detail::SubscriptionCore> core_;
};

}  // namespace nullspace::inline v0

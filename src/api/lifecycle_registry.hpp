// The live streams of one Lifecycle and its copies.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "api/lifecycle_reader.hpp"
#include "api/subscription_core.hpp"

namespace nullspace::inline v0::detail {

// Thread-safe.
class LifecycleRegistry {
 public:
  // True once close() was called: nothing is to be opened any more.
  [[nodiscard]] bool closed() const;
  // False when it has been closed meanwhile: the stream is to be ended by the caller.
  [[nodiscard]] bool add(const std::shared_ptr<SubscriptionCore>& subscription);
  [[nodiscard]] bool add(const std::shared_ptr<LifecycleReader>& reader);
  // Ends what was added and still lives.
  void close() noexcept;

 private:
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<SubscriptionCore>> subscriptions_;
  std::vector<std::weak_ptr<LifecycleReader>> readers_;
  bool closed_{false};
};

}  // namespace nullspace::inline v0::detail

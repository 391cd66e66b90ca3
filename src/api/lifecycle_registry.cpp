#include "api/lifecycle_registry.hpp"

#include <utility>

namespace nullspace::inline v0::detail {

namespace {

template <typename Stream>
void add_living(std::vector<std::weak_ptr<Stream>>& streams, const std::shared_ptr<Stream>& added) {
  std::erase_if(streams, [](const auto& stream) { return stream.expired(); });
  streams.push_back(added);
}

}  // namespace

bool LifecycleRegistry::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool LifecycleRegistry::add(const std::shared_ptr<SubscriptionCore>& subscription) {
  const std::lock_guard lock(mutex_);
  if (!closed_) add_living(subscriptions_, subscription);
  return !closed_;
}

bool LifecycleRegistry::add(const std::shared_ptr<LifecycleReader>& reader) {
  const std::lock_guard lock(mutex_);
  if (!closed_) add_living(readers_, reader);
  return !closed_;
}

void LifecycleRegistry::close() noexcept {
  std::vector<std::weak_ptr<SubscriptionCore>> subscriptions;
  std::vector<std::weak_ptr<LifecycleReader>> readers;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    subscriptions.swap(subscriptions_);
    readers.swap(readers_);
  }
  // Without the lock: a callback that is waited for may itself use this object.
  for (const auto& weak : subscriptions) {
    if (const auto subscription = weak.lock()) subscription->stop();
  }
  for (const auto& weak : readers) {
    if (const auto reader = weak.lock()) reader->close();
  }
}

}  // namespace nullspace::inline v0::detail

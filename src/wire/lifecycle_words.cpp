#include "wire/lifecycle_words.hpp"

#include <algorithm>
#include <cstddef>

namespace nullspace::inline v0::wire {

namespace {

template <typename Word, std::size_t Count>
Word find_word(const std::array<Word, Count>& words, std::string_view text) noexcept {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [text](Word candidate) { return to_string(candidate) == text; });
  return found == words.end() ? Word::unknown : *found;
}

}  // namespace

LifecycleOperation operation_from_word(std::string_view word) noexcept {
  return find_word(kLifecycleOperations, word);
}

LifecycleStatus lifecycle_status_from_word(std::string_view word) noexcept {
  constexpr std::array kStatuses{LifecycleStatus::requested, LifecycleStatus::succeeded,
                                 LifecycleStatus::failed};
  return find_word(kStatuses, word);
}

LifecycleAudience audience_from_word(std::string_view word) noexcept {
  constexpr std::array kAudiences{LifecycleAudience::customer, LifecycleAudience::internal};
  return find_word(kAudiences, word);
}

LifecycleActor actor_from_word(std::string_view word) noexcept {
  constexpr std::array kActors{LifecycleActor::user, LifecycleActor::system,
                               LifecycleActor::reconcile};
  return find_word(kActors, word);
}

DeliveryStatus delivery_status_from_word(std::string_view word) noexcept {
  constexpr std::array kStatuses{DeliveryStatus::queued, DeliveryStatus::in_progress,
                                 DeliveryStatus::succeeded, DeliveryStatus::dead_letter};
  return find_word(kStatuses, word);
}

}  // namespace nullspace::inline v0::wire

// The words of lifecycle events and deliveries. to_string() of the public enumerations is the other
// way.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <nullspace/lifecycle_event.hpp>
#include <nullspace/webhook.hpp>

namespace nullspace::inline v0::wire {

inline constexpr std::array kLifecycleOperations{LifecycleOperation::create,
                                                 LifecycleOperation::destroy,
                                                 LifecycleOperation::timeout_updated,
                                                 LifecycleOperation::timeout_expired,
                                                 LifecycleOperation::hibernate,
                                                 LifecycleOperation::snapshot_created,
                                                 LifecycleOperation::fork,
                                                 LifecycleOperation::resume_from_snapshot,
                                                 LifecycleOperation::reconcile};

// unknown for a word this SDK does not know.
[[nodiscard]] LifecycleOperation operation_from_word(std::string_view word) noexcept;
[[nodiscard]] LifecycleStatus lifecycle_status_from_word(std::string_view word) noexcept;
[[nodiscard]] LifecycleAudience audience_from_word(std::string_view word) noexcept;
[[nodiscard]] LifecycleActor actor_from_word(std::string_view word) noexcept;
[[nodiscard]] DeliveryStatus delivery_status_from_word(std::string_view word) noexcept;

// The word that is written: the text where the value is unknown.
template <typename Word>
[[nodiscard]] std::string_view word_or_text(Word word, const std::string& text) noexcept {
  return word == Word::unknown && !text.empty() ? std::string_view(text) : to_string(word);
}

}  // namespace nullspace::inline v0::wire

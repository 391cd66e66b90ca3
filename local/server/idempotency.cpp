#include "local/server/idempotency.hpp"

#include <utility>

namespace nullspace::local {

namespace {

constexpr auto kRetention = std::chrono::hours(24);
constexpr auto kSweepInterval = std::chrono::minutes(10);

}  // namespace

IdempotencyStore::Verdict IdempotencyStore::begin(const Key& key, const Json& body,
                                                  Clock::time_point now) {
  forget_old(now);
  const auto found = entries_.find(key);
  if (found == entries_.end() || now - found->second.begun >= kRetention) {
    Entry entry;
    entry.body = body;
    entry.begun = now;
    entries_.insert_or_assign(key, std::move(entry));
    return Verdict::fresh;
  }
  if (found->second.body != body) return Verdict::conflict;
  return found->second.answer ? Verdict::replay : Verdict::running;
}

const HttpResponse& IdempotencyStore::answer(const Key& key) const {
  return *entries_.at(key).answer;
}

void IdempotencyStore::finish(const Key& key, HttpResponse answer) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) found->second.answer = std::move(answer);
}

void IdempotencyStore::forget(AccountId account) {
  std::erase_if(entries_, [account](const auto& entry) { return entry.first.account == account; });
}

void IdempotencyStore::forget_old(Clock::time_point now) {
  if (now - swept_ < kSweepInterval) return;
  swept_ = now;
  std::erase_if(entries_, [now](const auto& entry) {
    return entry.second.answer && now - entry.second.begun >= kRetention;
  });
}

}  // namespace nullspace::local

#pragma once

#include <map>
#include <optional>
#include <string>

#include <nullspace/json.hpp>

#include "local/server/auth.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/http_message.hpp"

namespace nullspace::local {

// Answers that were given under an Idempotency-Key, for a day. The same key from the same account
// for the same path gets the same answer; with another body it is a mistake.
class IdempotencyStore {
 public:
  enum class Verdict { fresh, running, replay, conflict };
  struct Key {
    AccountId account = 0;
    std::string path;
    std::string key;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // `fresh` makes the key a running one: finish() must follow.
  Verdict begin(const Key& key, const Json& body, Clock::time_point now);
  [[nodiscard]] const HttpResponse& answer(const Key& key) const;
  void finish(const Key& key, HttpResponse answer);
  void forget(AccountId account);

 private:
  struct Entry {
    Json body;
    Clock::time_point begun;
    std::optional<HttpResponse> answer;
  };
  void forget_old(Clock::time_point now);

  std::map<Key, Entry> entries_;
  Clock::time_point swept_;
};

}  // namespace nullspace::local

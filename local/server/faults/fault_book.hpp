#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "local/server/auth.hpp"
#include "local/server/faults/fault_rule.hpp"

namespace nullspace::local {

// Rules in the order in which they were given, and what they decide. Pure: facts in, faults out.
class FaultList {
 public:
  FaultList() = default;
  explicit FaultList(std::vector<FaultRule> rules) { add(std::move(rules)); }

  void add(std::vector<FaultRule> rules);
  bool remove(std::string_view id);
  void clear() { rules_.clear(); }
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] const std::vector<FaultRule>& rules() const { return rules_; }
  [[nodiscard]] const FaultRule* find(std::string_view id) const;
  // Of all rules, those that are gone included.
  [[nodiscard]] std::uint64_t fired() const { return fired_; }

  // What happens to a request: delays, and at most one other fault, the last one.
  std::vector<Fault> at_request(const RequestFacts& facts);
  // What happens to a WebSocket that has been sent so many messages. `decided` is what is
  // remembered of the socket: each rule decides once.
  std::vector<Fault> at_session(const RequestFacts& facts, std::uint64_t sent,
                                std::set<std::uint64_t>& decided);
  // What happens to the next message.
  std::optional<Fault> at_message(const RequestFacts& facts, std::uint64_t sent,
                                  std::string_view type);

 private:
  bool fire(FaultRule& rule);

  std::vector<FaultRule> rules_;
  std::uint64_t last_serial_ = 0;
  std::uint64_t fired_ = 0;
};

// The rules of every account.
class FaultBook {
 public:
  // There are none at all: nobody has to be asked.
  [[nodiscard]] bool idle() const { return rules_ == 0; }
  // All of them or, if one is wrong, none: then it is said what is wrong. Rules without an id get
  // one. The ids of the installed ones are appended to `ids`.
  std::optional<std::string> install(AccountId account, std::vector<FaultRule> rules,
                                     std::vector<std::string>& ids);
  bool remove(AccountId account, std::string_view id);
  // How many there were.
  std::size_t clear(AccountId account);
  // Empty when the account has no rules.
  [[nodiscard]] FaultList& of(AccountId account) { return lists_[account]; }

 private:
  std::string unused_id(const FaultList& list);

  std::map<AccountId, FaultList> lists_;
  std::size_t rules_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace nullspace::local

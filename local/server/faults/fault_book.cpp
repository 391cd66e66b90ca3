#include "local/server/faults/fault_book.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace nullspace::local {

namespace {

constexpr std::size_t kMaxRules = 1000;

bool is_exit(std::string_view type) {
  return type == "exec_exit" || type == "pty_exited";
}

}  // namespace

void FaultList::add(std::vector<FaultRule> rules) {
  for (FaultRule& rule : rules) {
    rule.serial = ++last_serial_;
    rules_.push_back(std::move(rule));
  }
}

bool FaultList::remove(std::string_view id) {
  return std::erase_if(rules_, [id](const FaultRule& rule) { return rule.id == id; }) > 0;
}

const FaultRule* FaultList::find(std::string_view id) const {
  const auto found = std::find_if(rules_.begin(), rules_.end(),
                                  [id](const FaultRule& rule) { return rule.id == id; });
  return found == rules_.end() ? nullptr : &*found;
}

bool FaultList::fire(FaultRule& rule) {
  if (!rule.fire()) return false;
  ++fired_;
  return true;
}

std::vector<Fault> FaultList::at_request(const RequestFacts& facts) {
  std::vector<Fault> faults;
  for (FaultRule& rule : rules_) {
    const Fault& fault = rule.fault;
    if (!decided_at(fault, FaultStage::request, facts.websocket) || !rule.fits(facts)) continue;
    const bool of_upload = fault.kind == FaultKind::answer;
    if (of_upload && facts.body_bytes < fault.after_bytes.value_or(0)) continue;
    if (!fire(rule)) continue;
    faults.push_back(fault);
    if (fault.kind != FaultKind::delay) break;
  }
  return faults;
}

std::vector<Fault> FaultList::at_session(const RequestFacts& facts, std::uint64_t sent,
                                         std::set<std::uint64_t>& decided) {
  std::vector<Fault> faults;
  for (FaultRule& rule : rules_) {
    if (!decided_at(rule.fault, FaultStage::session, true) || !rule.fits(facts)) continue;
    if (sent < rule.fault.after_messages.value_or(0)) continue;
    if (!decided.insert(rule.serial).second || !fire(rule)) continue;
    faults.push_back(rule.fault);
  }
  return faults;
}

std::optional<Fault> FaultList::at_message(const RequestFacts& facts, std::uint64_t sent,
                                           std::string_view type) {
  for (FaultRule& rule : rules_) {
    if (!decided_at(rule.fault, FaultStage::message, true) || !rule.fits(facts)) continue;
    if (sent < rule.fault.after_messages.value_or(0)) continue;
    if (rule.type && *rule.type != type) continue;
    if (rule.fault.kind == FaultKind::drop_exit_frame && !is_exit(type)) continue;
    if (fire(rule)) return rule.fault;
  }
  return std::nullopt;
}

std::optional<std::string> FaultBook::install(AccountId account, std::vector<FaultRule> rules,
                                              std::vector<std::string>& ids) {
  FaultList& list = of(account);
  if (list.rules().size() + rules.size() > kMaxRules) {
    return "at most " + std::to_string(kMaxRules) + " rules at a time";
  }
  std::set<std::string> names;
  for (FaultRule& rule : rules) {
    if (rule.id.empty()) rule.id = unused_id(list);
    if (list.find(rule.id) != nullptr || !names.insert(rule.id).second) {
      return "there is a rule " + rule.id + " already";
    }
  }
  std::transform(rules.begin(), rules.end(), std::back_inserter(ids),
                 [](const FaultRule& rule) { return rule.id; });
  rules_ += rules.size();
  list.add(std::move(rules));
  return std::nullopt;
}

std::string FaultBook::unused_id(const FaultList& list) {
  std::string id;
  do {
    id = "fault-" + std::to_string(++last_id_);
  } while (list.find(id) != nullptr);
  return id;
}

bool FaultBook::remove(AccountId account, std::string_view id) {
  if (!of(account).remove(id)) return false;
  --rules_;
  return true;
}

std::size_t FaultBook::clear(AccountId account) {
  FaultList& list = of(account);
  const std::size_t count = list.rules().size();
  list.clear();
  rules_ -= count;
  return count;
}

}  // namespace nullspace::local

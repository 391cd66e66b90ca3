#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <nullspace/dialect.hpp>
#include <nullspace/json.hpp>
#include <nullspace/lifecycle_event.hpp>

namespace nullspace::local {

struct LoggedEvent {
  LifecycleEvent event;
  Dialect dialect = Dialect::sandbox;  // whose words its subject is named with
};

// Which events somebody wants to see; what is unset or empty matches every one.
struct LifecycleFilter {
  std::optional<LifecycleOperation> operation;
  std::optional<LifecycleStatus> status;
  std::optional<Timestamp> from;  // inclusive
  std::optional<Timestamp> to;    // exclusive
  std::string sandbox_id;         // as subject, source or target
  std::string snapshot_id;
  std::string source_sandbox_id;
  std::string target_sandbox_id;
  Json::Object metadata;  // equal for each of these keys

  [[nodiscard]] bool matches(const LifecycleEvent& event) const;
};

// What happened to the sandboxes of one account, oldest first. Nothing is ever removed, so a
// position and a reference stay good until the whole log is forgotten.
class LifecycleLog {
 public:
  using Position = std::size_t;

  struct Page {
    std::vector<const LoggedEvent*> entries;
    bool has_more = false;
  };
  enum class Order { ascending, descending };

  // Gives the event its id and its time: in milliseconds, which is all that is shown of it, and
  // never before the last one's, even when the clock was set back.
  const LoggedEvent& append(Dialect dialect, LifecycleEvent event, Timestamp now);

  // One past the last event.
  [[nodiscard]] Position end() const { return entries_.size(); }
  [[nodiscard]] const LoggedEvent& at(Position position) const { return entries_[position]; }
  [[nodiscard]] std::optional<Position> find(const std::string& event_id) const;
  // Where the last `count` events begin that match.
  [[nodiscard]] Position last_matching(const LifecycleFilter& filter, std::size_t count) const;
  // Whether any event is about it.
  [[nodiscard]] bool mentions_sandbox(const std::string& id) const;
  [[nodiscard]] bool mentions_snapshot(const std::string& id) const;
  [[nodiscard]] Page list(const LifecycleFilter& filter, Order order, std::size_t offset,
                          std::size_t limit) const;

 private:
  std::deque<LoggedEvent> entries_;
  std::unordered_map<std::string, Position> positions_;  // by event id
  std::unordered_set<std::string> sandboxes_;
  std::unordered_set<std::string> snapshots_;
};

}  // namespace nullspace::local

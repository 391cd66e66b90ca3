#include "local/server/lifecycle_log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "local/server/ids.hpp"

namespace nullspace::local {

namespace {

bool concerns(const LifecycleEvent& event, const std::string& sandbox_id) {
  return event.sandbox_id == sandbox_id || event.source_sandbox_id == sandbox_id ||
         event.target_sandbox_id == sandbox_id;
}

bool is_or_any(const std::string& wanted, const std::string& actual) {
  return wanted.empty() || wanted == actual;
}

}  // namespace

bool LifecycleFilter::matches(const LifecycleEvent& event) const {
  if (operation && event.operation != *operation) return false;
  if (status && event.status != *status) return false;
  if (from && event.occurred_at < *from) return false;
  if (to && event.occurred_at >= *to) return false;
  if (!sandbox_id.empty() && !concerns(event, sandbox_id)) return false;
  if (!is_or_any(snapshot_id, event.snapshot_id)) return false;
  if (!is_or_any(source_sandbox_id, event.source_sandbox_id)) return false;
  if (!is_or_any(target_sandbox_id, event.target_sandbox_id)) return false;
  return std::all_of(metadata.begin(), metadata.end(), [&event](const auto& wanted) {
    const auto found = event.metadata.find(wanted.first);
    return found != event.metadata.end() && found->second == wanted.second;
  });
}

const LoggedEvent& LifecycleLog::append(Dialect dialect, LifecycleEvent event, Timestamp now) {
  do {
    event.id = new_id("evt_");
  } while (positions_.contains(event.id));
  event.occurred_at = std::chrono::floor<std::chrono::milliseconds>(now);
  if (!entries_.empty()) {
    event.occurred_at = std::max(event.occurred_at, entries_.back().event.occurred_at);
  }
  for (const std::string* id :
       {&event.sandbox_id, &event.source_sandbox_id, &event.target_sandbox_id}) {
    if (!id->empty()) sandboxes_.insert(*id);
  }
  if (!event.snapshot_id.empty()) snapshots_.insert(event.snapshot_id);
  positions_.emplace(event.id, entries_.size());
  return entries_.emplace_back(LoggedEvent{std::move(event), dialect});
}

std::optional<LifecycleLog::Position> LifecycleLog::find(const std::string& event_id) const {
  const auto found = positions_.find(event_id);
  if (found == positions_.end()) return std::nullopt;
  return found->second;
}

LifecycleLog::Position LifecycleLog::last_matching(const LifecycleFilter& filter,
                                                   std::size_t count) const {
  Position begin = end();
  for (Position at = end(); at > 0 && count > 0; --at) {
    if (!filter.matches(entries_[at - 1].event)) continue;
    begin = at - 1;
    --count;
  }
  return begin;
}

bool LifecycleLog::mentions_sandbox(const std::string& id) const {
  return sandboxes_.contains(id);
}

bool LifecycleLog::mentions_snapshot(const std::string& id) const {
  return snapshots_.contains(id);
}

LifecycleLog::Page LifecycleLog::list(const LifecycleFilter& filter, Order order,
                                      std::size_t offset, std::size_t limit) const {
  Page page;
  for (Position i = 0; i < end(); ++i) {
    const LoggedEvent& entry = entries_[order == Order::ascending ? i : end() - 1 - i];
    if (!filter.matches(entry.event)) continue;
    if (offset > 0) {
      --offset;
      continue;
    }
    if (page.entries.size() == limit) {
      page.has_more = true;
      break;
    }
    page.entries.push_back(&entry);
  }
  return page;
}

}  // namespace nullspace::local

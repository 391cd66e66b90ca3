#include "api/lifecycle_position.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace nullspace::inline v0::detail {

LifecyclePosition::LifecyclePosition(wire::LifecycleSubscribe wanted) : wanted_(std::move(wanted)) {
  cursor_.id = wanted_.after_event_id;
  if (!cursor_.id.empty()) (void)seen_.add(cursor_.id);
}

void LifecyclePosition::set_baseline(Baseline baseline) {
  baseline_ = std::move(baseline);
  // Who wants nothing of the past does not want its last event either.
  if (begins_live() && !baseline_.newest.id.empty()) (void)seen_.add(baseline_.newest.id);
}

bool LifecyclePosition::begins_live() const noexcept {
  return wanted_.after_event_id.empty() &&
         (wanted_.live_only.value_or(false) || wanted_.replay_limit == 0);
}

wire::LifecycleSubscribe LifecyclePosition::request() const {
  wire::LifecycleSubscribe request = unlimited_request();
  // More than a server gives would hide that it gave all it gives.
  if (request.replay_limit)
    request.replay_limit = std::min(*request.replay_limit, wire::kMaxReplay);
  return request;
}

wire::LifecycleSubscribe LifecyclePosition::unlimited_request() const {
  wire::LifecycleSubscribe request = wanted_;
  request.live_only = wanted_.live_only.value_or(false);
  if (connections_ == 0) {
    // Everything after the cursor is wanted; the limit is only how much of it comes at once.
    if (!request.after_event_id.empty() && request.replay_limit.value_or(0) == 0)
      request.replay_limit = wire::kDefaultReplay;
    return request;
  }
  const auto go_on_after = [&request](const std::string& id) {
    request.live_only = false;
    request.after_event_id = id;
    request.replay_limit = wire::kDefaultReplay;
  };
  const bool is_log_empty = baseline_.known && baseline_.newest.id.empty();
  if (cursor_lost_ || live_now_) {
    request.live_only = true;
    request.after_event_id.clear();
    if (!cursor_lost_ && !cursor_.id.empty()) go_on_after(cursor_.id);
  } else if (!cursor_.id.empty()) {
    go_on_after(cursor_.id);
  } else if (is_log_empty) {
    // Whatever there is now is new.
    go_on_after("");
  } else if (begins_live() && baseline_.known) {
    go_on_after(baseline_.newest.id);
  } else if (begins_live()) {
    request.live_only = true;
  } else if (!baseline_.known && request.replay_limit) {
    // What was missed and what is of the past cannot be told apart: rather too much than too
    // little.
    request.replay_limit = std::max(*request.replay_limit, wire::kDefaultReplay);
  }
  return request;
}

std::optional<LifecyclePosition::Point> LifecyclePosition::subscribed() {
  asked_ = request();
  const bool is_first = connections_++ == 0;
  received_ = 0;
  first_received_ = {};
  log_offset_ = 0;
  fetched_ = 0;
  log_read_ = false;
  complete_until_.reset();
  log_first_ = false;
  const bool is_live = asked_.live_only.value_or(false);
  if (!is_live && !asked_.after_event_id.empty()) {
    const bool is_cursor = asked_.after_event_id == cursor_.id;
    complete_until_ = is_cursor ? cursor_ : baseline_.newest;
  } else if (!is_live && !is_first && baseline_.known) {
    complete_until_ = baseline_.newest;
    // Without a cursor a server repeats the last events, not the first ones: what comes before them
    // is to be delivered before them.
    log_first_ = baseline_.newest.id.empty();
  }
  // Nothing delivered, and not known where the stream began: how much was missed cannot be told.
  const bool is_blind = !is_first && !baseline_.known && asked_.after_event_id.empty();
  // A live connection that follows another: what happened in between is not known either.
  if (is_first || (!is_live && !is_blind)) return std::nullopt;
  if (!is_live) return last_delivered_;
  Point last = cursor_.id.empty() ? last_delivered_ : std::move(cursor_);
  cursor_ = {};
  cursor_lost_ = false;
  live_now_ = true;
  return last;
}

void LifecyclePosition::forget_cursor() {
  cursor_lost_ = true;
}

bool LifecyclePosition::is_new(const LifecycleEvent& event) {
  if (!seen_.add(event.id)) return false;
  // What comes late does not move the cursor back.
  if (!cursor_.time || event.occurred_at >= *cursor_.time) {
    cursor_ = {event.id, event.occurred_at};
    last_delivered_ = cursor_;
  }
  return true;
}

bool LifecyclePosition::take(const LifecycleEvent& event) {
  if (received_++ == 0) first_received_ = {event.id, event.occurred_at};
  return is_new(event);
}

bool LifecyclePosition::behind() const noexcept {
  const bool is_full = received_ >= asked_.replay_limit.value_or(wire::kDefaultReplay);
  return complete_until_ && !log_read_ && (is_full || log_first_);
}

wire::LifecycleQuery LifecyclePosition::filters(wire::LifecycleScope scope) const {
  wire::LifecycleQuery query;
  query.operation = wanted_.operation;
  query.status = wanted_.status;
  if (scope == wire::LifecycleScope::account) {
    query.audience = wanted_.audience;
    query.sandbox_id = wanted_.sandbox_id;
    query.snapshot_id = wanted_.snapshot_id;
  }
  return query;
}

wire::LifecycleQuery LifecyclePosition::next_page(wire::LifecycleScope scope) const {
  wire::LifecycleQuery query = filters(scope);
  query.page = {.offset = log_offset_, .limit = wire::kMaxLifecyclePage};
  query.oldest_first = true;
  // A cursor that the application kept has no time here; the first event after it has.
  const bool is_dated = complete_until_->time || complete_until_->id.empty();
  query.from = is_dated ? complete_until_->time : first_received_.time;
  return query;
}

bool LifecyclePosition::matches(const LifecycleEvent& event) const {
  if (!wanted_.snapshot_id.empty() && event.snapshot_id != wanted_.snapshot_id) return false;
  return std::all_of(wanted_.metadata.begin(), wanted_.metadata.end(), [&event](const auto& pair) {
    const auto found = event.metadata.find(pair.first);
    return found != event.metadata.end() && found->second == pair.second;
  });
}

std::vector<LifecycleEvent> LifecyclePosition::take_page(LifecyclePage page) {
  auto begin = page.events.begin();
  if (log_offset_ == 0 && !complete_until_->id.empty()) {
    // The list begins with an instant, and other events of that instant may be older.
    const std::string& last_known =
        complete_until_->time ? complete_until_->id : first_received_.id;
    const auto known = std::find_if(begin, page.events.end(), [&](const LifecycleEvent& event) {
      return event.id == last_known;
    });
    if (known != page.events.end()) begin = std::next(known);
  }
  std::vector<LifecycleEvent> fresh;
  for (auto event = begin; event != page.events.end(); ++event) {
    if (matches(*event) && is_new(*event)) fresh.push_back(std::move(*event));
  }
  log_offset_ += static_cast<std::int64_t>(page.events.size());
  fetched_ += fresh.size();
  if (!page.has_more || page.events.empty()) log_read_ = true;
  return fresh;
}

}  // namespace nullspace::inline v0::detail

// Where a stream stands in the lifecycle log, over many connections: what to ask each one for, and
// what is new of what comes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nullspace/lifecycle_event.hpp>

#include "api/recent_ids.hpp"
#include "wire/lifecycle_messages.hpp"
#include "wire/lifecycle_query.hpp"

namespace nullspace::inline v0::detail {

// The ends of the log that matter:
//
// - The cursor is the newest event delivered (at first: the one to begin after). A new connection
// is
//   asked for what follows it.
// - The baseline is the newest event that existed when the stream was made. It stands in for the
//   cursor as long as nothing was delivered. It may be unknown.
//
// A server limits how many events it repeats and does not say where the repeated ones end. So when
// a connection has sent as many as it was asked for, there may have been more: the log is then read
// from the last point known to be complete, once per connection.
class LifecyclePosition {
 public:
  struct Point {
    std::string id{};
    std::optional<Timestamp> time{};
  };
  struct Baseline {
    bool known{false};
    // "" when the log was empty.
    Point newest{};
  };

  explicit LifecyclePosition(wire::LifecycleSubscribe wanted);
  // Before the first connection.
  void set_baseline(Baseline baseline);

  // What the next connection is asked for.
  [[nodiscard]] wire::LifecycleSubscribe request() const;
  // The server has taken request(). The point after which events may be missing, if any may be.
  std::optional<Point> subscribed();
  // The server does not know the cursor of request() any more.
  void forget_cursor();

  // Whether an event of the connection is new.
  [[nodiscard]] bool take(const LifecycleEvent& event);

  // The stream's filters, as the log can be asked for them.
  [[nodiscard]] wire::LifecycleQuery filters(wire::LifecycleScope scope) const;

  // There may be events that the connection did not repeat: read the log by next_page() until this
  // is false.
  [[nodiscard]] bool behind() const noexcept;
  [[nodiscard]] wire::LifecycleQuery next_page(wire::LifecycleScope scope) const;
  // What is new on the page.
  [[nodiscard]] std::vector<LifecycleEvent> take_page(LifecyclePage page);
  // The log has given so many new events that the connection, which is still to bring the same
  // ones, cannot be told from news: it is to be made anew.
  [[nodiscard]] bool has_outrun_connection() const noexcept {
    return fetched_ > RecentIds::kDefaultCapacity / 2;
  }
  // The log cannot be read.
  void stop_reading_log() noexcept { log_read_ = true; }
  // Whether events came since request() was last taken: asking again leads on.
  [[nodiscard]] bool has_moved() const noexcept { return cursor_.id != asked_.after_event_id; }

  [[nodiscard]] const Point& cursor() const noexcept { return cursor_; }

 private:
  // request(), before its limit is one that a server grants.
  [[nodiscard]] wire::LifecycleSubscribe unlimited_request() const;
  // Whether the stream began with live events only.
  [[nodiscard]] bool begins_live() const noexcept;
  // Whether an event belongs to the stream, as far as the log cannot be asked for it.
  [[nodiscard]] bool matches(const LifecycleEvent& event) const;
  [[nodiscard]] bool is_new(const LifecycleEvent& event);

  wire::LifecycleSubscribe wanted_;
  Baseline baseline_{};
  RecentIds seen_{};
  Point cursor_{};
  // Stays when the cursor is given up.
  Point last_delivered_{};
  bool live_now_{false};
  bool cursor_lost_{false};
  int connections_{0};

  // Of the present connection.
  wire::LifecycleSubscribe asked_{};
  // What came before it is complete. Nothing: no such point is known, or none is needed.
  std::optional<Point> complete_until_{};
  // The log is to be read before the first message.
  bool log_first_{false};
  std::int64_t received_{0};
  Point first_received_{};
  bool log_read_{false};
  std::int64_t log_offset_{0};
  std::size_t fetched_{0};
};

}  // namespace nullspace::inline v0::detail

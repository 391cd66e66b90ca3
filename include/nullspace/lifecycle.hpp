/// @file
/// Lifecycle events of sandboxes and snapshots: the log, live streams of it, and webhooks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/client.hpp>
#include <nullspace/error.hpp>
#include <nullspace/export.hpp>
#include <nullspace/json.hpp>
#include <nullspace/lifecycle_event.hpp>
#include <nullspace/paged_range.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/stream_state.hpp>
#include <nullspace/subscription.hpp>
#include <nullspace/webhook.hpp>

namespace nullspace::inline v0 {

namespace detail {
class LifecycleReader;
class LifecycleRegistry;
}  // namespace detail

/// Which events a list has. What is not set does not narrow it.
struct LifecycleListOptions {
  std::optional<LifecycleOperation> operation{};
  std::optional<LifecycleStatus> status{};
  /// Events from this instant on, and up to but not including that one.
  std::optional<Timestamp> from{};
  std::optional<Timestamp> to{};
  /// These five narrow list_events() only; the lists of one sandbox or snapshot refuse them.
  /// `internal` is refused everywhere.
  std::optional<LifecycleAudience> audience{};
  /// As primary subject, source or target.
  std::string sandbox_id{};
  std::string snapshot_id{};
  std::string source_sandbox_id{};
  std::string target_sandbox_id{};
  /// false: newest first.
  bool oldest_first{false};
  /// Events per page, from 1; servers give no more than 200.
  int page_size{50};
  /// How many events to skip.
  std::int64_t offset{0};
  std::stop_token stop{};
};

/// Events of the log, fetched page by page while you iterate: `for (const LifecycleEvent& e :
/// lifecycle.list_events())`. Events that are written meanwhile move the pages; none comes twice
/// for that. Single pass; not thread-safe. Iterating throws Error like any request.
class NULLSPACE_EXPORT LifecycleEventList : public PagedRange<LifecycleEventList, LifecycleEvent> {
 public:
  LifecycleEventList(LifecycleEventList&&) noexcept;
  LifecycleEventList& operator=(LifecycleEventList&&) noexcept;
  LifecycleEventList(const LifecycleEventList&) = delete;
  LifecycleEventList& operator=(const LifecycleEventList&) = delete;
  ~LifecycleEventList();

  /// The next page, or nothing after the last.
  [[nodiscard]] std::optional<LifecyclePage> next_page();

  /// For the SDK's own use.
  struct State;
  explicit LifecycleEventList(std::unique_ptr<State> state) noexcept;

 private:
  friend PagedRange;
  [[nodiscard]] std::optional<std::vector<LifecycleEvent>> next_items();

  std::unique_ptr<State> state_;
};

struct WebhookDeliveryListOptions {
  /// Deliveries per page, from 1; servers give no more than 200.
  int page_size{50};
  /// How many deliveries to skip.
  std::int64_t offset{0};
  std::stop_token stop{};
};

/// The deliveries of one webhook, fetched page by page while you iterate. Single pass; not
/// thread-safe. Iterating throws Error like any request.
class NULLSPACE_EXPORT WebhookDeliveryList
    : public PagedRange<WebhookDeliveryList, WebhookDelivery> {
 public:
  WebhookDeliveryList(Client client, std::string webhook_id, WebhookDeliveryListOptions options);

  /// The next page (`GET /v1/lifecycle/webhooks/{id}/deliveries`), or nothing after the last.
  [[nodiscard]] std::optional<std::vector<WebhookDelivery>> next_page();

 private:
  friend PagedRange;
  [[nodiscard]] std::optional<std::vector<WebhookDelivery>> next_items() { return next_page(); }

  Client client_;
  std::string webhook_id_;
  WebhookDeliveryListOptions options_;
  bool finished_{false};
};

/// Events that a stream could not show, because the service does not remember any more where the
/// stream had come to (or never had an event to remember). What there was can be looked up with
/// Lifecycle::list_events() from `after_time` on.
struct LifecycleGap {
  /// The last event that was delivered, or the one the stream was to begin after. "" if there was
  /// none.
  std::string after_event_id{};
  /// When that event occurred, as far as it is known.
  std::optional<Timestamp> after_time{};
  /// Why it could not be bridged.
  Error cause;
};

/// What Lifecycle::subscribe() listens to, and whom it tells. All callbacks of one subscription run
/// on the client's executor, in order, never two at once.
struct LifecycleSubscribeOptions {
  /// Which events. What is not set does not narrow it.
  std::string sandbox_id{};
  std::string snapshot_id{};
  std::optional<LifecycleOperation> operation{};
  std::optional<LifecycleStatus> status{};
  /// `internal` is refused.
  std::optional<LifecycleAudience> audience{};
  /// Every key and value must be in the event's metadata.
  Json::Object metadata{};
  /// Where to begin: everything after this event, then live events. Keep the id of the last event
  /// you handled here to go on after a restart.
  std::string after_event_id{};
  /// Without after_event_id. true: nothing of the past. false: first the last events of the past,
  /// at most replay_limit.
  bool live_only{false};
  /// How many events of the past, not counting those after after_event_id, which all come. Nothing:
  /// the server's own limit.
  std::optional<int> replay_limit{100};

  /// Each event once, oldest first.
  std::function<void(const LifecycleEvent&)> on_event{};
  /// Events were lost for this stream; it goes on with live ones. Without this callback on_error
  /// gets an Error `lifecycle_gap`.
  std::function<void(const LifecycleGap&)> on_gap{};
  /// Something went wrong: the server reported a problem (`websocket_error`), a message was
  /// malformed (`invalid_response`), a callback threw (kind callback, which ends the subscription),
  /// or the stream is over for good. Losing and regaining the connection is not an error: see
  /// on_state_change.
  std::function<void(const Error&)> on_error{};
  /// Connected, reconnecting, closed, with the cause.
  std::function<void(const StateChange&)> on_state_change{};
};

/// What Lifecycle::stream() reads. The fields are those of LifecycleSubscribeOptions.
struct LifecycleStreamOptions {
  std::string sandbox_id{};
  std::string snapshot_id{};
  std::optional<LifecycleOperation> operation{};
  std::optional<LifecycleStatus> status{};
  std::optional<LifecycleAudience> audience{};
  Json::Object metadata{};
  std::string after_event_id{};
  bool live_only{false};
  std::optional<int> replay_limit{100};
  /// Ends the range within 50 ms, as if there were no more events; also while it is connecting.
  std::stop_token stop{};
  /// On the thread that iterates. Without it a gap is thrown as Error `lifecycle_gap`.
  std::function<void(const LifecycleGap&)> on_gap{};
  /// On the thread that iterates.
  std::function<void(const StateChange&)> on_state_change{};
};

/// Live events as an input range, on the thread that iterates; see Lifecycle::stream(). Movable,
/// not copyable; one thread at a time. Destroying it closes the connection. An event that is not
/// yet asked for waits; when many wait, the socket is no longer read.
class NULLSPACE_EXPORT LifecycleStream {
 public:
  /// An input iterator. Valid as long as the stream is neither moved nor destroyed.
  class NULLSPACE_EXPORT Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = LifecycleEvent;
    using difference_type = std::ptrdiff_t;
    using pointer = const LifecycleEvent*;
    using reference = const LifecycleEvent&;

    Iterator() = default;
    explicit Iterator(LifecycleStream& stream);
    [[nodiscard]] const LifecycleEvent& operator*() const noexcept;
    [[nodiscard]] const LifecycleEvent* operator->() const noexcept { return &**this; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t /*end*/) noexcept {
      return it.at_end();
    }

   private:
    [[nodiscard]] bool at_end() const noexcept;
    LifecycleStream* stream_{nullptr};
  };

  LifecycleStream(LifecycleStream&&) noexcept;
  LifecycleStream& operator=(LifecycleStream&&) noexcept;
  LifecycleStream(const LifecycleStream&) = delete;
  LifecycleStream& operator=(const LifecycleStream&) = delete;
  ~LifecycleStream();

  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }
  /// Waits for the next event; nothing once the stop_token was triggered or close() was called.
  /// Throws Error: what the server reported (`websocket_error`), a malformed message
  /// (`invalid_response`), `lifecycle_gap` without on_gap – after these three the stream can be
  /// read on – and what ends it for good: `unauthorized`, `not_implemented`, a connection that does
  /// not come back.
  [[nodiscard]] std::optional<LifecycleEvent> next();
  /// Ends the stream, from any thread: who waits in next() gets nothing. Idempotent.
  void close() noexcept;

  /// For the SDK's own use.
  explicit LifecycleStream(std::shared_ptr<detail::LifecycleReader> reader) noexcept;

 private:
  std::shared_ptr<detail::LifecycleReader> reader_;
  std::optional<LifecycleEvent> event_{};
};

/// The lifecycle log and what can be built on it. Cheap to copy, thread-safe. All calls throw
/// Error; a deployment without the log answers `not_implemented`.
///
/// **Live streams** (subscribe() and stream()) open a WebSocket (`/v1/lifecycle/ws`). A connection
/// that is lost is made again by itself (ClientOptions::reconnect), and the stream goes on after
/// the last event it delivered: every event comes once and in order, however often the connection
/// breaks. What the connection repeats is dropped; what a server's limit on replayed events leaves
/// out is fetched from the log by REST. Where nothing was delivered yet, the stream goes on from
/// what was the newest event when it began, which one request at the start finds out. Where this
/// cannot be done – the server does not know the event any more, or keeps no log – the application
/// is told (on_gap), and live events go on.
class NULLSPACE_EXPORT Lifecycle {
 public:
  /// With a client of its own, configured from the environment.
  Lifecycle();
  explicit Lifecycle(Client client);

  /// Events of the whole account (`GET /v1/lifecycle/events`). Nothing is sent before you iterate.
  /// Throws Error `invalid_request` for filters that make no sense.
  [[nodiscard]] LifecycleEventList list_events(LifecycleListOptions options = {}) const;
  /// Events in which the sandbox is primary subject, source or target
  /// (`GET /v1/sandboxes/{id}/lifecycle`); also of one that is gone.
  [[nodiscard]] LifecycleEventList list_sandbox_events(std::string_view sandbox_id,
                                                       LifecycleListOptions options = {}) const;
  /// `GET /v1/snapshots/{id}/lifecycle`
  [[nodiscard]] LifecycleEventList list_snapshot_events(std::string_view snapshot_id,
                                                        LifecycleListOptions options = {}) const;

  /// Calls back for every event until it is stopped. Returns once the server has accepted the
  /// subscription. Throws Error when it does not: `unauthorized`, `not_implemented`,
  /// `transport_error`, `timeout`, `websocket_error` (for instance an after_event_id that is not
  /// known), `invalid_request` before any I/O, `cancelled` after close().
  [[nodiscard]] Subscription subscribe(LifecycleSubscribeOptions options) const;
  /// Live events on the calling thread:
  /// `for (const LifecycleEvent& event : lifecycle.stream({.stop = token}))`. Connects and throws
  /// like subscribe(); errors later come out of the iteration.
  [[nodiscard]] LifecycleStream stream(LifecycleStreamOptions options = {}) const;

  /// Has the service post events to a URL (`POST /v1/lifecycle/webhooks`). verify_webhook() is for
  /// the receiver. Throws Error `invalid_request` before any I/O: no operation, a URL that is none,
  /// an empty secret.
  Webhook create_webhook(WebhookCreateOptions options) const;
  /// `GET /v1/lifecycle/webhooks`
  [[nodiscard]] std::vector<Webhook> list_webhooks(std::stop_token stop = {}) const;
  /// `GET /v1/lifecycle/webhooks/{id}`. Throws Error of kind not_found.
  [[nodiscard]] Webhook get_webhook(std::string_view webhook_id, std::stop_token stop = {}) const;
  /// `PATCH /v1/lifecycle/webhooks/{id}`. What is not set stays.
  Webhook update_webhook(std::string_view webhook_id, WebhookUpdateOptions options) const;
  /// `DELETE /v1/lifecycle/webhooks/{id}`
  void delete_webhook(std::string_view webhook_id, std::stop_token stop = {}) const;
  /// What was posted, newest first as servers have it. Nothing is sent before you iterate.
  [[nodiscard]] WebhookDeliveryList list_webhook_deliveries(
      std::string_view webhook_id, WebhookDeliveryListOptions options = {}) const;
  /// One delivery with its event and every attempt
  /// (`GET /v1/lifecycle/webhooks/{id}/deliveries/{delivery_id}`).
  [[nodiscard]] WebhookDeliveryDetails get_webhook_delivery(std::string_view webhook_id,
                                                            std::string_view delivery_id,
                                                            std::stop_token stop = {}) const;

  /// Ends every subscription and stream that was made with this object or a copy of it, like
  /// Subscription::stop() and LifecycleStream::close(); there are no new ones afterwards.
  /// Idempotent.
  void close() noexcept;

 private:
  Client client_;
  std::shared_ptr<detail::LifecycleRegistry> registry_;
};

}  // namespace nullspace::inline v0

// Lifecycle events as a scripted service writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/unit/api/scripted_client.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::tests {

// Number n occurs n seconds after the first.
inline std::string event_id(int n) {
  return "evt_" + std::to_string(n);
}
inline Timestamp event_time(int n) {
  return *wire::parse_timestamp("2026-05-02T08:00:00Z") + std::chrono::seconds(n);
}
inline Json event_json(int n, std::string_view operation = "create", Json::Object metadata = {}) {
  return Json(Json::Object{{"id", event_id(n)},
                           {"occurred_at", wire::format_timestamp(event_time(n))},
                           {"audience", "customer"},
                           {"operation", operation},
                           {"status", "succeeded"},
                           {"sandbox_id", "sb_1"},
                           {"actor_kind", "user"},
                           {"metadata", std::move(metadata)}});
}
inline LifecycleEvent event_value(int n) {
  LifecycleEvent event;
  event.id = event_id(n);
  event.occurred_at = event_time(n);
  return event;
}

inline std::string event_message(int n) {
  return Json(Json::Object{{"type", "event"}, {"event", event_json(n)}}).dump();
}
inline std::string subscribed_message() {
  return R"({"type":"subscribed","subscription":{"audience":"customer"},"reconnect_mode":"cursor_replay"})";
}
inline std::string problem_message(std::string_view message) {
  return Json(Json::Object{{"type", "error"}, {"message", message}}).dump();
}
// Events first, first + 1, ... last.
inline Json::Array event_range(int first, int last) {
  Json::Array events;
  for (int n = first; n <= last; ++n)
    events.push_back(event_json(n));
  return events;
}
inline HttpResponse event_page(Json::Array events, bool has_more = false) {
  return response(
      200,
      Json(Json::Object{
               {"events", std::move(events)}, {"offset", 0}, {"limit", 50}, {"has_more", has_more}})
          .dump());
}

// A server that accepts everybody and takes every subscription; its log is empty.
inline void serve_lifecycle(const ScriptedClient& scripted) {
  scripted.http->answer_with([](const HttpRequest&) { return event_page({}); });
  serve(*scripted.network, "subscribe",
        [](ScriptedPeer& peer) { peer.push(subscribed_message()); });
}

}  // namespace nullspace::tests

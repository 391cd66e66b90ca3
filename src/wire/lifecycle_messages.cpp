#include "wire/lifecycle_messages.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "wire/dialect.hpp"
#include "wire/json.hpp"
#include "wire/lifecycle_json.hpp"
#include "wire/lifecycle_words.hpp"
#include "wire/model_json.hpp"

namespace nullspace::inline v0::wire {

namespace {

void write_if_given(JsonWriter& writer, std::string_view key, std::string_view value) {
  if (!value.empty()) writer.text(key, value);
}

template <typename Word>
void write_if_given(JsonWriter& writer, std::string_view key, const std::optional<Word>& word) {
  if (word) writer.text(key, to_string(*word));
}

// What selects events, as opposed to where to begin.
void write_filters(JsonWriter& writer, Dialect dialect, const LifecycleSubscribe& message) {
  write_if_given(writer, noun(dialect).id_key, message.sandbox_id);
  write_if_given(writer, "snapshot_id", message.snapshot_id);
  write_if_given(writer, "operation", message.operation);
  write_if_given(writer, "status", message.status);
  if (message.metadata.empty()) return;
  writer.key("metadata");
  writer.json(message.metadata);
}

ReconnectMode reconnect_mode_from_word(std::string_view word) noexcept {
  for (const ReconnectMode mode : {ReconnectMode::cursor_replay, ReconnectMode::live_only}) {
    if (reconnect_mode_word(mode) == word) return mode;
  }
  return ReconnectMode::unknown;
}

support::Result<LifecycleServerMessage> read_event_message(ObjectReader& reader) {
  const JsonValue* value = reader.object("event");
  if (value == nullptr) {
    reader.refuse("event", "expected an object, but it is missing");
    return *reader.problem();
  }
  support::Result<LifecycleEvent> event = read_lifecycle_event(*value);
  if (!event) return std::move(event).error();
  return LifecycleServerMessage(std::move(*event));
}

// An id that selects: absent, or not empty.
std::string read_id(ObjectReader& reader, std::string_view key) {
  return reader.has(key) ? reader.required_name(key) : std::string();
}

template <typename Word>
std::optional<Word> read_word(ObjectReader& reader, std::string_view key,
                              Word (*from_word)(std::string_view) noexcept) {
  const std::optional<std::string> text = reader.text(key);
  if (!text) return std::nullopt;
  const Word word = from_word(*text);
  if (word == Word::unknown) reader.refuse(key, "there is no such value");
  return word;
}

LifecycleSubscribe read_subscribe(ObjectReader& reader) {
  LifecycleSubscribe message;
  message.sandbox_id = read_id(reader, key_in_use(reader, &Noun::id_key));
  message.snapshot_id = read_id(reader, "snapshot_id");
  message.operation = read_word(reader, "operation", operation_from_word);
  message.status = read_word(reader, "status", lifecycle_status_from_word);
  message.audience = read_word(reader, "audience", audience_from_word);
  if (message.audience == LifecycleAudience::internal) {
    reader.refuse("audience", "internal events are not public");
  }
  message.live_only = reader.flag("live_only");
  message.after_event_id = read_id(reader, "after_event_id");
  if (const std::optional<std::int64_t> limit = reader.integer("replay_limit", 0)) {
    message.replay_limit = static_cast<int>(std::min<std::int64_t>(*limit, kMaxReplay));
  }
  message.metadata = reader.json_object("metadata");
  return message;
}

}  // namespace

std::string encode_lifecycle_event(Dialect dialect, const LifecycleEvent& event) {
  JsonWriter writer;
  write_lifecycle_event(writer, dialect, event);
  return writer.take();
}

support::Result<LifecycleEvent> decode_lifecycle_event(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  return read_lifecycle_event(document->root());
}

std::string encode_lifecycle_page(Dialect dialect, const LifecyclePage& page) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("events");
  writer.begin_array();
  for (const LifecycleEvent& event : page.events)
    write_lifecycle_event(writer, dialect, event);
  writer.end_array();
  writer.integer("offset", page.offset);
  writer.integer("limit", page.limit);
  writer.flag("has_more", page.has_more);
  writer.end_object();
  return writer.take();
}

support::Result<LifecyclePage> decode_lifecycle_page(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "lifecycle page", Blame::server);
  LifecyclePage page;
  const JsonValue* events = reader.array("events");
  page.offset = reader.integer("offset").value_or(0);
  page.limit = reader.integer("limit").value_or(0);
  page.has_more = reader.flag("has_more").value_or(false);
  if (reader.problem()) return *reader.problem();
  if (events == nullptr) return page;
  page.events.reserve(events->Size());
  for (const JsonValue& value : events->GetArray()) {
    if (!value.IsObject()) continue;
    support::Result<LifecycleEvent> event = read_lifecycle_event(value);
    if (!event) return std::move(event).error();
    page.events.push_back(std::move(*event));
  }
  return page;
}

std::string encode(Dialect dialect, const LifecycleSubscribe& message) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("type", "subscribe");
  write_filters(writer, dialect, message);
  write_if_given(writer, "audience", message.audience);
  if (message.live_only) writer.flag("live_only", *message.live_only);
  write_if_given(writer, "after_event_id", message.after_event_id);
  if (message.replay_limit) writer.integer("replay_limit", *message.replay_limit);
  writer.end_object();
  return writer.take();
}

std::string_view reconnect_mode_word(ReconnectMode mode) noexcept {
  switch (mode) {
    case ReconnectMode::cursor_replay:
      return "cursor_replay";
    case ReconnectMode::live_only:
      return "live_only";
    case ReconnectMode::unknown:
      break;
  }
  return "unknown";
}

std::string encode_lifecycle_subscribed(Dialect dialect, const LifecycleSubscribe& subscription,
                                        ReconnectMode mode) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("type", "subscribed");
  writer.key("subscription");
  writer.begin_object();
  writer.text("audience", to_string(subscription.audience.value_or(LifecycleAudience::customer)));
  write_filters(writer, dialect, subscription);
  writer.end_object();
  writer.text("reconnect_mode", reconnect_mode_word(mode));
  writer.end_object();
  return writer.take();
}

std::string encode_lifecycle_event_message(Dialect dialect, const LifecycleEvent& event) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("type", "event");
  writer.key("event");
  write_lifecycle_event(writer, dialect, event);
  writer.end_object();
  return writer.take();
}

std::string encode(const LifecycleProblem& message) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("type", "error");
  writer.text("message", message.message);
  writer.end_object();
  return writer.take();
}

bool is_unknown_cursor(const LifecycleProblem& problem) noexcept {
  const auto says = [&](std::string_view word) {
    return problem.message.find(word) != std::string::npos;
  };
  return says("after_event_id") || says("cursor") || says("event id");
}

support::Result<LifecycleServerMessage> decode_lifecycle_message(std::string_view text) {
  const support::Result<Document> document = parse_document(std::string(text), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "lifecycle message", Blame::server);
  const std::string type = reader.required_text("type");
  if (reader.problem()) return *reader.problem();
  if (type == "event") return read_event_message(reader);
  if (type == "subscribed") {
    const LifecycleSubscribed subscribed{
        reconnect_mode_from_word(reader.text_or_empty("reconnect_mode"))};
    if (reader.problem()) return *reader.problem();
    return LifecycleServerMessage(subscribed);
  }
  if (type == "error") {
    LifecycleProblem problem{reader.required_text("message")};
    if (reader.problem()) return *reader.problem();
    return LifecycleServerMessage(std::move(problem));
  }
  return LifecycleServerMessage(UnknownMessage{type});
}

std::variant<LifecycleSubscribe, LifecycleProblem> decode_lifecycle_client_message(
    std::string_view text) {
  const auto refused = [](std::string_view why) {
    return LifecycleProblem{"invalid message: " + std::string(why)};
  };
  const support::Result<Document> document = parse_document(std::string(text), Blame::client);
  if (!document) return refused(document.error().message);
  ObjectReader reader(document->root(), "lifecycle message", Blame::client);
  if (reader.required_text("type") != "subscribe") reader.refuse("type", "unknown");
  LifecycleSubscribe message = read_subscribe(reader);
  if (reader.problem()) return refused(reader.problem()->message);
  return message;
}

}  // namespace nullspace::inline v0::wire

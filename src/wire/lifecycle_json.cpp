#include "wire/lifecycle_json.hpp"

#include <optional>

#include "wire/dialect.hpp"
#include "wire/lifecycle_words.hpp"
#include "wire/model_json.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

Timestamp required_timestamp(ObjectReader& reader, std::string_view key) {
  const std::optional<Timestamp> time = reader.timestamp(key);
  if (!time) reader.refuse(key, "expected an RFC 3339 time");
  return time.value_or(Timestamp{});
}

support::Result<LifecycleEvent> read_lifecycle_event(const JsonValue& value) {
  ObjectReader reader(value, "lifecycle event", Blame::server);
  LifecycleEvent event;
  event.id = reader.required_name("id");
  event.occurred_at = required_timestamp(reader, "occurred_at");
  event.audience_text = reader.required_text("audience");
  event.audience = audience_from_word(event.audience_text);
  event.operation_text = reader.required_text("operation");
  event.operation = operation_from_word(event.operation_text);
  event.status_text = reader.required_text("status");
  event.status = lifecycle_status_from_word(event.status_text);
  event.actor_text = reader.required_text("actor_kind");
  event.actor = actor_from_word(event.actor_text);
  event.sandbox_id = reader.text_or_empty(key_in_use(reader, &Noun::id_key));
  event.snapshot_id = reader.text_or_empty("snapshot_id");
  event.source_sandbox_id = reader.text_or_empty(key_in_use(reader, &Noun::source_id_key));
  event.target_sandbox_id = reader.text_or_empty(key_in_use(reader, &Noun::target_id_key));
  event.user_id = reader.text_or_empty("user_id");
  event.reason = reader.text_or_empty("reason");
  event.error_code = reader.text_or_empty("error_code");
  event.error_message = reader.text_or_empty("error_message");
  event.metadata = reader.json_object("metadata");
  if (reader.problem()) return *reader.problem();
  return event;
}

void write_lifecycle_event(JsonWriter& writer, Dialect dialect, const LifecycleEvent& event) {
  const Noun& words = noun(dialect);
  writer.begin_object();
  writer.text("id", event.id);
  writer.text("occurred_at", format_timestamp(event.occurred_at));
  writer.text("audience", word_or_text(event.audience, event.audience_text));
  writer.text("operation", word_or_text(event.operation, event.operation_text));
  writer.text("status", word_or_text(event.status, event.status_text));
  write_text_or_null(writer, words.id_key, event.sandbox_id);
  write_text_or_null(writer, "snapshot_id", event.snapshot_id);
  write_text_or_null(writer, words.source_id_key, event.source_sandbox_id);
  write_text_or_null(writer, words.target_id_key, event.target_sandbox_id);
  writer.text("actor_kind", word_or_text(event.actor, event.actor_text));
  write_text_or_null(writer, "user_id", event.user_id);
  write_text_or_null(writer, "reason", event.reason);
  write_text_or_null(writer, "error_code", event.error_code);
  write_text_or_null(writer, "error_message", event.error_message);
  writer.key("metadata");
  writer.json(event.metadata);
  writer.end_object();
}

}  // namespace nullspace::inline v0::wire

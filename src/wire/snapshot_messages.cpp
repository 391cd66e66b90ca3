#include "wire/snapshot_messages.hpp"

#include "wire/dialect.hpp"
#include "wire/json.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

std::string encode_snapshot(Dialect dialect, const SnapshotAnswer& snapshot) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("id", snapshot.id);
  writer.text(noun(dialect).id_key, snapshot.sandbox_id);
  writer.integer("size_bytes", snapshot.size_bytes);
  writer.text("created_at", format_timestamp(snapshot.created_at));
  writer.key("metadata");
  writer.json(snapshot.metadata);
  writer.end_object();
  return writer.take();
}

}  // namespace nullspace::inline v0::wire

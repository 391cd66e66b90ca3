#include "wire/stream_messages.hpp"

#include "wire/json.hpp"

namespace nullspace::inline v0::wire {

std::string encode(const StreamError& message) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("type", "error");
  if (!message.id.empty()) writer.text("id", message.id);
  writer.text("message", message.message);
  if (!message.code.empty()) writer.text("code", message.code);
  writer.end_object();
  return writer.take();
}

}  // namespace nullspace::inline v0::wire

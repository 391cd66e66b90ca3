#include "wire/control_messages.hpp"

#include <limits>
#include <string>
#include <utility>

#include "wire/base64.hpp"
#include "wire/exec_json.hpp"
#include "wire/json.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();

int read_pid(ObjectReader& reader) {
  return reader.required_int("pid", 1, kMaxInt);
}

PtyStart read_pty_start(ObjectReader& reader, std::string id) {
  PtyStart start;
  start.id = std::move(id);
  start.cols = reader.small_integer("cols", 1, kMaxCells).value_or(start.cols);
  start.rows = reader.small_integer("rows", 1, kMaxCells).value_or(start.rows);
  start.cwd = read_directory(reader, "cwd");
  start.envs = read_envs(reader, "envs");
  return start;
}

PtyConnect read_pty_connect(ObjectReader& reader, std::string id) {
  PtyConnect connect;
  connect.id = std::move(id);
  if (reader.has("session_id") == reader.has("pid")) {
    reader.refuse("session_id", "exactly one of session_id and pid must be there");
  } else if (reader.has("pid")) {
    connect.pid = read_pid(reader);
  } else {
    connect.session_id = reader.required_name("session_id");
  }
  return connect;
}

PtyInput read_pty_input(ObjectReader& reader, std::string id) {
  PtyInput input;
  input.id = std::move(id);
  input.session_id = reader.required_name("session_id");
  if (reader.has("data") == reader.has("data_base64")) {
    reader.refuse("data", "exactly one of data and data_base64 must be there");
  } else if (reader.has("data")) {
    input.data = reader.required_text("data");
  } else if (std::optional<std::string> bytes =
                 decode_base64(reader.required_text("data_base64"))) {
    input.data = std::move(*bytes);
  } else {
    reader.refuse("data_base64", "expected base64");
  }
  return input;
}

PtyResize read_pty_resize(ObjectReader& reader, std::string id) {
  PtyResize resize;
  resize.id = std::move(id);
  resize.session_id = reader.required_name("session_id");
  resize.cols = reader.required_int("cols", 1, kMaxCells);
  resize.rows = reader.required_int("rows", 1, kMaxCells);
  return resize;
}

ClientMessage read_message(ObjectReader& reader, std::string_view type, std::string id) {
  if (type == "exec_start") return ExecStart{std::move(id), read_exec_request(reader)};
  if (type == "exec_connect") return ExecConnect{std::move(id), read_pid(reader)};
  if (type == "exec_stdin") {
    return ExecStdin{std::move(id), read_pid(reader), reader.required_text("data")};
  }
  if (type == "exec_stdin_close") return ExecStdinClose{std::move(id), read_pid(reader)};
  if (type == "exec_kill") return ExecKill{std::move(id), read_pid(reader)};
  if (type == "pty_start") return read_pty_start(reader, std::move(id));
  if (type == "pty_connect") return read_pty_connect(reader, std::move(id));
  if (type == "pty_input") return read_pty_input(reader, std::move(id));
  if (type == "pty_resize") return read_pty_resize(reader, std::move(id));
  if (type == "pty_kill") return PtyKill{std::move(id), reader.required_name("session_id")};
  reader.refuse("type", "unknown");
  return {};
}

StreamError refused(std::string id, std::string_view why) {
  return {std::move(id), "invalid message: " + std::string(why), "invalid_request"};
}

}  // namespace

std::variant<ClientMessage, StreamError> decode_client_message(std::string_view text) {
  const support::Result<Document> document = parse_document(std::string(text), Blame::client);
  if (!document) return refused("", document.error().message);
  if (!document->root().IsObject()) return refused("", "expected an object");

  // The id is wanted even of a message that is refused, so that its sender knows which one it was.
  ObjectReader head(document->root(), "message", Blame::client);
  const std::string type = head.required_name("type");
  std::string id = head.required_name("id");
  if (head.problem()) return refused(std::move(id), head.problem()->message);

  ObjectReader reader(document->root(), type, Blame::client);
  ClientMessage message = read_message(reader, type, id);
  if (reader.problem()) return refused(std::move(id), reader.problem()->message);
  return message;
}

}  // namespace nullspace::inline v0::wire

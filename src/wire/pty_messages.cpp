#include "wire/pty_messages.hpp"

#include <utility>

#include "support/error_info.hpp"
#include "wire/base64.hpp"
#include "wire/exec_json.hpp"
#include "wire/frame.hpp"
#include "wire/json.hpp"

namespace nullspace::inline v0::wire {

namespace {

void begin_message(JsonWriter& writer, std::string_view type, std::string_view id) {
  writer.begin_object();
  writer.text("type", type);
  writer.text("id", id);
}

void begin_session_message(JsonWriter& writer, std::string_view type, std::string_view id,
                           std::string_view session_id) {
  begin_message(writer, type, id);
  writer.text("session_id", session_id);
}

support::Result<PtySessionInfo> read_session(const JsonValue& value) {
  ObjectReader reader(value, "pty", Blame::server);
  PtySessionInfo session;
  session.session_id = reader.required_name("session_id");
  session.pid = reader.required_int("pid");
  session.cols = reader.required_int("cols");
  session.rows = reader.required_int("rows");
  session.exec_id = reader.text_or_empty("exec_id");
  if (reader.problem()) return *reader.problem();
  return session;
}

void write_session_members(JsonWriter& writer, const PtySessionInfo& session) {
  writer.text("session_id", session.session_id);
  writer.integer("pid", session.pid);
  writer.integer("cols", session.cols);
  writer.integer("rows", session.rows);
  writer.text("exec_id", session.exec_id);
}

void write_session(JsonWriter& writer, const PtySessionInfo& session) {
  writer.begin_object();
  write_session_members(writer, session);
  writer.end_object();
}

PtyStarted take_started(Frame& frame) {
  PtyStarted started;
  started.id = frame.text_or_empty(FrameKey::id);
  started.session.session_id = frame.required_text(FrameKey::session_id);
  if (started.session.session_id.empty()) frame.refuse(FrameKey::session_id, "must not be empty");
  started.session.pid = frame.int_or_zero(FrameKey::pid);
  started.session.cols = frame.int_or_zero(FrameKey::cols);
  started.session.rows = frame.int_or_zero(FrameKey::rows);
  started.session.exec_id = frame.text_or_empty(FrameKey::exec_id);
  return started;
}

PtyOutput take_output(Frame& frame) {
  PtyOutput output;
  output.id = frame.text_or_empty(FrameKey::id);
  output.session_id = frame.text_or_empty(FrameKey::session_id);
  const bool has_bytes = frame.has(FrameKey::data_base64);
  output.data =
      has_bytes ? frame.required_bytes(FrameKey::data_base64) : frame.required_text(FrameKey::data);
  return output;
}

PtyExited take_exited(Frame& frame) {
  PtyExited exited;
  exited.id = frame.text_or_empty(FrameKey::id);
  exited.session_id = frame.text_or_empty(FrameKey::session_id);
  // Absent means 0; a null is a server that does not know how the shell ended, which is no success.
  if (frame.is_null(FrameKey::exit_code)) frame.refuse(FrameKey::exit_code, "expected an integer");
  exited.exit_code = frame.int_or_zero(FrameKey::exit_code);
  return exited;
}

// What was taken from the frame, unless taking it met a problem.
template <typename Message>
support::Result<PtyServerMessage> finish(const Frame& frame, Message message) {
  if (frame.problem()) return *frame.problem();
  return PtyServerMessage(std::move(message));
}

}  // namespace

support::Result<void> validate(PtySize size) {
  const bool is_good =
      size.cols >= 1 && size.cols <= kMaxCells && size.rows >= 1 && size.rows <= kMaxCells;
  if (is_good) return {};
  return support::invalid_request("cols and rows must be 1 to " + std::to_string(kMaxCells));
}

support::Result<std::vector<PtySessionInfo>> decode_pty_sessions(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  if (!document->root().IsArray()) return support::invalid_response("pty: expected an array");
  std::vector<PtySessionInfo> sessions;
  sessions.reserve(document->root().Size());
  for (const JsonValue& value : document->root().GetArray()) {
    support::Result<PtySessionInfo> session = read_session(value);
    if (!session) return std::move(session).error();
    sessions.push_back(std::move(*session));
  }
  return sessions;
}

std::string encode_pty_sessions(std::span<const PtySessionInfo> sessions) {
  JsonWriter writer;
  writer.begin_array();
  for (const PtySessionInfo& session : sessions)
    write_session(writer, session);
  writer.end_array();
  return writer.take();
}

support::Result<PtySessionInfo> decode_pty_session(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  return read_session(document->root());
}

std::string encode_pty_session(const PtySessionInfo& session) {
  JsonWriter writer;
  write_session(writer, session);
  return writer.take();
}

std::string encode_resize_request(PtySize size) {
  JsonWriter writer;
  writer.begin_object();
  writer.integer("cols", size.cols);
  writer.integer("rows", size.rows);
  writer.end_object();
  return writer.take();
}

support::Result<PtySize> decode_resize_request(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "resize", Blame::client);
  PtySize size;
  size.cols = reader.required_int("cols", 1, kMaxCells);
  size.rows = reader.required_int("rows", 1, kMaxCells);
  if (reader.problem()) return *reader.problem();
  return size;
}

std::string encode(const PtyStart& message) {
  JsonWriter writer;
  begin_message(writer, "pty_start", message.id);
  writer.integer("cols", message.cols);
  writer.integer("rows", message.rows);
  write_directory_and_envs(writer, message.cwd, message.envs);
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyConnect& message) {
  JsonWriter writer;
  begin_message(writer, "pty_connect", message.id);
  if (message.pid) {
    writer.integer("pid", *message.pid);
  } else {
    writer.text("session_id", message.session_id);
  }
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyInput& message) {
  JsonWriter writer;
  begin_session_message(writer, "pty_input", message.id, message.session_id);
  writer.key("data_base64");
  writer.ascii(encode_base64(message.data));
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyResize& message) {
  JsonWriter writer;
  begin_session_message(writer, "pty_resize", message.id, message.session_id);
  writer.integer("cols", message.cols);
  writer.integer("rows", message.rows);
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyKill& message) {
  JsonWriter writer;
  begin_session_message(writer, "pty_kill", message.id, message.session_id);
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyStarted& message) {
  JsonWriter writer;
  begin_message(writer, "pty_started", message.id);
  write_session_members(writer, message.session);
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyOutput& message) {
  JsonWriter writer(message.data.size() * 3 + 256);
  begin_session_message(writer, "pty_output", message.id, message.session_id);
  writer.text("data", message.data);
  writer.key("data_base64");
  writer.ascii(encode_base64(message.data));
  writer.end_object();
  return writer.take();
}

std::string encode(const PtyExited& message) {
  JsonWriter writer;
  begin_session_message(writer, "pty_exited", message.id, message.session_id);
  writer.integer("exit_code", message.exit_code);
  writer.end_object();
  return writer.take();
}

support::Result<PtyServerMessage> decode_pty_server_message(std::string&& text) {
  support::Result<Frame> split = Frame::split(std::move(text));
  if (!split) return std::move(split).error();
  Frame& frame = *split;
  const std::string& type = frame.type();
  if (type == "pty_output") return finish(frame, take_output(frame));
  if (type == "pty_started") return finish(frame, take_started(frame));
  if (type == "pty_exited" || type == "exec_exit") return finish(frame, take_exited(frame));
  if (type == "error") return finish(frame, take_error(frame));
  return finish(frame, UnknownMessage{type});
}

}  // namespace nullspace::inline v0::wire

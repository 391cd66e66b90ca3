#include "wire/exec_messages.hpp"

#include <algorithm>
#include <utility>

#include "support/error_info.hpp"
#include "wire/exec_json.hpp"
#include "wire/frame.hpp"
#include "wire/json.hpp"
#include "wire/model_json.hpp"

namespace nullspace::inline v0::wire {

namespace {

bool has_nul(std::string_view text) noexcept {
  return text.find('\0') != std::string_view::npos;
}

// {"type": ..., "id": ..., with room for more
void begin_message(JsonWriter& writer, std::string_view type, std::string_view id) {
  writer.begin_object();
  writer.text("type", type);
  writer.text("id", id);
}

std::string encode_addressed(std::string_view type, std::string_view id, int pid) {
  JsonWriter writer;
  begin_message(writer, type, id);
  writer.integer("pid", pid);
  writer.end_object();
  return writer.take();
}

ExecOutput take_output(Frame& frame, OutputStream stream) {
  ExecOutput output;
  output.id = frame.text_or_empty(FrameKey::id);
  output.pid = frame.int_or_zero(FrameKey::pid);
  output.stream = stream;
  output.data = frame.required_text(FrameKey::data);
  return output;
}

ExecStarted take_started(Frame& frame) {
  return {frame.text_or_empty(FrameKey::id), frame.required_int(FrameKey::pid)};
}

ExecExit take_exit(Frame& frame) {
  return {frame.text_or_empty(FrameKey::id), frame.int_or_zero(FrameKey::pid),
          frame.required_int(FrameKey::exit_code)};
}

// What was taken from the frame, unless taking it met a problem.
template <typename Message>
support::Result<ExecServerMessage> finish(const Frame& frame, Message message) {
  if (frame.problem()) return *frame.problem();
  return ExecServerMessage(std::move(message));
}

}  // namespace

support::Result<void> validate(const ExecRequest& request) {
  if (request.command.empty()) return support::invalid_request("command must not be empty");
  if (has_nul(request.command)) return support::invalid_request("command must not contain NUL");
  if (std::any_of(request.args.begin(), request.args.end(), has_nul)) {
    return support::invalid_request("args must not contain NUL");
  }
  if (request.shell && !request.args.empty()) {
    return support::invalid_request("args cannot be used together with shell");
  }
  if (!request.cwd.empty() && (request.cwd.front() != '/' || has_nul(request.cwd))) {
    return support::invalid_request("cwd must be an absolute path");
  }
  if (const std::string_view problem = problem_of(request.envs); !problem.empty()) {
    return support::invalid_request("envs: " + std::string(problem));
  }
  if (request.timeout_secs < 1 || request.timeout_secs > kMaxTimeoutSecs) {
    return support::invalid_request("timeout must be 1 to " + std::to_string(kMaxTimeoutSecs) +
                                    " seconds");
  }
  return {};
}

std::string encode_exec_request(const ExecRequest& request) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("command", request.command);
  writer.integer("timeout_secs", request.timeout_secs);
  writer.flag("background", request.background);
  if (!request.args.empty()) {
    writer.key("args");
    writer.texts(request.args);
  }
  write_directory_and_envs(writer, request.cwd, request.envs);
  if (request.shell) writer.flag("shell", true);
  writer.end_object();
  return writer.take();
}

support::Result<ExecRequest> decode_exec_request(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "exec", Blame::client);
  ExecRequest request = read_exec_request(reader);
  request.background = reader.flag("background").value_or(false);
  if (reader.problem()) return *reader.problem();
  return request;
}

support::Result<CommandResult> decode_exec_answer(std::string body) {
  const support::Result<Document> document = parse_document(std::move(body), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "exec", Blame::server);
  CommandResult result;
  result.exit_code = reader.required_int("exit_code");
  result.stdout_text = reader.text_or_empty("stdout");
  result.stderr_text = reader.text_or_empty("stderr");
  result.pid = reader.small_integer("pid");
  if (reader.problem()) return *reader.problem();
  return result;
}

std::string encode_exec_answer(const CommandResult& result) {
  JsonWriter writer;
  writer.begin_object();
  writer.integer("exit_code", result.exit_code);
  writer.text("stdout", result.stdout_text);
  writer.text("stderr", result.stderr_text);
  if (result.pid) writer.integer("pid", *result.pid);
  writer.end_object();
  return writer.take();
}

support::Result<int> decode_background_answer(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "exec", Blame::server);
  const int pid = reader.required_int("pid");
  if (reader.problem()) return *reader.problem();
  return pid;
}

std::string encode_background_answer(int pid) {
  CommandResult result;
  result.pid = pid;
  return encode_exec_answer(result);
}

support::Result<std::vector<ProcessInfo>> decode_processes(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::server);
  if (!document) return document.error();
  if (!document->root().IsArray()) return support::invalid_response("processes: expected an array");
  return read_processes(document->root());
}

std::string encode_processes(std::span<const ProcessInfo> processes) {
  JsonWriter writer;
  write_processes(writer, processes);
  return writer.take();
}

support::Result<ProcessLogs> decode_process_logs(std::string body) {
  const support::Result<Document> document = parse_document(std::move(body), Blame::server);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "logs", Blame::server);
  ProcessLogs logs;
  logs.stdout_text = reader.text_or_empty("stdout");
  logs.stderr_text = reader.text_or_empty("stderr");
  logs.output = reader.required_text("output");
  logs.exit_code = reader.small_integer("exit_code");
  if (reader.problem()) return *reader.problem();
  return logs;
}

std::string encode_process_logs(const ProcessLogs& logs) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("stdout", logs.stdout_text);
  writer.text("stderr", logs.stderr_text);
  writer.text("output", logs.output);
  if (logs.exit_code) {
    writer.integer("exit_code", *logs.exit_code);
  } else {
    writer.null("exit_code");
  }
  writer.end_object();
  return writer.take();
}

std::string encode_stdin_request(std::string_view data) {
  JsonWriter writer;
  writer.begin_object();
  writer.text("data", data);
  writer.end_object();
  return writer.take();
}

support::Result<std::string> decode_stdin_request(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "stdin", Blame::client);
  std::string data = reader.required_text("data");
  if (reader.problem()) return *reader.problem();
  return data;
}

std::string encode(const ExecStart& message) {
  const ExecRequest& request = message.request;
  JsonWriter writer;
  begin_message(writer, "exec_start", message.id);
  writer.text("command", request.command);
  writer.key("args");
  writer.texts(request.args);
  writer.integer("timeout_secs", request.timeout_secs);
  write_directory_and_envs(writer, request.cwd, request.envs);
  if (request.shell) writer.flag("shell", true);
  writer.end_object();
  return writer.take();
}

std::string encode(const ExecConnect& message) {
  return encode_addressed("exec_connect", message.id, message.pid);
}

std::string encode(const ExecStdin& message) {
  JsonWriter writer;
  begin_message(writer, "exec_stdin", message.id);
  writer.integer("pid", message.pid);
  writer.text("data", message.data);
  writer.end_object();
  return writer.take();
}

std::string encode(const ExecStdinClose& message) {
  return encode_addressed("exec_stdin_close", message.id, message.pid);
}

std::string encode(const ExecKill& message) {
  return encode_addressed("exec_kill", message.id, message.pid);
}

std::string encode(const ExecStarted& message) {
  return encode_addressed("exec_started", message.id, message.pid);
}

std::string encode(const ExecOutput& message) {
  JsonWriter writer(message.data.size() * 3 / 2 + 256);
  begin_message(writer, message.stream == OutputStream::out ? "exec_stdout" : "exec_stderr",
                message.id);
  writer.integer("pid", message.pid);
  writer.text("data", message.data);
  writer.end_object();
  return writer.take();
}

std::string encode(const ExecExit& message) {
  JsonWriter writer;
  begin_message(writer, "exec_exit", message.id);
  writer.integer("pid", message.pid);
  writer.integer("exit_code", message.exit_code);
  writer.end_object();
  return writer.take();
}

support::Result<ExecServerMessage> decode_exec_server_message(std::string&& text) {
  support::Result<Frame> split = Frame::split(std::move(text));
  if (!split) return std::move(split).error();
  Frame& frame = *split;
  const std::string& type = frame.type();
  if (type == "exec_stdout") return finish(frame, take_output(frame, OutputStream::out));
  if (type == "exec_stderr") return finish(frame, take_output(frame, OutputStream::err));
  if (type == "exec_started") return finish(frame, take_started(frame));
  if (type == "exec_exit") return finish(frame, take_exit(frame));
  if (type == "error") return finish(frame, take_error(frame));
  return finish(frame, UnknownMessage{type});
}

}  // namespace nullspace::inline v0::wire

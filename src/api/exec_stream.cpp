#include "api/exec_stream.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "api/open_stream.hpp"
#include "api/process_calls.hpp"
#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "support/random.hpp"
#include "wire/endpoints.hpp"
#include "wire/error_body.hpp"

namespace nullspace::inline v0 {

namespace {

using Wait = transport::MessageStream::Wait;
using std::chrono::milliseconds;

// A command's exit code may appear in its log a moment after the process went.
constexpr milliseconds kFinalLogWindow{5'000};
constexpr milliseconds kLogPause{100};

support::Result<std::shared_ptr<ExecStream>> open_and_send(
    const std::shared_ptr<const detail::SandboxCore>& sandbox, ExecStream::Ground ground,
    ExecCallbacks callbacks, std::size_t capture_limit, const std::string& message,
    support::Expiry expiry, const std::stop_token& stop) {
  const detail::ClientCore& client = sandbox->client();
  auto path = wire::sandbox_ws_path(client.config().dialect, sandbox->id(), wire::Channel::exec);
  if (!path.ok()) return std::move(path).error();
  StreamTarget target{.path = *std::move(path), .sandbox_id = sandbox->id()};
  auto opened = open_stream(client, target, expiry, stop);
  if (!opened.ok()) return std::move(opened).error();
  const std::shared_ptr<transport::MessageStream> stream = *std::move(opened);
  auto exec = std::make_shared<ExecStream>(
      sandbox, stream, std::move(target), ground, std::move(callbacks), capture_limit,
      ground == ExecStream::Ground::foreground ? expiry : support::Expiry::never());
  switch (stream->send(message, expiry, stop)) {
    case Wait::ready:
      return exec;
    case Wait::closed:
      break;
    case Wait::timed_out:
      return support::timed_out(Deadline::caller,
                                "the deadline of the call passed before the command was sent");
    case Wait::cancelled:
      return support::cancelled("stopped before the command was sent");
  }
  const auto cause = stream->close_cause();
  return cause ? stream_cut(*cause)
               : support::transport_error("the connection closed before the command was sent");
}

std::string fresh_exec_id() {
  return "exec_" + support::random_hex(8);
}

}  // namespace

ErrorInfo exec_error(std::string code, std::string message) {
  ErrorInfo error;
  error.code = code.empty() ? "exec_failed" : std::move(code);
  error.kind = wire::kind_of_code(error.code);
  error.message = std::move(message);
  return name_exec_deadline(std::move(error));
}

ErrorInfo name_exec_deadline(ErrorInfo error) {
  if (error.code == "exec_timeout") {
    error.kind = ErrorKind::timeout;
    error.deadline = Deadline::command;
  }
  return error;
}

ExecStream::ExecStream(std::shared_ptr<const detail::SandboxCore> sandbox,
                       std::shared_ptr<transport::MessageStream> stream, StreamTarget target,
                       Ground ground, ExecCallbacks callbacks, std::size_t capture_limit,
                       support::Expiry limit)
    : LiveStream(sandbox->client_ptr(), std::move(stream),
                 {.target = std::move(target),
                  .answer_within = sandbox->client().options().timeouts.websocket_open,
                  .name = "command"}),
      sandbox_(std::move(sandbox)),
      ground_(ground),
      limit_(limit),
      callbacks_(std::move(callbacks)),
      stdout_capture_(capture_limit),
      stderr_capture_(capture_limit) {}

support::Result<std::shared_ptr<ExecStream>> ExecStream::start(
    std::shared_ptr<const detail::SandboxCore> sandbox, const wire::ExecRequest& request,
    Ground ground, ExecCallbacks callbacks, std::size_t capture_limit, support::Expiry expiry,
    const std::stop_token& stop) {
  const wire::ExecStart message{.id = fresh_exec_id(), .request = request};
  auto exec = open_and_send(sandbox, ground, std::move(callbacks), capture_limit,
                            wire::encode(message), expiry, stop);
  if (exec.ok()) exec.value()->id_ = message.id;
  return exec;
}

support::Result<std::shared_ptr<ExecStream>> ExecStream::attach(
    std::shared_ptr<const detail::SandboxCore> sandbox, int pid, ExecCallbacks callbacks,
    std::size_t capture_limit, support::Expiry expiry, const std::stop_token& stop) {
  const wire::ExecConnect message{.id = fresh_exec_id(), .pid = pid};
  auto exec = open_and_send(sandbox, Ground::background, std::move(callbacks), capture_limit,
                            wire::encode(message), expiry, stop);
  if (exec.ok()) exec.value()->id_ = message.id;
  return exec;
}

support::Result<int> ExecStream::wait_started(support::Expiry expiry, const std::stop_token& stop) {
  switch (drive(expiry, stop, [this] { return pid() || ended(); })) {
    case Drive::done:
      break;
    case Drive::timed_out:
      return support::timed_out(Deadline::connect,
                                "the server did not say in time that the command has started");
    case Drive::cancelled:
    case Drive::shut:
      return support::cancelled("stopped before the command had started");
  }
  if (const auto started = pid()) return *started;
  const auto ending = outcome();
  if (!ending->ok()) return ending->error();
  return support::invalid_response("the command ended before the server said that it had started");
}

std::optional<int> ExecStream::pid() const {
  const std::lock_guard lock(mutex_);
  return pid_;
}

bool ExecStream::ended() const {
  const std::lock_guard lock(mutex_);
  return outcome_.has_value();
}

std::optional<ExecOutcome> ExecStream::outcome() const {
  const std::lock_guard lock(mutex_);
  return outcome_;
}

CommandResult ExecStream::captured() const {
  const std::lock_guard lock(mutex_);
  CommandResult result;
  if (outcome_ && outcome_->ok()) result.exit_code = outcome_->value();
  result.stdout_text = stdout_capture_.text();
  result.stderr_text = stderr_capture_.text();
  result.stdout_omitted_bytes = stdout_capture_.omitted();
  result.stderr_omitted_bytes = stderr_capture_.omitted();
  result.pid = pid_;
  return result;
}

void ExecStream::absorb(const ProcessLogs& logs) {
  const std::lock_guard lock(mutex_);
  const auto take_longer = [](Capture& capture, const std::string& text) {
    if (text.size() <= capture.size() + capture.omitted()) return;
    capture.clear();
    capture.append(text);
  };
  take_longer(stdout_capture_, logs.stdout_text);
  take_longer(stderr_capture_, logs.stderr_text);
}

ErrorInfo ExecStream::with_partial_output(ErrorInfo error) const {
  const std::lock_guard lock(mutex_);
  error.partial_stdout = stdout_capture_.text();
  error.partial_stderr = stderr_capture_.text();
  return error;
}

void ExecStream::request_kill() {
  const auto running = pid();
  if (!running || ended()) return;
  // Best effort: if the queue is full or the socket gone, the command runs into its own time-out.
  send_soon(wire::encode(wire::ExecKill{.id = id_, .pid = *running}));
}

support::Result<void> ExecStream::close_stdin(support::Expiry expiry) {
  const std::string message =
      wire::encode(wire::ExecStdinClose{.id = id_, .pid = pid().value_or(0)});
  switch (send(message, expiry, {})) {
    case Wait::ready:
      return {};
    case Wait::timed_out:
      return support::timed_out(Deadline::caller,
                                "the connection did not take the message in time");
    case Wait::closed:
    case Wait::cancelled:
      break;
  }
  return support::transport_error("the command's stream is closed");
}

void ExecStream::leave(support::Expiry expiry) {
  leaving_ = true;
  close_connection();
  (void)drive(expiry, {}, [this] { return exhausted(); });
}

std::optional<std::string> ExecStream::greeting() {
  const auto running = pid();
  // Before the server has named it there is nothing to come back to.
  if (ended() || leaving_ || !running) return std::nullopt;
  return wire::encode(wire::ExecConnect{.id = id_, .pid = *running});
}

LiveStream::Reply ExecStream::handle_reply(std::string message) {
  auto decoded = wire::decode_exec_server_message(std::move(message));
  if (!decoded.ok()) return {Reply::Verdict::refused, std::move(decoded).error()};
  if (std::holds_alternative<wire::ExecStarted>(*decoded)) return {Reply::Verdict::taken};
  if (auto* error = std::get_if<wire::StreamError>(&*decoded)) {
    refused_ = true;
    return {Reply::Verdict::refused,
            support::transport_error(fmt::format(
                "the connection was lost, and the command could not be attached to again: {}",
                error->message))};
  }
  guarded([&] { handle(*std::move(decoded)); });
  return {};
}

void ExecStream::handle_connected(bool again) {
  if (!again) return;
  guarded([this] {
    if (callbacks_.on_state_change && !gate().closed())
      callbacks_.on_state_change({StreamState::connected, std::nullopt});
  });
}

void ExecStream::handle_lost(const ErrorInfo& cause) {
  gap_ = true;
  // What comes after the gap does not complete a character from before it.
  guarded([&] {
    flush_text();
    if (callbacks_.on_state_change && !gate().closed())
      callbacks_.on_state_change({StreamState::reconnecting, Error(cause)});
  });
}

void ExecStream::handle_message(std::string message) {
  if (ended()) return;
  auto decoded = wire::decode_exec_server_message(std::move(message));
  if (!decoded.ok()) {
    end(std::move(decoded).error());
    return;
  }
  guarded([&] { handle(*std::move(decoded)); });
}

void ExecStream::handle(wire::ExecServerMessage message) {
  if (auto* data = std::get_if<wire::ExecOutput>(&message)) {
    wire::Utf8Stream& text = data->stream == wire::OutputStream::out ? stdout_text_ : stderr_text_;
    output(data->stream, text.push(data->data));
  } else if (const auto* started = std::get_if<wire::ExecStarted>(&message)) {
    const std::lock_guard lock(mutex_);
    pid_ = started->pid;
  } else if (const auto* exit = std::get_if<wire::ExecExit>(&message)) {
    exited(exit->exit_code);
  } else if (auto* error = std::get_if<wire::StreamError>(&message)) {
    end(exec_error(std::move(error->code), std::move(error->message)));
  }
}

void ExecStream::output(wire::OutputStream stream, std::string_view text) {
  keep(stream, text);
  call_output_callback(stream, text);
}

void ExecStream::keep(wire::OutputStream stream, std::string_view text) {
  const std::lock_guard lock(mutex_);
  (stream == wire::OutputStream::out ? stdout_capture_ : stderr_capture_).append(text);
}

void ExecStream::call_output_callback(wire::OutputStream stream, std::string_view text) const {
  const TextCallback& callback =
      stream == wire::OutputStream::out ? callbacks_.on_stdout : callbacks_.on_stderr;
  if (callback && !text.empty() && !gate().closed()) callback(text);
}

void ExecStream::flush_text() {
  for (const auto stream : {wire::OutputStream::out, wire::OutputStream::err}) {
    wire::Utf8Stream& text = stream == wire::OutputStream::out ? stdout_text_ : stderr_text_;
    output(stream, text.flush());
  }
}

void ExecStream::exited(int exit_code) {
  const std::string last_stdout = stdout_text_.flush();
  const std::string last_stderr = stderr_text_.flush();
  keep(wire::OutputStream::out, last_stdout);
  keep(wire::OutputStream::err, last_stderr);
  if (gap_) {
    if (const auto log = final_log()) {
      absorb(*log);
    } else {
      client().logger().log(LogLevel::warning, "command",
                            "the log could not be read: what the command wrote while the "
                            "connection was away is missing in its result");
    }
  }
  // Settled before the callbacks: one that gets the last characters may wait for the command.
  const ExecOutcome outcome(exit_code);
  if (!settle(outcome)) return;
  call_output_callback(wire::OutputStream::out, last_stdout);
  call_output_callback(wire::OutputStream::err, last_stderr);
  announce(outcome);
}

std::optional<ProcessLogs> ExecStream::final_log() const {
  const auto window = support::Expiry::earlier(limit_, support::Expiry::after(kFinalLogWindow));
  while (true) {
    auto logs = process_logs(*sandbox_, pid().value_or(0), finishing_.get_token(), window);
    if (logs.ok() && logs->exit_code) return *std::move(logs);
    const bool forgotten = !logs.ok() && logs.error().kind == ErrorKind::not_found;
    if (forgotten || window.passed() || !support::sleep_for(kLogPause, finishing_.get_token())) {
      return logs.ok() ? std::optional(*std::move(logs)) : std::nullopt;
    }
  }
}

void ExecStream::handle_end(ErrorInfo cause) {
  // Success needs its proof: however politely the socket was closed, without exec_exit the command
  // has no result.
  if (ended()) return;
  // It ended while nobody was attached: the log knows how.
  if (refused_) {
    if (const auto log = final_log(); log && log->exit_code) {
      absorb(*log);
      end(*log->exit_code);
      return;
    }
  }
  end(std::move(cause));
}

void ExecStream::handle_exception(std::exception_ptr thrown) {
  // Also when it was the last output of a command that has ended: its exit code stays, but the
  // application hears of its mistake.
  const ExecOutcome outcome(support::callback_failed("command", std::move(thrown)));
  (void)settle(outcome);
  announce(outcome);
}

bool ExecStream::settle(ExecOutcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    if (outcome_) return false;
    outcome_ = std::move(outcome);
  }
  close_connection();
  return true;
}

void ExecStream::end(ExecOutcome outcome) {
  if (settle(outcome)) announce(outcome);
}

void ExecStream::announce(const ExecOutcome& outcome) noexcept {
  // A callback may have disconnected a moment ago: it was the last one then.
  if (ground_ == Ground::foreground || announced_ || gate().closed()) return;
  announced_ = true;
  try {
    if (outcome.ok()) {
      if (callbacks_.on_exit) callbacks_.on_exit(captured());
    } else if (callbacks_.on_error) {
      callbacks_.on_error(Error(with_partial_output(outcome.error())));
    }
  } catch (...) {
    // The stream is over already; what its last callback throws has nowhere left to go.
    return;
  }
}

}  // namespace nullspace::inline v0

#include "api/command_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/process_calls.hpp"
#include "support/condition.hpp"
#include "support/error_info.hpp"

namespace nullspace::inline v0::detail {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFinalLogsWindow{5'000};

ErrorInfo wait_timed_out(int pid) {
  return support::timed_out(
      Deadline::caller,
      fmt::format("command {} was still running when the wait ended; it runs on", pid));
}

// A server that did not answer this time may answer the next: the wait has a deadline of its own.
bool may_be_asked_again(const ErrorInfo& error) {
  return error.kind == ErrorKind::timeout || Error(error).retryable();
}

ErrorInfo wait_cancelled() {
  return support::cancelled("the wait was stopped; the command runs on");
}

}  // namespace

bool CommandCore::connected() const noexcept {
  return stream_ && stream_->attached() && !stream_->ended();
}

support::Result<CommandResult> CommandCore::wait(const WaitOptions& options) const {
  const auto expiry = support::Expiry::after(options.timeout);
  if (stream_) {
    switch (stream_->drive(expiry, options.stop, [this] { return stream_->ended(); })) {
      case LiveStream::Drive::timed_out:
        return stream_->with_partial_output(wait_timed_out(pid_));
      case LiveStream::Drive::cancelled:
        return stream_->with_partial_output(wait_cancelled());
      case LiveStream::Drive::done:
      case LiveStream::Drive::shut:
        break;
    }
    if (const auto outcome = stream_->outcome()) {
      if (outcome->ok() && seen_ == Seen::from_start) return stream_->captured();
      // A lost stream does not mean a lost command: the server still knows how it goes on. Other
      // errors are final.
      if (!outcome->ok() && outcome->error().kind != ErrorKind::transport) {
        return stream_->with_partial_output(outcome->error());
      }
    }
  }
  if (!stream_ || !stream_->ended() || !stream_->outcome()->ok()) {
    if (auto ended = poll_until_ended(options, expiry); !ended.ok())
      return std::move(ended).error();
  }
  auto logs = final_logs(options);
  if (!logs.ok()) return std::move(logs).error();
  return merged(*logs);
}

support::Result<void> CommandCore::poll_until_ended(const WaitOptions& options,
                                                    support::Expiry expiry) const {
  const milliseconds pause = std::max(options.poll_interval, milliseconds{1});
  while (true) {
    auto processes = list_processes(*sandbox_, options.stop, expiry);
    if (processes.ok()) {
      const auto found =
          std::find_if(processes->begin(), processes->end(),
                       [this](const ProcessInfo& process) { return process.pid == pid_; });
      if (found == processes->end() || !found->running) return {};
    }
    if (expiry.passed()) return wait_timed_out(pid_);
    if (!processes.ok() && !may_be_asked_again(processes.error())) {
      return std::move(processes).error();
    }
    if (!support::sleep_for(std::min(pause, expiry.remaining(pause)), options.stop))
      return wait_cancelled();
  }
}

support::Result<ProcessLogs> CommandCore::final_logs(const WaitOptions& options) const {
  const auto window = support::Expiry::after(kFinalLogsWindow);
  const milliseconds pause = std::max(options.poll_interval, milliseconds{1});
  while (true) {
    auto logs = process_logs(*sandbox_, pid_, options.stop, window);
    if (logs.ok() && logs->exit_code) return logs;
    if (options.stop.stop_requested()) return wait_cancelled();
    const bool from_stream = stream_ && stream_->ended() && stream_->outcome()->ok();
    if (from_stream) return logs.ok() ? logs : support::Result<ProcessLogs>(ProcessLogs{});
    // Neither running nor known: asking again brings nothing.
    const bool forgotten = !logs.ok() && logs.error().kind == ErrorKind::not_found;
    if (window.passed() || forgotten) return ended_somehow(std::move(logs));
    if (!support::sleep_for(std::min(pause, window.remaining(pause)), options.stop))
      return wait_cancelled();
  }
}

ErrorInfo CommandCore::ended_somehow(support::Result<ProcessLogs> logs) const {
  // The window was ours alone: that it passed is no deadline of the caller's.
  const bool refused = !logs.ok() && logs.error().http_status != 0;
  ErrorInfo unknown = refused ? logs.error() : support::transport_error("");
  unknown.message = fmt::format("command {} has ended, but the server does not say how", pid_);
  const CommandResult known = merged(logs.ok() ? *logs : ProcessLogs{});
  unknown.partial_stdout = known.stdout_text;
  unknown.partial_stderr = known.stderr_text;
  return unknown;
}

CommandResult CommandCore::merged(const ProcessLogs& logs) const {
  CommandResult result;
  if (stream_) {
    stream_->absorb(logs);
    result = stream_->captured();
  } else {
    result.stdout_text = logs.stdout_text;
    result.stderr_text = logs.stderr_text;
  }
  result.pid = pid_;
  if (logs.exit_code) result.exit_code = *logs.exit_code;
  return result;
}

support::Result<void> CommandCore::close_stdin() const {
  if (connected()) {
    return stream_->close_stdin(
        support::Expiry::after(sandbox_->client().options().timeouts.request));
  }
  return v0::close_stdin(sandbox_, pid_);
}

void CommandCore::disconnect() const noexcept {
  if (stream_) stream_->shut();
}

}  // namespace nullspace::inline v0::detail

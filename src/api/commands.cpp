#include <nullspace/commands.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/command_core.hpp"
#include "api/exec_stream.hpp"
#include "api/process_calls.hpp"
#include "api/rest.hpp"
#include "api/throw.hpp"
#include "support/error_info.hpp"
#include "wire/exec_messages.hpp"

namespace nullspace::inline v0 {

using detail::CommandCore;
using detail::SandboxCore;

namespace {

using std::chrono::milliseconds;

// Time for the answer beyond the command's own, over REST and over a socket.
constexpr milliseconds kRestSlack{15'000};
constexpr milliseconds kStreamSlack{30'000};

// As good as for ever, and small enough to be added to.
constexpr milliseconds kLongestTimeout = std::chrono::hours{24 * 365 * 10};

// The server counts whole seconds.
std::int64_t whole_seconds(milliseconds timeout) {
  return std::chrono::ceil<std::chrono::seconds>(std::min(timeout, kLongestTimeout)).count();
}

milliseconds command_time(const wire::ExecRequest& request) {
  return std::chrono::seconds(request.timeout_secs);
}

template <typename Options>
support::Result<wire::ExecRequest> make_request(std::string_view command, const Options& options) {
  if (options.timeout <= milliseconds{0})
    return support::invalid_request("timeout must be positive");
  wire::ExecRequest request{.command = std::string(command),
                            .args = options.args,
                            .shell = options.shell,
                            .cwd = options.cwd,
                            .envs = options.envs,
                            .timeout_secs = whole_seconds(options.timeout)};
  if (auto valid = wire::validate(request); !valid.ok()) return std::move(valid).error();
  return request;
}

support::Result<HttpResponse> post_exec(const SandboxCore& sandbox,
                                        const wire::ExecRequest& request, milliseconds timeout,
                                        support::Expiry expiry, const std::stop_token& stop) {
  constexpr wire::Endpoint kExec = wire::Endpoint::exec;
  auto path = wire::endpoint_path(kExec, sandbox.client().config().dialect, {sandbox.id()});
  if (!path.ok()) return std::move(path).error();
  HttpHeaders headers;
  if (!sandbox.dispatch_proof().empty()) {
    headers.emplace_back("X-Nullspace-Dispatch-Proof", sandbox.dispatch_proof());
  }
  auto answer = call(sandbox.client(), {.endpoint = kExec,
                                        .path = *std::move(path),
                                        .json = wire::encode_exec_request(request),
                                        .headers = std::move(headers),
                                        .timeout = timeout,
                                        .expiry = expiry,
                                        .stop = stop});
  if (!answer.ok()) return name_exec_deadline(std::move(answer).error());
  return answer;
}

support::Result<CommandResult> run_by_rest(const SandboxCore& sandbox,
                                           const wire::ExecRequest& request,
                                           const RunOptions& options) {
  // The server holds the request open while the command runs: a time-out of the client's own would
  // cut it off.
  const milliseconds hold =
      std::max(sandbox.client().options().timeouts.request, command_time(request) + kRestSlack);
  const milliseconds wait = options.deadline.value_or(hold);
  auto answer =
      post_exec(sandbox, request, std::min(hold, wait), support::Expiry::after(wait), options.stop);
  if (!answer.ok()) return std::move(answer).error();
  auto result = wire::decode_exec_answer(std::move(answer->body));
  if (!result.ok()) return std::move(result).error();
  for (auto [text, omitted] : {std::pair{&result->stdout_text, &result->stdout_omitted_bytes},
                               std::pair{&result->stderr_text, &result->stderr_omitted_bytes}}) {
    if (text->size() <= options.capture_limit) continue;
    Capture capture(options.capture_limit);
    capture.append(*text);
    *omitted = capture.omitted();
    *text = capture.text();
  }
  return result;
}

support::Result<CommandResult> run_by_stream(const std::shared_ptr<SandboxCore>& sandbox,
                                             const wire::ExecRequest& request,
                                             const RunOptions& options) {
  const auto expiry =
      support::Expiry::after(options.deadline.value_or(command_time(request) + kStreamSlack));
  auto started = ExecStream::start(sandbox, request, ExecStream::Ground::foreground,
                                   {.on_stdout = options.on_stdout,
                                    .on_stderr = options.on_stderr,
                                    .on_state_change = options.on_state_change},
                                   options.capture_limit, expiry, options.stop);
  if (!started.ok()) return std::move(started).error();
  ExecStream& exec = **started;

  // However this is left (a callback may throw), nobody will ask for this command again: it is not
  // left running.
  struct GiveUp {
    ExecStream& exec;
    ~GiveUp() {
      exec.request_kill();
      exec.shut();
    }
  } const give_up{exec};
  const std::stop_callback hurry(options.stop, [&exec] { exec.hurry(); });

  switch (exec.drive(expiry, options.stop, [&exec] { return exec.ended(); })) {
    case LiveStream::Drive::done:
      break;
    case LiveStream::Drive::timed_out:
      return exec.with_partial_output(support::timed_out(
          Deadline::caller, "the deadline of the call passed before the command had ended"));
    case LiveStream::Drive::cancelled:
    case LiveStream::Drive::shut:
      return exec.with_partial_output(support::cancelled("stopped while the command was running"));
  }
  const auto outcome = exec.outcome();
  if (outcome->ok()) return exec.captured();
  // Stopped while the stream, lost for good, was still looking for the end in the log.
  return exec.with_partial_output(options.stop.stop_requested()
                                      ? support::cancelled("stopped while the command was running")
                                      : outcome->error());
}

// How long a socket may take to carry the first answer: opening it, and then the server's word.
support::Expiry start_expiry(const SandboxCore& sandbox) {
  const Timeouts& timeouts = sandbox.client().options().timeouts;
  return support::Expiry::after(timeouts.websocket_open + timeouts.request);
}

support::Result<std::shared_ptr<CommandCore>> live_command(
    const std::shared_ptr<SandboxCore>& sandbox,
    support::Result<std::shared_ptr<ExecStream>> opened, CommandCore::Seen seen,
    const std::stop_token& stop) {
  if (!opened.ok()) return std::move(opened).error();
  const std::shared_ptr<ExecStream> exec = *std::move(opened);
  auto pid = exec->wait_started(
      support::Expiry::after(sandbox->client().options().timeouts.websocket_open), stop);
  if (!pid.ok()) {
    exec->shut();
    return std::move(pid).error();
  }
  exec->run_in_background();
  return std::make_shared<CommandCore>(sandbox, *pid, exec, seen);
}

}  // namespace

Commands::Commands(std::shared_ptr<SandboxCore> sandbox) noexcept : sandbox_(std::move(sandbox)) {}

CommandResult Commands::run(std::string_view command, RunOptions options) const {
  const wire::ExecRequest request = value_or_throw(make_request(command, options));
  if (options.deadline && *options.deadline <= milliseconds{0}) {
    throw_error(support::invalid_request("deadline must be positive"));
  }
  if (options.on_stdout || options.on_stderr)
    return value_or_throw(run_by_stream(sandbox_, request, options));
  return value_or_throw(run_by_rest(*sandbox_, request, options));
}

Command Commands::run_background(std::string_view command, BackgroundOptions options) const {
  wire::ExecRequest request = value_or_throw(make_request(command, options));
  const bool live = options.on_stdout || options.on_stderr || options.on_exit;
  if (!live) {
    request.background = true;
    const HttpResponse answer =
        value_or_throw(post_exec(*sandbox_, request, sandbox_->client().options().timeouts.request,
                                 support::Expiry::never(), options.stop));
    const int pid = value_or_throw(wire::decode_background_answer(answer.body));
    return Command(
        std::make_shared<CommandCore>(sandbox_, pid, nullptr, CommandCore::Seen::from_start));
  }
  ExecCallbacks callbacks{std::move(options.on_stdout), std::move(options.on_stderr),
                          std::move(options.on_exit), std::move(options.on_error),
                          std::move(options.on_state_change)};
  auto opened =
      ExecStream::start(sandbox_, request, ExecStream::Ground::background, std::move(callbacks),
                        options.capture_limit, start_expiry(*sandbox_), options.stop);
  return Command(value_or_throw(
      live_command(sandbox_, std::move(opened), CommandCore::Seen::from_start, options.stop)));
}

Command Commands::connect(int pid, CommandConnectOptions options) const {
  if (pid <= 0) throw_error(support::invalid_request("pid must be positive"));
  ExecCallbacks callbacks{std::move(options.on_stdout), std::move(options.on_stderr),
                          std::move(options.on_exit), std::move(options.on_error),
                          std::move(options.on_state_change)};
  auto opened = ExecStream::attach(sandbox_, pid, std::move(callbacks), options.capture_limit,
                                   start_expiry(*sandbox_), options.stop);
  return Command(value_or_throw(
      live_command(sandbox_, std::move(opened), CommandCore::Seen::from_now, options.stop)));
}

std::vector<ProcessInfo> Commands::list() const {
  return value_or_throw(list_processes(*sandbox_, {}));
}
void Commands::kill(int pid) const {
  value_or_throw(kill_process(*sandbox_, pid));
}
void Commands::send_stdin(int pid, std::string_view data) const {
  value_or_throw(v0::send_stdin(*sandbox_, pid, data));
}
void Commands::close_stdin(int pid) const {
  value_or_throw(v0::close_stdin(sandbox_, pid));
}
ProcessLogs Commands::get_logs(int pid) const {
  return value_or_throw(process_logs(*sandbox_, pid, {}));
}

Command::Command(std::shared_ptr<CommandCore> core) noexcept : core_(std::move(core)) {}
Command::Command(Command&&) noexcept = default;
Command& Command::operator=(Command&& other) noexcept {
  if (this != &other) {
    disconnect();
    core_ = std::move(other.core_);
  }
  return *this;
}
Command::~Command() {
  disconnect();
}

int Command::pid() const noexcept {
  return core_->pid();
}
CommandResult Command::wait(WaitOptions options) {
  // A copy: a callback that runs inside may destroy the handle.
  const auto core = core_;
  return value_or_throw(core->wait(options));
}
ProcessLogs Command::logs() const {
  return value_or_throw(process_logs(core_->sandbox(), core_->pid(), {}));
}
void Command::kill() const {
  value_or_throw(kill_process(core_->sandbox(), core_->pid()));
}
void Command::send_stdin(std::string_view data) const {
  value_or_throw(v0::send_stdin(core_->sandbox(), core_->pid(), data));
}
void Command::close_stdin() const {
  value_or_throw(core_->close_stdin());
}
void Command::disconnect() noexcept {
  // A copy: a callback may destroy the handle while this waits for it.
  if (const auto core = core_) core->disconnect();
}
bool Command::connected() const noexcept {
  return core_ && core_->connected();
}

}  // namespace nullspace::inline v0

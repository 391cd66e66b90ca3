#include "api/process_calls.hpp"

#include <string>
#include <utility>

#include "api/exec_stream.hpp"
#include "api/rest.hpp"
#include "support/error_info.hpp"
#include "wire/exec_messages.hpp"

namespace nullspace::inline v0 {

namespace {

support::Result<HttpResponse> process_call(const detail::SandboxCore& sandbox,
                                           wire::Endpoint endpoint, int pid,
                                           const std::stop_token& stop = {},
                                           support::Expiry expiry = support::Expiry::never()) {
  if (pid <= 0) return support::invalid_request("pid must be positive");
  auto path = wire::endpoint_path(endpoint, sandbox.client().config().dialect,
                                  {sandbox.id(), std::to_string(pid)});
  if (!path.ok()) return std::move(path).error();
  return call(sandbox.client(),
              {.endpoint = endpoint, .path = *std::move(path), .expiry = expiry, .stop = stop});
}

support::Result<void> without_value(support::Result<HttpResponse> answer) {
  if (!answer.ok()) return std::move(answer).error();
  return {};
}

}  // namespace

support::Result<std::vector<ProcessInfo>> list_processes(const detail::SandboxCore& sandbox,
                                                         const std::stop_token& stop,
                                                         support::Expiry expiry) {
  constexpr wire::Endpoint kList = wire::Endpoint::list_processes;
  auto path = wire::endpoint_path(kList, sandbox.client().config().dialect, {sandbox.id()});
  if (!path.ok()) return std::move(path).error();
  auto answer = call(sandbox.client(),
                     {.endpoint = kList, .path = *std::move(path), .expiry = expiry, .stop = stop});
  if (!answer.ok()) return std::move(answer).error();
  return wire::decode_processes(answer->body);
}

support::Result<ProcessLogs> process_logs(const detail::SandboxCore& sandbox, int pid,
                                          const std::stop_token& stop, support::Expiry expiry) {
  auto answer = process_call(sandbox, wire::Endpoint::process_logs, pid, stop, expiry);
  if (!answer.ok()) return std::move(answer).error();
  return wire::decode_process_logs(std::move(answer->body));
}

support::Result<void> kill_process(const detail::SandboxCore& sandbox, int pid) {
  return without_value(process_call(sandbox, wire::Endpoint::process_kill, pid));
}

support::Result<void> send_stdin(const detail::SandboxCore& sandbox, int pid,
                                 std::string_view data) {
  if (pid <= 0) return support::invalid_request("pid must be positive");
  constexpr wire::Endpoint kStdin = wire::Endpoint::process_stdin;
  auto path = wire::endpoint_path(kStdin, sandbox.client().config().dialect,
                                  {sandbox.id(), std::to_string(pid)});
  if (!path.ok()) return std::move(path).error();
  return without_value(call(
      sandbox.client(),
      {.endpoint = kStdin, .path = *std::move(path), .json = wire::encode_stdin_request(data)}));
}

support::Result<void> close_stdin(const std::shared_ptr<const detail::SandboxCore>& sandbox,
                                  int pid) {
  if (pid <= 0) return support::invalid_request("pid must be positive");
  const auto expiry = support::Expiry::after(sandbox->client().options().timeouts.request);
  // Nothing of its output is of interest here.
  constexpr std::size_t kKeepNothing = 0;
  auto attached = ExecStream::attach(sandbox, pid, {}, kKeepNothing, expiry, {});
  if (!attached.ok()) return std::move(attached).error();
  ExecStream& exec = **attached;
  // The answer to this tells whether there is such a command; the message itself is never
  // acknowledged.
  if (auto running = exec.wait_started(expiry, {}); !running.ok())
    return std::move(running).error();
  if (auto sent = exec.close_stdin(expiry); !sent.ok()) return sent;
  exec.leave(expiry);
  return {};
}

}  // namespace nullspace::inline v0

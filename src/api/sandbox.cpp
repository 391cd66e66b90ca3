#include <nullspace/sandbox.hpp>

#include <utility>

#include <fmt/format.h>

#include "api/create_sandbox.hpp"
#include "api/rest.hpp"
#include "api/sandbox_core.hpp"
#include "api/throw.hpp"
#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0 {

using detail::SandboxCore;

namespace {

HttpResponse call_or_throw(const detail::ClientCore& client, wire::Endpoint endpoint,
                           std::initializer_list<std::string_view> ids, std::stop_token stop = {}) {
  return value_or_throw(call(client, endpoint, ids, std::move(stop)));
}

SandboxInfo fetch_info(const detail::ClientCore& client, std::string_view id,
                       const std::stop_token& stop = {}) {
  const HttpResponse answer = call_or_throw(client, wire::Endpoint::get_sandbox, {id}, stop);
  return value_or_throw(wire::decode_sandbox(answer.body)).info;
}

void send_timeout(const detail::ClientCore& client, std::string_view id,
                  std::chrono::milliseconds timeout, const SetTimeoutOptions& options) {
  std::string body = value_or_throw(wire::encode_timeout_request(timeout, options.action));
  std::string path = value_or_throw(
      wire::endpoint_path(wire::Endpoint::set_timeout, client.config().dialect, {id}));
  value_or_throw(call(client, {.endpoint = wire::Endpoint::set_timeout,
                               .path = std::move(path),
                               .json = std::move(body),
                               .stop = options.stop}));
}

// Which id a paused sandbox is resumed by: its snapshot's, or in the machine dialect its own.
std::string resume_id(const detail::ClientCore& client, const SandboxInfo& info) {
  if (client.config().dialect == Dialect::machine) return info.id;
  if (info.snapshot_id) return *info.snapshot_id;
  ErrorInfo missing;
  missing.kind = ErrorKind::invalid_response;
  missing.code = "missing_snapshot_id";
  missing.message = fmt::format(
      "sandbox {} is paused, but the server did not say by which snapshot to resume it", info.id);
  throw_error(std::move(missing));
}

}  // namespace

Sandbox::Sandbox(std::shared_ptr<SandboxCore> core) noexcept : core_(std::move(core)) {}

Sandbox Sandbox::create(SandboxCreateOptions options) {
  return create(Client(), std::move(options));
}

Sandbox Sandbox::create(const Client& client, SandboxCreateOptions options) {
  return Sandbox(value_or_throw(create_sandbox(client.core(), std::move(options))));
}

Sandbox Sandbox::connect(std::string_view sandbox_id, SandboxConnectOptions options) {
  return connect(Client(), sandbox_id, std::move(options));
}

Sandbox Sandbox::connect(const Client& client, std::string_view sandbox_id,
                         SandboxConnectOptions options) {
  const detail::ClientCore& core = *client.core();
  if (options.timeout) value_or_throw(wire::encode_timeout_request(*options.timeout));
  SandboxInfo info = fetch_info(core, sandbox_id, options.stop);
  if (info.status == SandboxStatus::paused) {
    const std::string id = resume_id(core, info);
    const HttpResponse answer = call_or_throw(core, wire::Endpoint::resume, {id}, options.stop);
    // Whatever id comes back is the sandbox's from now on.
    info = value_or_throw(wire::decode_sandbox(answer.body)).info;
  }
  if (options.timeout) send_timeout(core, info.id, *options.timeout, {.stop = options.stop});
  return Sandbox(std::make_shared<SandboxCore>(client.core(), std::move(info)));
}

std::optional<Sandbox> Sandbox::find(std::string_view sandbox_id) {
  return find(Client(), sandbox_id);
}

std::optional<Sandbox> Sandbox::find(const Client& client, std::string_view sandbox_id) {
  auto answer = call(*client.core(), wire::Endpoint::get_sandbox, {sandbox_id});
  if (!answer.ok()) {
    if (answer.error().kind == ErrorKind::not_found) return std::nullopt;
    throw_error(std::move(answer).error());
  }
  SandboxInfo info = value_or_throw(wire::decode_sandbox(answer->body)).info;
  return Sandbox(std::make_shared<SandboxCore>(client.core(), std::move(info)));
}

SandboxInfo Sandbox::get_info_by_id(const Client& client, std::string_view sandbox_id) {
  return fetch_info(*client.core(), sandbox_id);
}

void Sandbox::kill_by_id(const Client& client, std::string_view sandbox_id) {
  (void)call_or_throw(*client.core(), wire::Endpoint::kill_sandbox, {sandbox_id});
}

std::vector<SandboxMetrics> Sandbox::get_metrics_by_id(const Client& client,
                                                       std::string_view sandbox_id) {
  const HttpResponse answer = call_or_throw(*client.core(), wire::Endpoint::metrics, {sandbox_id});
  return value_or_throw(wire::decode_metrics(answer.body));
}

CommandResult Sandbox::run_once(std::string_view command, RunOnceOptions options) {
  return run_once(Client(), command, std::move(options));
}

CommandResult Sandbox::run_once(const Client& client, std::string_view command,
                                RunOnceOptions options) {
  constexpr int kAttempts = 5;
  constexpr std::chrono::milliseconds kPause{250};
  ScopedSandbox sandbox = create(client, {.template_id = options.template_id,
                                          .memory_mb = 512,
                                          .envs = options.envs,
                                          .metadata = options.metadata,
                                          .network = options.network,
                                          .internet_access = options.internet_access,
                                          .stop = options.stop});
  for (int attempt = 1;; ++attempt) {
    try {
      CommandResult result = sandbox->commands().run(command, {.args = options.args,
                                                               .shell = options.shell,
                                                               .timeout = options.timeout,
                                                               .stop = options.stop});
      // Released first: a kill that fails is an error here, and is not to be tried twice.
      sandbox.release().kill();
      return result;
    } catch (const Error& error) {
      if (error.code() != "exec_failed" || attempt == kAttempts) throw;
    }
    if (!support::sleep_for(kPause, options.stop))
      throw_error(support::cancelled("run_once was stopped"));
  }
}

const std::string& Sandbox::id() const noexcept {
  return core_->id();
}

SandboxInfo Sandbox::info() const {
  return core_->info();
}

SandboxInfo Sandbox::get_info() const {
  SandboxInfo info = fetch_info(core_->client(), core_->id());
  core_->set_info(info);
  return info;
}

Json Sandbox::get_info(const std::vector<std::string>& fields) const {
  const detail::ClientCore& client = core_->client();
  std::string mask = value_or_throw(wire::fields_mask(fields));
  std::string path = value_or_throw(
      wire::endpoint_path(wire::Endpoint::get_sandbox, client.config().dialect, {core_->id()}));
  const HttpResponse answer =
      value_or_throw(call(client, {.endpoint = wire::Endpoint::get_sandbox,
                                   .path = std::move(path),
                                   .query = wire::encode_query({{"fields", mask}})}));
  return value_or_throw(wire::decode_sandbox_fields(answer.body));
}

bool Sandbox::is_running() const {
  auto answer = call(core_->client(), wire::Endpoint::get_sandbox, {core_->id()});
  if (!answer.ok()) {
    if (answer.error().kind == ErrorKind::not_found) return false;
    throw_error(std::move(answer).error());
  }
  return value_or_throw(wire::decode_sandbox(answer->body)).info.status == SandboxStatus::running;
}

void Sandbox::set_timeout(std::chrono::milliseconds timeout, SetTimeoutOptions options) const {
  send_timeout(core_->client(), core_->id(), timeout, options);
}

void Sandbox::kill() const {
  (void)call_or_throw(core_->client(), wire::Endpoint::kill_sandbox, {core_->id()});
}

std::vector<SandboxMetrics> Sandbox::get_metrics() const {
  return get_metrics_by_id(client(), core_->id());
}

std::optional<Secret> Sandbox::traffic_access_token() const {
  return core_->traffic_token();
}

Commands Sandbox::commands() const {
  return Commands(core_);
}
Process Sandbox::process() const {
  return Process(core_);
}
Pty Sandbox::pty() const {
  return Pty(core_);
}
Client Sandbox::client() const {
  return Client(core_->client_ptr());
}

}  // namespace nullspace::inline v0

#include <nullspace/pty.hpp>

#include <utility>

#include "api/pty_core.hpp"
#include "api/rest.hpp"
#include "api/throw.hpp"
#include "support/error_info.hpp"
#include "support/random.hpp"
#include "wire/pty_messages.hpp"

namespace nullspace::inline v0 {

using detail::PtyCore;

namespace {

std::string fresh_pty_id() {
  return "pty_" + support::random_hex(8);
}

template <typename Options>
PtyCore::Callbacks callbacks(Options& options) {
  return {.on_data = std::move(options.on_data),
          .on_error = std::move(options.on_error),
          .on_state_change = std::move(options.on_state_change),
          .on_gap = std::move(options.on_gap),
          .queued_input_bytes = options.queued_input_bytes};
}

PtySession attach(const std::shared_ptr<detail::SandboxCore>& sandbox, wire::PtyConnect hello,
                  PtyConnectOptions options) {
  return PtySession(
      value_or_throw(PtyCore::open(sandbox, std::move(hello), callbacks(options), options.stop)));
}

}  // namespace

Pty::Pty(std::shared_ptr<detail::SandboxCore> sandbox) noexcept : sandbox_(std::move(sandbox)) {}

PtySession Pty::create_session(PtyCreateOptions options) const {
  value_or_throw(wire::validate(PtySize{options.cols, options.rows}));
  const wire::PtyStart hello{.id = fresh_pty_id(),
                             .cols = options.cols,
                             .rows = options.rows,
                             .cwd = std::move(options.cwd),
                             .envs = std::move(options.envs)};
  return PtySession(
      value_or_throw(PtyCore::open(sandbox_, hello, callbacks(options), options.stop)));
}

PtySession Pty::connect(std::string_view session_id, PtyConnectOptions options) const {
  if (session_id.empty()) throw_error(support::invalid_request("session_id must not be empty"));
  return attach(sandbox_, {.id = fresh_pty_id(), .session_id = std::string(session_id)},
                std::move(options));
}

PtySession Pty::connect(int pid, PtyConnectOptions options) const {
  if (pid <= 0) throw_error(support::invalid_request("pid must be positive"));
  return attach(sandbox_, {.id = fresh_pty_id(), .pid = pid}, std::move(options));
}

std::vector<PtySessionInfo> Pty::list_sessions() const {
  const HttpResponse answer =
      value_or_throw(call(sandbox_->client(), wire::Endpoint::list_ptys, {sandbox_->id()}));
  return value_or_throw(wire::decode_pty_sessions(answer.body));
}

PtySessionInfo Pty::get_session_info(std::string_view session_id) const {
  const HttpResponse answer = value_or_throw(
      call(sandbox_->client(), wire::Endpoint::get_pty, {sandbox_->id(), session_id}));
  return value_or_throw(wire::decode_pty_session(answer.body));
}

void Pty::kill_session(std::string_view session_id) const {
  value_or_throw(call(sandbox_->client(), wire::Endpoint::kill_pty, {sandbox_->id(), session_id}));
}

void Pty::resize_session(std::string_view session_id, PtySize size) const {
  value_or_throw(wire::validate(size));
  constexpr wire::Endpoint kResize = wire::Endpoint::resize_pty;
  std::string path = value_or_throw(wire::endpoint_path(
      kResize, sandbox_->client().config().dialect, {sandbox_->id(), session_id}));
  value_or_throw(call(
      sandbox_->client(),
      {.endpoint = kResize, .path = std::move(path), .json = wire::encode_resize_request(size)}));
}

PtySession::PtySession(std::shared_ptr<PtyCore> core) noexcept : core_(std::move(core)) {}
PtySession::PtySession(PtySession&&) noexcept = default;
PtySession& PtySession::operator=(PtySession&& other) noexcept {
  if (this != &other) {
    disconnect();
    core_ = std::move(other.core_);
  }
  return *this;
}
PtySession::~PtySession() {
  disconnect();
}

const std::string& PtySession::session_id() const noexcept {
  return core_->session_id();
}
PtySessionInfo PtySession::info() const {
  return core_->info();
}
bool PtySession::connected() const noexcept {
  return core_ && core_->connected();
}
std::optional<int> PtySession::exit_code() const noexcept {
  return core_->exit_code();
}
void PtySession::send_input(std::string_view bytes) const {
  value_or_throw(core_->send_input(bytes));
}
void PtySession::resize(PtySize size) const {
  value_or_throw(core_->resize(size));
}
void PtySession::kill() const {
  value_or_throw(core_->kill());
}
PtyResult PtySession::wait(PtyWaitOptions options) {
  // A copy: a callback that runs inside may destroy the handle.
  const auto core = core_;
  return value_or_throw(core->wait(options));
}
std::optional<std::string> PtySession::read(PtyReadOptions options) {
  const auto core = core_;
  return value_or_throw(core->read(options));
}
void PtySession::disconnect() noexcept {
  // A copy: a callback may destroy the handle while this waits for it.
  if (const auto core = core_) core->shut();
}

PtySession::Iterator::Iterator(PtySession& session) : session_(&session), piece_(session.read()) {}
PtySession::Iterator& PtySession::Iterator::operator++() {
  piece_ = session_->read();
  return *this;
}

}  // namespace nullspace::inline v0

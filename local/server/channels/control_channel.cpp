#include "local/server/channels/control_channel.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "local/server/channels/exec_stream.hpp"
#include "local/server/channels/pty_stream.hpp"
#include "wire/dialect.hpp"
#include "wire/stream_messages.hpp"

namespace nullspace::local {

namespace {

// After the last stream has ended, for clients that forget to close.
constexpr auto kIdleLimit = std::chrono::seconds(60);

}  // namespace

ControlChannel::ControlChannel(ServiceClock& clock, SandboxService& service,
                               std::shared_ptr<Sandbox> sandbox, Dialect dialect)
    : service_(service), sandbox_(std::move(sandbox)), dialect_(dialect), idle_timer_(clock) {}

void ControlChannel::on_open(std::shared_ptr<WebSocketSession> session) {
  session_ = std::move(session);
  service_.add_observer(shared_from_this());
  // It may have stopped between the upgrade and now.
  if (sandbox_->status() != SandboxStatus::running) on_sandbox_removed(*sandbox_);
}

void ControlChannel::on_message(std::string text, bool /*binary*/) {
  idle_timer_.cancel();
  auto decoded = wire::decode_client_message(text);
  if (const auto* refusal = std::get_if<wire::StreamError>(&decoded)) {
    send(wire::encode(*refusal));
  } else {
    std::visit([this](auto&& message) { handle(std::forward<decltype(message)>(message)); },
               std::get<wire::ClientMessage>(std::move(decoded)));
  }
  if (streams_.empty() && starting_.empty()) arm_idle_timer();
}

void ControlChannel::on_drain() {
  const auto streams = streams_;
  for (const auto& [id, stream] : streams)
    stream->resume();
}

void ControlChannel::on_closed() {
  const auto self = shared_from_this();
  idle_timer_.cancel();
  service_.remove_observer(this);
  session_.reset();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams)
    stream->detach();
}

void ControlChannel::on_sandbox_changed(const Sandbox& sandbox) {
  if (&sandbox == sandbox_.get() && sandbox.status() != SandboxStatus::running) {
    on_sandbox_removed(sandbox);
  }
}

void ControlChannel::on_sandbox_removed(const Sandbox& sandbox) {
  if (&sandbox != sandbox_.get()) return;
  stopped_ = true;
  close_if_stopped();
}

void ControlChannel::close_if_stopped() {
  if (!stopped_ || !streams_.empty() || !session_) return;
  session_->close(kCloseNormal, "the sandbox has stopped");
}

void ControlChannel::send(std::string message) {
  if (session_) session_->send(std::move(message));
}

bool ControlChannel::congested() const {
  return session_ && session_->congested();
}

void ControlChannel::fail(const std::string& id, const ApiError& error) {
  wire::StreamError message;
  message.id = id;
  message.message = error.message;
  message.code = wire::code_in(dialect_, error.code);
  send(wire::encode(message));
}

void ControlChannel::fail_lost(const std::string& id) {
  if (sandbox_->status() == SandboxStatus::destroyed) {
    fail(id, api_error(404, "sandbox_not_found", sandbox_->id() + " has ended"));
  } else {
    fail(id, api_error(409, "sandbox_not_ready", sandbox_->id() + " has stopped"));
  }
}

void ControlChannel::ended(const std::string& id) {
  streams_.erase(id);
  input_drained();
  close_if_stopped();
  if (streams_.empty() && starting_.empty()) arm_idle_timer();
}

void ControlChannel::arm_idle_timer() {
  if (!session_) return;
  idle_timer_.start(kIdleLimit, [this] {
    if (session_) session_->close(kCloseNormal, "idle");
  });
}

void ControlChannel::hold_input() {
  if (!session_) return;
  const bool full = std::any_of(streams_.begin(), streams_.end(),
                                [](const auto& entry) { return entry.second->input_congested(); });
  session_->pause_reading(full);
}

void ControlChannel::input_drained() {
  hold_input();
}

bool ControlChannel::reserve(const std::string& id) {
  if (streams_.contains(id) || starting_.contains(id)) {
    fail(id, invalid_request("invalid message: the id " + id + " is in use on this socket"));
    return false;
  }
  starting_.insert(id);
  return true;
}

void ControlChannel::attach_command(const std::string& id, const std::shared_ptr<Command>& command,
                                    bool is_new) {
  starting_.erase(id);
  if (session_) {
    send(wire::encode(wire::ExecStarted{id, static_cast<int>(command->pid())}));
    const auto stream = std::make_shared<ExecStream>(weak_from_this(), id, command);
    streams_.emplace(id, stream);
    command->attach(stream);
  }
  // Also when the client has gone meanwhile: the command lives on without it.
  if (is_new) {
    command->start();
  } else {
    command->update_reading();
  }
}

void ControlChannel::handle(wire::ExecStart&& message) {
  if (!reserve(message.id)) return;
  sandbox_->processes().start(
      message.request, CommandUse::streamed,
      [self = shared_from_this(), id = message.id](ProcessBook::StartOutcome outcome) {
        if (const auto* error = std::get_if<ApiError>(&outcome)) {
          self->starting_.erase(id);
          return self->fail(id, *error);
        }
        self->attach_command(id, std::get<std::shared_ptr<Command>>(outcome), true);
      });
}

std::shared_ptr<Command> ControlChannel::running_command(const std::string& id, int pid) {
  auto command = sandbox_->processes().find(pid);
  if (command && command->running()) return command;
  fail(id, not_found("process " + std::to_string(pid) + " is not running"));
  return nullptr;
}

void ControlChannel::handle(wire::ExecConnect&& message) {
  if (!reserve(message.id)) return;
  if (const auto command = running_command(message.id, message.pid)) {
    attach_command(message.id, command, false);
  }
  starting_.erase(message.id);
}

void ControlChannel::handle(wire::ExecStdin&& message) {
  const auto command = running_command(message.id, message.pid);
  if (!command) return;
  switch (command->write_stdin(std::move(message.data))) {
    case Command::InputResult::taken:
      break;
    case Command::InputResult::full:
      fail(message.id,
           api_error(429, "capacity_exceeded", "the process does not read its input fast enough"));
      break;
    case Command::InputResult::closed:
      fail(message.id,
           not_found("process " + std::to_string(message.pid) + " has its input closed"));
      break;
  }
  hold_input();
}

void ControlChannel::handle(wire::ExecStdinClose&& message) {
  if (const auto command = running_command(message.id, message.pid)) command->close_stdin();
}

void ControlChannel::handle(wire::ExecKill&& message) {
  if (const auto command = running_command(message.id, message.pid)) command->kill();
}

void ControlChannel::attach_terminal(const std::string& id,
                                     const std::shared_ptr<Terminal>& terminal, bool is_new) {
  starting_.erase(id);
  if (session_) {
    send(wire::encode(wire::PtyStarted{id, terminal->info()}));
    const auto stream = std::make_shared<PtyStream>(weak_from_this(), id, terminal);
    streams_.emplace(id, stream);
    terminal->attach(stream);
  }
  if (is_new) {
    terminal->start();
  } else {
    terminal->update_reading();
  }
}

void ControlChannel::handle(wire::PtyStart&& message) {
  if (!reserve(message.id)) return;
  sandbox_->terminals().open(
      message, [self = shared_from_this(), id = message.id](TerminalBook::OpenOutcome outcome) {
        if (const auto* error = std::get_if<ApiError>(&outcome)) {
          self->starting_.erase(id);
          return self->fail(id, *error);
        }
        self->attach_terminal(id, std::get<std::shared_ptr<Terminal>>(outcome), true);
      });
}

std::shared_ptr<Terminal> ControlChannel::terminal(const std::string& id,
                                                   const std::string& session_id) {
  auto found = sandbox_->terminals().find(session_id);
  if (!found) fail(id, not_found("session " + session_id + " not found"));
  return found;
}

void ControlChannel::handle(wire::PtyConnect&& message) {
  if (!reserve(message.id)) return;
  if (message.pid) {
    if (const auto found = sandbox_->terminals().find_pid(*message.pid)) {
      attach_terminal(message.id, found, false);
    } else {
      fail(message.id, not_found("no session has the pid " + std::to_string(*message.pid)));
    }
  } else if (const auto found = terminal(message.id, message.session_id)) {
    attach_terminal(message.id, found, false);
  }
  starting_.erase(message.id);
}

void ControlChannel::handle(wire::PtyInput&& message) {
  const auto found = terminal(message.id, message.session_id);
  if (!found) return;
  if (!found->write_input(std::move(message.data))) {
    fail(message.id,
         api_error(429, "capacity_exceeded", "the terminal does not take its input fast enough"));
  }
  hold_input();
}

void ControlChannel::handle(wire::PtyResize&& message) {
  if (const auto found = terminal(message.id, message.session_id)) {
    found->resize({message.cols, message.rows});
  }
}

void ControlChannel::handle(wire::PtyKill&& message) {
  if (const auto found = terminal(message.id, message.session_id)) found->kill();
}

}  // namespace nullspace::local

#include "local/server/channels/exec_stream.hpp"

#include <utility>

namespace nullspace::local {

ExecStream::ExecStream(std::weak_ptr<ControlChannel> channel, std::string id,
                       std::shared_ptr<Command> command)
    : channel_(std::move(channel)), id_(std::move(id)), command_(std::move(command)) {}

void ExecStream::on_output(wire::OutputStream stream, std::string_view text) {
  const auto channel = channel_.lock();
  if (!channel) return;
  wire::ExecOutput output;
  output.id = id_;
  output.pid = static_cast<int>(command_->pid());
  output.stream = stream;
  output.data = text;
  channel->send(wire::encode(output));
}

void ExecStream::on_end(CommandEnd end, int exit_code) {
  const auto self = shared_from_this();
  const auto channel = channel_.lock();
  if (!channel) return;
  const auto command = std::exchange(command_, nullptr);
  if (end == CommandEnd::timed_out) {
    const auto limit = command->settings().timeout.value_or(std::chrono::seconds(0)).count();
    channel->fail(id_, api_error(504, "exec_timeout",
                                 "the command was killed after " + std::to_string(limit) + " s"));
  } else if (end == CommandEnd::lost) {
    channel->fail_lost(id_);
  } else {
    wire::ExecExit message;
    message.id = id_;
    message.pid = static_cast<int>(command->pid());
    message.exit_code = exit_code;
    channel->send(wire::encode(message));
  }
  channel->ended(id_);
}

void ExecStream::on_input_drained() {
  if (const auto channel = channel_.lock()) channel->input_drained();
}

bool ExecStream::congested() const {
  const auto channel = channel_.lock();
  return channel && channel->congested();
}

void ExecStream::detach() {
  if (const auto command = std::exchange(command_, nullptr)) command->detach(this);
}

void ExecStream::resume() {
  if (command_) command_->update_reading();
}

bool ExecStream::input_congested() const {
  return command_ && command_->stdin_congested();
}

}  // namespace nullspace::local

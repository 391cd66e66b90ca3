#include "local/server/channels/pty_stream.hpp"

#include <utility>

namespace nullspace::local {

PtyStream::PtyStream(std::weak_ptr<ControlChannel> channel, std::string id,
                     std::shared_ptr<Terminal> terminal)
    : channel_(std::move(channel)), id_(std::move(id)), terminal_(std::move(terminal)) {}

void PtyStream::on_output(std::string_view bytes) {
  const auto channel = channel_.lock();
  if (!channel) return;
  wire::PtyOutput output;
  output.id = id_;
  output.session_id = terminal_->info().session_id;
  output.data = bytes;
  channel->send(wire::encode(output));
}

void PtyStream::on_exit(std::optional<int> exit_code) {
  const auto self = shared_from_this();
  const auto channel = channel_.lock();
  if (!channel) return;
  const auto terminal = std::exchange(terminal_, nullptr);
  if (exit_code) {
    wire::PtyExited message;
    message.id = id_;
    message.session_id = terminal->info().session_id;
    message.exit_code = *exit_code;
    channel->send(wire::encode(message));
  } else {
    channel->fail_lost(id_);
  }
  channel->ended(id_);
}

void PtyStream::on_input_drained() {
  if (const auto channel = channel_.lock()) channel->input_drained();
}

bool PtyStream::congested() const {
  const auto channel = channel_.lock();
  return channel && channel->congested();
}

void PtyStream::detach() {
  if (const auto terminal = std::exchange(terminal_, nullptr)) terminal->detach(this);
}

void PtyStream::resume() {
  if (terminal_) terminal_->update_reading();
}

bool PtyStream::input_congested() const {
  return terminal_ && terminal_->input_congested();
}

}  // namespace nullspace::local

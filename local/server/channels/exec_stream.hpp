#pragma once

#include <memory>
#include <string>

#include "local/server/channels/control_channel.hpp"
#include "local/server/command.hpp"

namespace nullspace::local {

// One client's view of one command.
class ExecStream : public CommandViewer,
                   public ControlChannel::Stream,
                   public std::enable_shared_from_this<ExecStream> {
 public:
  ExecStream(std::weak_ptr<ControlChannel> channel, std::string id,
             std::shared_ptr<Command> command);

  void on_output(wire::OutputStream stream, std::string_view text) override;
  void on_end(CommandEnd end, int exit_code) override;
  void on_input_drained() override;
  [[nodiscard]] bool congested() const override;

  void detach() override;
  void resume() override;
  [[nodiscard]] bool input_congested() const override;

 private:
  std::weak_ptr<ControlChannel> channel_;
  std::string id_;
  std::shared_ptr<Command> command_;
};

}  // namespace nullspace::local

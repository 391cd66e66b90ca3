#pragma once

#include <memory>
#include <optional>
#include <string>

#include "local/server/channels/control_channel.hpp"
#include "local/server/terminal.hpp"

namespace nullspace::local {

// One client's view of one terminal.
class PtyStream : public TerminalViewer,
                  public ControlChannel::Stream,
                  public std::enable_shared_from_this<PtyStream> {
 public:
  PtyStream(std::weak_ptr<ControlChannel> channel, std::string id,
            std::shared_ptr<Terminal> terminal);

  void on_output(std::string_view bytes) override;
  void on_exit(std::optional<int> exit_code) override;
  void on_input_drained() override;
  [[nodiscard]] bool congested() const override;

  void detach() override;
  void resume() override;
  [[nodiscard]] bool input_congested() const override;

 private:
  std::weak_ptr<ControlChannel> channel_;
  std::string id_;
  std::shared_ptr<Terminal> terminal_;
};

}  // namespace nullspace::local

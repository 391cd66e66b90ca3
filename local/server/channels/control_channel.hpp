#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "local/server/api_error.hpp"
#include "local/server/sandbox.hpp"
#include "local/server/sandbox_service.hpp"
#include "local/server/websocket_session.hpp"
#include "wire/control_messages.hpp"

namespace nullspace::local {

// Commands and terminals of one sandbox over one socket: any message on any channel, as many
// streams at once as the client likes. A stream is what has its own id: one attachment to a command
// or to a terminal.
class ControlChannel : public WebSocketHandler,
                       public SandboxObserver,
                       public std::enable_shared_from_this<ControlChannel> {
 public:
  // What is attached under one id.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual void detach() = 0;
    // The socket has room again.
    virtual void resume() = 0;
    [[nodiscard]] virtual bool input_congested() const = 0;
  };

  ControlChannel(ServiceClock& clock, SandboxService& service, std::shared_ptr<Sandbox> sandbox,
                 Dialect dialect);

  void on_open(std::shared_ptr<WebSocketSession> session) override;
  void on_message(std::string text, bool binary) override;
  void on_drain() override;
  void on_closed() override;

  void on_sandbox_changed(const Sandbox& sandbox) override;
  void on_sandbox_removed(const Sandbox& sandbox) override;

  // --- for streams ---
  void send(std::string message);
  [[nodiscard]] bool congested() const;
  void fail(const std::string& id, const ApiError& error);
  // The sandbox stopped under a stream.
  void fail_lost(const std::string& id);
  void ended(const std::string& id);
  void input_drained();

 private:
  void handle(wire::ExecStart&& message);
  void handle(wire::ExecConnect&& message);
  void handle(wire::ExecStdin&& message);
  void handle(wire::ExecStdinClose&& message);
  void handle(wire::ExecKill&& message);
  void handle(wire::PtyStart&& message);
  void handle(wire::PtyConnect&& message);
  void handle(wire::PtyInput&& message);
  void handle(wire::PtyResize&& message);
  void handle(wire::PtyKill&& message);

  bool reserve(const std::string& id);
  void attach_command(const std::string& id, const std::shared_ptr<Command>& command, bool is_new);
  void attach_terminal(const std::string& id, const std::shared_ptr<Terminal>& terminal,
                       bool is_new);
  std::shared_ptr<Command> running_command(const std::string& id, int pid);
  std::shared_ptr<Terminal> terminal(const std::string& id, const std::string& session_id);
  void hold_input();
  void arm_idle_timer();
  void close_if_stopped();

  SandboxService& service_;
  std::shared_ptr<Sandbox> sandbox_;
  Dialect dialect_;
  std::shared_ptr<WebSocketSession> session_;
  std::set<std::string> starting_;
  std::map<std::string, std::shared_ptr<Stream>> streams_;
  ServiceTimer idle_timer_;
  bool stopped_ = false;  // the sandbox
};

}  // namespace nullspace::local

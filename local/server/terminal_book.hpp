#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "local/server/api_error.hpp"
#include "local/server/guest_runtime.hpp"
#include "local/server/sandbox_spec.hpp"
#include "local/server/terminal.hpp"
#include "wire/pty_messages.hpp"

namespace nullspace::local {

// The terminal sessions of one sandbox that have not ended.
class TerminalBook {
 public:
  using OpenOutcome = std::variant<std::shared_ptr<Terminal>, ApiError>;
  using OpenCallback = std::function<void(OpenOutcome)>;

  TerminalBook(EventLoop& loop, GuestRuntime& guest, const SandboxSpec& spec);

  // The terminal is not read before Terminal::start().
  void open(const wire::PtyStart& request, OpenCallback done);
  [[nodiscard]] std::shared_ptr<Terminal> find(const std::string& session_id) const;
  [[nodiscard]] std::shared_ptr<Terminal> find_pid(int pid) const;
  [[nodiscard]] std::vector<PtySessionInfo> list() const;

  bool exited(const guest::Exited& exited);
  void lose_all();

 private:
  EventLoop& loop_;
  GuestRuntime& guest_;
  const SandboxSpec& spec_;
  std::map<std::string, std::shared_ptr<Terminal>> sessions_;
  int next_exec_ = 1;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace nullspace::local

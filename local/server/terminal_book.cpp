#include "local/server/terminal_book.hpp"

#include <csignal>
#include <cstring>
#include <utility>

#include "local/server/ids.hpp"
#include "local/server/path_rules.hpp"

namespace nullspace::local {

TerminalBook::TerminalBook(EventLoop& loop, GuestRuntime& guest, const SandboxSpec& spec)
    : loop_(loop), guest_(guest), spec_(spec) {}

void TerminalBook::open(const wire::PtyStart& request, OpenCallback done) {
  std::string directory = request.cwd;
  if (!directory.empty()) {
    auto normal = normalize_directory(directory);
    if (auto* error = std::get_if<ApiError>(&normal)) return done(std::move(*error));
    directory = std::get<std::string>(std::move(normal));
  }
  EnvMap envs = request.envs;
  if (!spec_.request.envs.contains("TERM")) envs.try_emplace("TERM", "xterm-256color");
  guest::SpawnRequest spawn;
  spawn.argv = {guest_shell()};
  spawn.env = process_environment(spec_, guest_.layout(), envs);
  spawn.cwd = process_directory(spec_, guest_.layout(), directory);
  guest::TerminalSize size;
  size.cols = static_cast<std::uint16_t>(request.cols);
  size.rows = static_cast<std::uint16_t>(request.rows);
  const std::string cwd = spawn.cwd;
  guest_.spawn_pty(
      std::move(spawn), size,
      [this, alive = std::weak_ptr<const bool>(alive_), request, cwd,
       done = std::move(done)](guest::SpawnOutcome&& outcome) {
        if (const auto* failure = std::get_if<guest::SpawnFailed>(&outcome)) {
          if (failure->stage == guest::SpawnStage::cwd) {
            return done(invalid_request("cwd " + cwd + ": " + std::strerror(failure->error)));
          }
          if (failure->stage == guest::SpawnStage::gone) {
            return done(api_error(409, "sandbox_not_ready",
                                  "the sandbox ended before the terminal opened"));
          }
          return done(api_error(502, "exec_failed",
                                "the terminal could not be started: " + failure->message));
        }
        if (alive.expired()) return;
        auto& started = std::get<guest::Started>(outcome);
        PtySessionInfo info;
        info.session_id = new_id("ses_");
        info.pid = started.pid;
        info.cols = request.cols;
        info.rows = request.rows;
        info.exec_id = "exec-" + std::to_string(next_exec_++);
        Terminal::Controls controls;
        controls.kill = [this](pid_t pid) {
          guest_.signal(pid, SIGKILL, guest::SignalScope::session);
        };
        controls.on_finished = [this](Terminal& terminal) {
          sessions_.erase(terminal.info().session_id);
        };
        auto terminal = std::make_shared<Terminal>(loop_, info, std::move(started.terminal),
                                                   std::move(controls));
        sessions_.emplace(info.session_id, terminal);
        done(std::move(terminal));
      });
}

std::shared_ptr<Terminal> TerminalBook::find(const std::string& session_id) const {
  const auto found = sessions_.find(session_id);
  return found == sessions_.end() ? nullptr : found->second;
}

std::shared_ptr<Terminal> TerminalBook::find_pid(int pid) const {
  for (const auto& [id, terminal] : sessions_) {
    if (terminal->info().pid == pid) return terminal;
  }
  return nullptr;
}

std::vector<PtySessionInfo> TerminalBook::list() const {
  std::vector<PtySessionInfo> infos;
  for (const auto& [id, terminal] : sessions_)
    infos.push_back(terminal->info());
  return infos;
}

bool TerminalBook::exited(const guest::Exited& exited) {
  const auto terminal = find_pid(exited.pid);
  if (!terminal) return false;
  terminal->exited(exited);
  return true;
}

void TerminalBook::lose_all() {
  const auto sessions = std::exchange(sessions_, {});
  for (const auto& [id, terminal] : sessions)
    terminal->lose();
}

}  // namespace nullspace::local

#include "local/server/process_book.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "local/server/path_rules.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

namespace {

constexpr std::size_t kLogBytes = std::size_t{8} << 20U;
constexpr std::size_t kForegroundBytes = std::size_t{16} << 20U;
constexpr std::size_t kRememberedCommands = 256;
constexpr std::size_t kRememberedBytes = std::size_t{64} << 20U;

std::vector<std::string> arguments_of(const wire::ExecRequest& request) {
  if (request.shell) return {guest_shell(), "-c", request.command};
  std::vector<std::string> argv{request.command};
  argv.insert(argv.end(), request.args.begin(), request.args.end());
  return argv;
}

std::string display_of(const wire::ExecRequest& request) {
  std::string text = request.command;
  for (const std::string& argument : request.args)
    text += " " + argument;
  return text;
}

// What is left to the sandbox's own shell: to say that there is no such program, and to exit as a
// shell does then.
guest::SpawnRequest explanation(guest::SpawnRequest request, const guest::SpawnFailed& failure) {
  const std::string message = guest::shell_message(request.argv.front(), failure);
  request.argv = {"/bin/sh", "-c",    R"(printf %s "$1" >&2; exit "$2")",
                  "sh",      message, std::to_string(guest::exit_code_of(failure))};
  return request;
}

ApiError start_error(const guest::SpawnFailed& failure, const std::string& cwd) {
  if (failure.stage == guest::SpawnStage::cwd) {
    return invalid_request("cwd " + cwd + ": " + std::strerror(failure.error));
  }
  if (failure.stage == guest::SpawnStage::gone) {
    return api_error(409, "sandbox_not_ready", "the sandbox ended before the command started");
  }
  ApiError error =
      api_error(502, "exec_failed", "the command could not be started: " + failure.message);
  error.retryable = failure.stage == guest::SpawnStage::fork;
  return error;
}

}  // namespace

ProcessBook::ProcessBook(EventLoop& loop, GuestRuntime& guest, const SandboxSpec& spec)
    : loop_(loop), guest_(guest), spec_(spec) {}

ProcessBook::~ProcessBook() = default;

void ProcessBook::start(const wire::ExecRequest& request, CommandUse use, StartCallback done) {
  guest::SpawnRequest spawn_request;
  std::string directory = request.cwd;
  if (!directory.empty()) {
    auto normal = normalize_directory(directory);
    if (auto* error = std::get_if<ApiError>(&normal)) return done(std::move(*error));
    directory = std::get<std::string>(std::move(normal));
  }
  spawn_request.argv = arguments_of(request);
  spawn_request.env = process_environment(spec_, guest_.layout(), request.envs);
  spawn_request.cwd = process_directory(spec_, guest_.layout(), directory);

  CommandSettings settings;
  settings.display = display_of(request);
  settings.background = use == CommandUse::background;
  settings.keep_stdin = use != CommandUse::foreground;
  if (use != CommandUse::background) settings.timeout = std::chrono::seconds(request.timeout_secs);
  settings.log_limit = use == CommandUse::foreground ? kForegroundBytes : kLogBytes;
  if (use == CommandUse::foreground) settings.output_limit = kForegroundBytes;
  spawn(std::move(spawn_request), std::move(settings), use, std::move(done), true);
}

void ProcessBook::spawn(guest::SpawnRequest request, CommandSettings settings, CommandUse use,
                        StartCallback done, bool may_explain) {
  auto made = guest::make_stdio_pipes();
  if (!made) {
    return done(
        api_error(502, "exec_failed",
                  std::string("the command could not be started: ") + std::strerror(errno)));
  }
  auto pipes = std::make_shared<guest::StdioPipes>(std::move(*made));
  guest::ChildStdio child = std::move(pipes->child);
  guest_.spawn_pipes(request, std::move(child),
                     [this, alive = std::weak_ptr<const bool>(alive_), request, pipes,
                      settings = std::move(settings), use, done = std::move(done),
                      may_explain](guest::SpawnOutcome&& outcome) {
                       if (alive.expired()) return;
                       spawned(std::move(outcome), request, pipes, settings, use, done,
                               may_explain);
                     });
}

void ProcessBook::spawned(guest::SpawnOutcome&& outcome, guest::SpawnRequest request,
                          std::shared_ptr<guest::StdioPipes> pipes, CommandSettings settings,
                          CommandUse use, const StartCallback& done, bool may_explain) {
  if (const auto* failure = std::get_if<guest::SpawnFailed>(&outcome)) {
    if (may_explain && failure->stage == guest::SpawnStage::exec) {
      return spawn(explanation(std::move(request), *failure), std::move(settings), use, done,
                   false);
    }
    return done(start_error(*failure, request.cwd));
  }
  const int pid = std::get<guest::Started>(outcome).pid;
  Command::Controls controls;
  controls.kill = [this](pid_t group) { guest_.signal(group, SIGKILL, guest::SignalScope::group); };
  controls.on_finished = [this, use](Command& command) { finished(command, use); };
  controls.on_pipes_closed = [this](Command& command) {
    draining_.erase(command.shared_from_this());
  };
  auto command = std::make_shared<Command>(loop_, pid, std::move(*pipes), std::move(settings),
                                           std::move(controls));
  // An ended command may have had the same pid.
  if (const auto old = commands_.find(pid); old != commands_.end()) {
    std::erase(remembered_, old->second);
    if (old->second->pipes_open()) draining_.insert(old->second);
  }
  commands_.insert_or_assign(pid, command);
  done(std::move(command));
}

std::shared_ptr<Command> ProcessBook::find(int pid) const {
  const auto found = commands_.find(pid);
  return found == commands_.end() ? nullptr : found->second;
}

bool ProcessBook::exited(const guest::Exited& exited) {
  const auto command = find(exited.pid);
  if (!command || !command->running()) return false;
  command->exited(exited);
  return true;
}

void ProcessBook::finished(Command& command, CommandUse use) {
  const auto self = command.shared_from_this();
  if (use != CommandUse::foreground) {
    remembered_.push_back(self);
    return forget_old();
  }
  commands_.erase(command.pid());
  if (!command.pipes_open()) return;
  // A daemon that it left behind may still write to its pipes.
  command.forget_log();
  draining_.insert(self);
}

void ProcessBook::forget_old() {
  std::size_t bytes = 0;
  for (const auto& command : remembered_)
    bytes += command->log().memory();
  while (remembered_.size() > 1 &&
         (remembered_.size() > kRememberedCommands || bytes > kRememberedBytes)) {
    const auto oldest = remembered_.front();
    remembered_.pop_front();
    bytes -= std::min(bytes, oldest->log().memory());
    oldest->forget_log();
    if (const auto found = commands_.find(oldest->pid());
        found != commands_.end() && found->second == oldest) {
      commands_.erase(found);
    }
    if (oldest->pipes_open()) draining_.insert(oldest);
  }
}

void ProcessBook::list(ListCallback done) {
  guest_.list_processes([this, alive = std::weak_ptr<const bool>(alive_),
                         done = std::move(done)](const guest::Processes* listed) {
    std::vector<ProcessInfo> processes;
    if (alive.expired()) return done(std::move(processes));
    for (const auto& [pid, command] : commands_) {
      processes.push_back(
          {pid, wire::replace_invalid_utf8(command->settings().display), command->running()});
    }
    if (listed != nullptr) {
      for (const guest::ProcessEntry& entry : listed->processes) {
        const auto known = commands_.find(entry.pid);
        if (known != commands_.end() && known->second->running()) continue;
        if (entry.state == 'Z' || entry.state == 'X') continue;
        // A pid that was a command's and is somebody else's now.
        std::erase_if(processes, [&entry](const auto& info) { return info.pid == entry.pid; });
        processes.push_back({entry.pid, wire::replace_invalid_utf8(entry.command), true});
      }
    }
    std::sort(processes.begin(), processes.end(),
              [](const auto& left, const auto& right) { return left.pid < right.pid; });
    done(std::move(processes));
  });
}

void ProcessBook::kill(int pid, std::function<void(bool)> done) {
  if (const auto command = find(pid)) {
    command->kill();
    return done(true);
  }
  guest_.list_processes([this, alive = std::weak_ptr<const bool>(alive_), pid,
                         done = std::move(done)](const guest::Processes* listed) {
    const bool found =
        !alive.expired() && listed != nullptr &&
        std::any_of(listed->processes.begin(), listed->processes.end(),
                    [pid](const auto& entry) { return entry.pid == pid && entry.state != 'Z'; });
    if (found) guest_.signal(pid, SIGKILL, guest::SignalScope::process);
    done(found);
  });
}

void ProcessBook::lose_all() {
  const auto commands = std::exchange(commands_, {});
  for (const auto& [pid, command] : commands)
    command->lose();
  const auto draining = std::exchange(draining_, {});
  for (const auto& command : draining)
    command->lose();
  remembered_.clear();
}

}  // namespace nullspace::local

// Commands over REST: one answer when they have ended, or the pid at once.
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "local/server/routes/api.hpp"
#include "wire/exec_messages.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

namespace {

// Waits for the end; the output is in the command's log.
class ForegroundAnswer : public CommandViewer {
 public:
  ForegroundAnswer(RequestPtr request, std::shared_ptr<Sandbox> sandbox,
                   std::shared_ptr<Command> command)
      : request_(std::move(request)), sandbox_(std::move(sandbox)), command_(std::move(command)) {}

  void on_output(wire::OutputStream /*stream*/, std::string_view /*text*/) override {}

  void on_end(CommandEnd end, int exit_code) override {
    const auto command = std::exchange(command_, nullptr);
    switch (end) {
      case CommandEnd::exited:
        return answer(*command, exit_code);
      case CommandEnd::timed_out:
        return request_->fail(api_error(
            504, "exec_timeout",
            "the command was killed after " +
                std::to_string(
                    command->settings().timeout.value_or(std::chrono::seconds(0)).count()) +
                " s"));
      case CommandEnd::overflow: {
        ApiError error = api_error(
            502, "exec_failed", "the command wrote more than 16 MiB to one stream and was killed");
        error.retryable = false;
        error.suggested_action = "Stream its output over the exec WebSocket instead.";
        return request_->fail(error);
      }
      case CommandEnd::lost:
        break;
    }
    if (sandbox_->status() == SandboxStatus::destroyed) {
      return request_->fail(
          api_error(404, "sandbox_not_found", sandbox_->id() + " ended while the command ran"));
    }
    request_->fail(
        api_error(409, "sandbox_not_ready", sandbox_->id() + " stopped while the command ran"));
  }

  [[nodiscard]] bool congested() const override { return false; }

 private:
  void answer(const Command& command, int exit_code) const {
    CommandResult result;
    result.exit_code = exit_code;
    result.pid = static_cast<int>(command.pid());
    result.stdout_text = wire::replace_invalid_utf8(command.log().text(wire::OutputStream::out));
    result.stderr_text = wire::replace_invalid_utf8(command.log().text(wire::OutputStream::err));
    request_->reply(200, wire::encode_exec_answer(result));
  }

  RequestPtr request_;
  std::shared_ptr<Sandbox> sandbox_;
  std::shared_ptr<Command> command_;
};

void exec(const Api& api, const RequestPtr& request) {
  with_running_sandbox(api, request, [request](const std::shared_ptr<Sandbox>& sandbox) {
    const auto decoded = wire::decode_exec_request(request->http.body);
    if (!decoded) return request->fail(refused(decoded.error()));
    const bool background = decoded->background;
    sandbox->processes().start(
        *decoded, background ? CommandUse::background : CommandUse::foreground,
        [request, sandbox, background](ProcessBook::StartOutcome outcome) {
          if (const auto* error = std::get_if<ApiError>(&outcome)) return request->fail(*error);
          const auto& command = std::get<std::shared_ptr<Command>>(outcome);
          if (background) {
            request->reply(200, wire::encode_background_answer(static_cast<int>(command->pid())));
          } else {
            command->attach(std::make_shared<ForegroundAnswer>(request, sandbox, command));
          }
          command->start();
        });
  });
}

}  // namespace

void add_exec_routes(Router& router, const Api& api) {
  router.add("POST", "{R}/{}/exec", [&api](const RequestPtr& request) { exec(api, request); });
}

}  // namespace nullspace::local

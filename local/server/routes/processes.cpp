// The processes of a sandbox: list, logs, input, end.
#include <string>
#include <utility>
#include <vector>

#include "local/server/routes/api.hpp"
#include "wire/exec_messages.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

namespace {

ApiError no_process(int pid) {
  return not_found("there is no process " + std::to_string(pid));
}

void list(const Api& api, const RequestPtr& request) {
  with_running_sandbox(api, request, [request](const std::shared_ptr<Sandbox>& sandbox) {
    sandbox->processes().list([request](const std::vector<ProcessInfo>& processes) {
      request->reply(200, wire::encode_processes(processes));
    });
  });
}

void logs(const Api& api, const RequestPtr& request) {
  int pid = 0;
  if (!find_sandbox(api, request) || !read_pid(request, 1, pid)) return;
  with_running_sandbox(api, request, [request, pid](const std::shared_ptr<Sandbox>& sandbox) {
    const auto command = sandbox->processes().find(pid);
    if (!command) return request->fail(no_process(pid));
    ProcessLogs answer;
    answer.stdout_text = wire::replace_invalid_utf8(command->log().text(wire::OutputStream::out));
    answer.stderr_text = wire::replace_invalid_utf8(command->log().text(wire::OutputStream::err));
    answer.output = wire::replace_invalid_utf8(command->log().interleaved());
    answer.exit_code = command->exit_code();
    request->reply(200, wire::encode_process_logs(answer));
  });
}

void send_stdin(const Api& api, const RequestPtr& request) {
  int pid = 0;
  if (!find_sandbox(api, request) || !read_pid(request, 1, pid)) return;
  with_running_sandbox(api, request, [request, pid](const std::shared_ptr<Sandbox>& sandbox) {
    auto data = wire::decode_stdin_request(request->http.body);
    if (!data) return request->fail(refused(data.error()));
    const auto command = sandbox->processes().find(pid);
    if (!command) return request->fail(no_process(pid));
    switch (command->write_stdin(std::move(*data))) {
      case Command::InputResult::taken:
        return request->no_content();
      case Command::InputResult::full:
        return request->fail(
            api_error(429, "capacity_exceeded", "the process does not read its input fast enough"));
      case Command::InputResult::closed:
        break;
    }
    request->fail(not_found("process " + std::to_string(pid) +
                            (command->running() ? " has its input closed" : " is not running")));
  });
}

void kill(const Api& api, const RequestPtr& request) {
  int pid = 0;
  if (!find_sandbox(api, request) || !read_pid(request, 1, pid)) return;
  with_running_sandbox(api, request, [request, pid](const std::shared_ptr<Sandbox>& sandbox) {
    sandbox->processes().kill(pid, [request, pid](bool found) {
      if (!found) return request->fail(no_process(pid));
      request->no_content();
    });
  });
}

}  // namespace

void add_process_routes(Router& router, const Api& api) {
  const auto bind = [&api](void (*handler)(const Api&, const RequestPtr&)) {
    return [&api, handler](const RequestPtr& request) { handler(api, request); };
  };
  router.add("GET", "{R}/{}/processes", bind(list));
  router.add("GET", "{R}/{}/processes/{}/logs", bind(logs));
  router.add("POST", "{R}/{}/processes/{}/stdin", bind(send_stdin));
  router.add("POST", "{R}/{}/processes/{}/kill", bind(kill));
}

}  // namespace nullspace::local

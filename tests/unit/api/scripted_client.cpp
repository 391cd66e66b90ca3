#include "tests/unit/api/scripted_client.hpp"

#include "tests/support/catch.hpp"

namespace nullspace::tests {

ClientOptions ScriptedClient::options(Dialect dialect) const {
  ClientOptions options;
  options.api_key = kTestKey;
  options.base_url = "https://api.example.test/prefix";
  options.dialect = dialect;
  options.retry.websocket_open_retries = 0;
  options.reconnect.enabled = reconnects;
  options.reconnect.initial_delay = std::chrono::milliseconds{0};
  options.reconnect.max_delay = std::chrono::milliseconds{0};
  options.http_transport = http;
  options.websocket_transport = network;
  return options;
}

Sandbox ScriptedClient::sandbox(const Client& on, const std::string& id,
                                HttpHeaders headers) const {
  http->push(response(201, sandbox_body(id), std::move(headers)));
  Sandbox sandbox = Sandbox::create(on);
  http->forget();
  return sandbox;
}

std::string sandbox_body(std::string_view id, std::string_view status) {
  return Json(Json::Object{{"id", id},
                           {"status", status},
                           {"config", Json::Object{{"vcpus", 2}, {"memory_mb", 512}}},
                           {"template", "base"},
                           {"metadata", Json::Object{}}})
      .dump();
}

std::string error_body(std::string_view code, std::string_view message) {
  return Json(Json::Object{{"error", message}, {"code", code}}).dump();
}

Error thrown_by(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  FAIL("nothing was thrown");
  return Error(ErrorInfo{});
}

namespace {

std::string message(std::string_view type, Json::Object members) {
  members.emplace("type", type);
  return Json(std::move(members)).dump();
}

}  // namespace

std::string exec_started(int pid) {
  return message("exec_started", {{"id", "exec_x"}, {"pid", pid}});
}
std::string exec_stdout(std::string_view data) {
  return message("exec_stdout", {{"id", "exec_x"}, {"pid", 502}, {"data", data}});
}
std::string raw_exec_stdout(std::string_view bytes) {
  return R"({"type":"exec_stdout","id":"exec_x","data":")" + std::string(bytes) + "\"}";
}
std::string exec_stderr(std::string_view data) {
  return message("exec_stderr", {{"id", "exec_x"}, {"pid", 502}, {"data", data}});
}
std::string exec_exit(int code) {
  return message("exec_exit", {{"id", "exec_x"}, {"pid", 502}, {"exit_code", code}});
}
std::string pty_started(std::string_view session_id, int pid) {
  return message("pty_started", {{"id", "pty_x"},
                                 {"session_id", session_id},
                                 {"pid", pid},
                                 {"cols", 100},
                                 {"rows", 28},
                                 {"exec_id", "exec-77"}});
}
std::string pty_output(std::string_view base64) {
  return message("pty_output",
                 {{"id", "pty_x"}, {"session_id", "ses_4d"}, {"data_base64", base64}});
}
std::string pty_exited(int code) {
  return message("pty_exited", {{"id", "pty_x"}, {"session_id", "ses_4d"}, {"exit_code", code}});
}
std::string stream_error(std::string_view text, std::string_view code) {
  Json::Object members{{"id", "x"}, {"message", text}};
  if (!code.empty()) members.emplace("code", code);
  return message("error", std::move(members));
}

void serve(ScriptedWebSocket& network, const std::string& type,
           std::function<void(ScriptedPeer&)> script) {
  network.on_connect([](ScriptedPeer& peer) { peer.accept(); });
  network.on_message(
      [type, script = std::move(script)](ScriptedPeer& peer, const std::string& text) {
        if (type_of(text) == type) script(peer);
      });
}

std::string type_of(const std::string& text) {
  return text.empty() ? "" : Json::parse(text)["type"].as_string().value_or("");
}

}  // namespace nullspace::tests

// WebSockets.
#include <memory>
#include <string>

#include "local/server/channels/control_channel.hpp"
#include "local/server/channels/monitor_channel.hpp"
#include "local/server/routes/api.hpp"
#include "wire/endpoints.hpp"

namespace nullspace::local {

namespace {

void open_control(const Api& api, const RequestPtr& request) {
  const auto& query = request->http.target.query;
  if (const auto channel = query.find("channel"); channel != query.end()) {
    // Which one it is makes no difference: every message is understood on each.
    if (!wire::channel_from_text(channel->second)) {
      return request->fail(invalid_request("channel: expected exec or pty"));
    }
  }
  with_running_sandbox(api, request, [&api, request](const std::shared_ptr<Sandbox>& sandbox) {
    request->responder.accept_websocket(
        std::make_shared<ControlChannel>(api.clock, api.service, sandbox, request->dialect));
  });
}

void open_monitor(const Api& api, const RequestPtr& request) {
  request->responder.accept_websocket(
      std::make_shared<MonitorChannel>(api.clock, api.service, request->account));
}

}  // namespace

void add_channel_routes(Router& router, const Api& api) {
  router.add_websocket("{R}/{}/ws",
                       [&api](const RequestPtr& request) { open_control(api, request); });
  router.add_websocket("/v1/monitor/ws",
                       [&api](const RequestPtr& request) { open_monitor(api, request); });
}

}  // namespace nullspace::local

// Terminal sessions over REST. They are opened and used over the WebSocket.
#include <string>
#include <utility>

#include "local/server/routes/api.hpp"
#include "wire/pty_messages.hpp"

namespace nullspace::local {

namespace {

void with_terminal(const Api& api, const RequestPtr& request,
                   std::function<void(const std::shared_ptr<Terminal>&)> use) {
  with_running_sandbox(
      api, request, [request, use = std::move(use)](const std::shared_ptr<Sandbox>& sandbox) {
        const auto terminal = sandbox->terminals().find(request->ids[1]);
        if (!terminal) return request->fail(not_found("session " + request->ids[1] + " not found"));
        use(terminal);
      });
}

void list(const Api& api, const RequestPtr& request) {
  with_running_sandbox(api, request, [request](const std::shared_ptr<Sandbox>& sandbox) {
    request->reply(200, wire::encode_pty_sessions(sandbox->terminals().list()));
  });
}

void get(const Api& api, const RequestPtr& request) {
  with_terminal(api, request, [request](const std::shared_ptr<Terminal>& terminal) {
    request->reply(200, wire::encode_pty_session(terminal->info()));
  });
}

void kill(const Api& api, const RequestPtr& request) {
  with_terminal(api, request, [request](const std::shared_ptr<Terminal>& terminal) {
    terminal->kill();
    request->no_content();
  });
}

void resize(const Api& api, const RequestPtr& request) {
  with_terminal(api, request, [request](const std::shared_ptr<Terminal>& terminal) {
    const auto size = wire::decode_resize_request(request->http.body);
    if (!size) return request->fail(refused(size.error()));
    terminal->resize(*size);
    request->no_content();
  });
}

}  // namespace

void add_pty_routes(Router& router, const Api& api) {
  const auto bind = [&api](void (*handler)(const Api&, const RequestPtr&)) {
    return [&api, handler](const RequestPtr& request) { handler(api, request); };
  };
  router.add("GET", "{R}/{}/pty", bind(list));
  router.add("GET", "{R}/{}/pty/{}", bind(get));
  router.add("DELETE", "{R}/{}/pty/{}", bind(kill));
  router.add("POST", "{R}/{}/pty/{}/resize", bind(resize));
}

}  // namespace nullspace::local

// Below /_emu: what a test does to the server. The real service has no such paths.
#include <string>
#include <utility>
#include <variant>

#include "local/server/control_door.hpp"
#include "local/server/routes/api.hpp"

namespace nullspace::local {

namespace {

void answer(const RequestPtr& request, int status, const ControlDoor::Outcome& outcome) {
  if (const auto* error = std::get_if<ApiError>(&outcome)) return request->fail(*error);
  request->reply(status, std::get<Json>(outcome).dump());
}

ControlDoor::Callback answer_later(const RequestPtr& request) {
  return [request](const ControlDoor::Outcome& outcome) { answer(request, 200, outcome); };
}

}  // namespace

void add_control_routes(Router& router, ControlDoor& door) {
  router.add("POST", "/_emu/faults", [&door](const RequestPtr& request) {
    answer(request, 201, door.install_faults(request->account, request->http.body));
  });
  router.add("GET", "/_emu/faults", [&door](const RequestPtr& request) {
    answer(request, 200, door.faults(request->account));
  });
  router.add("DELETE", "/_emu/faults", [&door](const RequestPtr& request) {
    answer(request, 200, door.clear_faults(request->account));
  });
  router.add("DELETE", "/_emu/faults/{}", [&door](const RequestPtr& request) {
    answer(request, 200, door.remove_fault(request->account, request->ids.front()));
  });
  router.add("POST", "/_emu/connections/drop", [&door](const RequestPtr& request) {
    answer(request, 200, door.drop_connections(request->account, request->http.body));
  });
  router.add("POST", "/_emu/reset", [&door](const RequestPtr& request) {
    answer(request, 200, door.reset(request->account));
  });
  router.add("GET", "/_emu/stats", [&door](const RequestPtr& request) {
    answer(request, 200, door.stats(request->account));
  });
  router.add("GET", "/_emu/clock",
             [&door](const RequestPtr& request) { answer(request, 200, door.clock()); });
  router.add("POST", "/_emu/clock", [&door](const RequestPtr& request) {
    door.set_clock(request->http.body, answer_later(request));
  });
  router.add("POST", "/_emu/clock/advance", [&door](const RequestPtr& request) {
    door.advance_clock(request->http.body, answer_later(request));
  });
}

}  // namespace nullspace::local

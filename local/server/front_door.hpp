#pragma once

#include <functional>
#include <string>

#include "local/server/auth.hpp"
#include "local/server/faults/fault_injector.hpp"
#include "local/server/http_connection.hpp"
#include "local/server/router.hpp"

namespace nullspace::local {

// What every request passes: its id, the Host check, CORS, the API key, the router.
class FrontDoor {
 public:
  struct Options {
    bool any_host = false;  // remote clients are welcome: the Host header may be anything
    bool control = false;   // there is something below /_emu
    std::function<void(const std::string&)> log;  // one line for each answer; may be empty
  };

  FrontDoor(const Router& router, const KeyRing& keys, FaultInjector& faults, Options options);

  void serve(HttpRequest request, Responder responder) const;
  // The answer to what was no request.
  [[nodiscard]] static HttpResponse refuse(const HttpFailure& failure);

 private:
  void admit(HttpRequest http, Responder responder, std::string request_id) const;

  const Router& router_;
  const KeyRing& keys_;
  FaultInjector& faults_;
  Options options_;
};

}  // namespace nullspace::local

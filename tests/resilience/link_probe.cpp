// usage: resilience_link_probe, with NULLSPACE_API_URL and NULLSPACE_API_KEY in the environment
//
// A monitor subscription that says how it is: one line for every change of state and every
// snapshot. Stops it and ends when its standard input does.
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

namespace {

void say(const std::string& line) {
  std::cout << line << std::endl;
}

}  // namespace

int main() try {
  ns::ClientOptions options;
  options.allow_insecure_http = true;
  options.proxy = "";
  options.keepalive.interval = std::chrono::milliseconds(200);
  options.reconnect.max_delay = std::chrono::milliseconds(200);
  // An attempt on a dead link hears nothing at all.
  options.timeouts.websocket_open = std::chrono::milliseconds(1000);
  ns::Subscription live =
      ns::Monitor(ns::Client(options))
          .subscribe({
              .on_snapshot = [](const ns::MonitorSnapshotEvent&) { say("snapshot"); },
              .on_error = [](const ns::Error& error) { say(std::string("error ") + error.what()); },
              .on_state_change =
                  [](const ns::StateChange& change) {
                    say(std::string(ns::to_string(change.state)));
                  },
          });
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  live.stop();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "resilience_link_probe: " << error.what() << '\n';
  return 1;
}

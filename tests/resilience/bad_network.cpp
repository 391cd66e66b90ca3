#include "tests/resilience/bad_network.hpp"

#include <chrono>
#include <utility>

namespace test {

BadNetwork::Started::Started(nullspace::local::ServerOptions options)
    : nullspace::local::Server(std::move(options)) {
  start();
}

BadNetwork::BadNetwork(std::uint64_t seed) : BadNetwork(quiet_server(), seed) {}

BadNetwork::BadNetwork(nullspace::local::ServerOptions server, std::uint64_t seed)
    : server_(std::move(server)), proxy_({.target_port = server_.port(), .seed = seed}) {}

nullspace::local::ServerOptions BadNetwork::quiet_server() {
  nullspace::local::ServerOptions options;
  options.ping_interval = std::chrono::milliseconds(0);
  options.isolation = nullspace::local::IsolationMode::none;
  return options;
}

ns::ClientOptions BadNetwork::options() const {
  ns::ClientOptions options{.api_key = server_.api_key(), .base_url = proxy_.url()};
  options.reconnect.initial_delay = std::chrono::milliseconds(1);
  options.reconnect.max_delay = std::chrono::milliseconds(20);
  // Only the test's own proxy counts.
  options.proxy = "";
  return options;
}

ns::Client BadNetwork::direct() const {
  return ns::Client({.api_key = server_.api_key(), .base_url = server_.url(), .proxy = ""});
}

}  // namespace test

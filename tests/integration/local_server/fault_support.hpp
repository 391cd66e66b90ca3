// A server that lets its clients ask for faults.
#pragma once

#include <string>
#include <utility>

#include "tests/integration/local_server/test_server.hpp"
#include "tests/support/catch.hpp"

namespace nullspace::test {

inline local::ServerOptions with_faults(local::ServerOptions options = {}) {
  options.faults = true;
  return options;
}

struct FaultyServer : TestServer {
  explicit FaultyServer(local::ServerOptions options = {})
      : TestServer(with_faults(std::move(options))) {}

  // One rule, by its fault and other fields; its id.
  std::string install(const std::string& fault, Json::Object fields = {}) {
    fields["fault"] = fault;
    const Json answer = Json::parse(server.install_faults(Json(fields).dump()));
    return answer["rules"].array().at(0)["id"].as_string().value();
  }
  [[nodiscard]] Json rule(const std::string& id) const {
    const Json all = Json::parse(server.faults());
    for (const Json& rule : all["rules"].array()) {
      if (rule["id"].as_string() == id) return rule;
    }
    FAIL("there is no rule " << id);
    return {};
  }
};

// A request on a connection of its own, up to what the server does with it.
inline RawSocket send_request(const TestServer& server, const std::string& method,
                              const std::string& path, const std::string& body = {},
                              const RawHeaders& headers = {}) {
  RawSocket socket(server.server.port());
  std::string text =
      method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer first-key\r\n";
  for (const auto& [name, value] : headers)
    text += name + ": " + value + "\r\n";
  socket.send(text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return socket;
}

inline RawHeaders upgrade_headers() {
  return {{"Connection", "Upgrade"},
          {"Upgrade", "websocket"},
          {"Sec-WebSocket-Version", "13"},
          {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
}

}  // namespace nullspace::test

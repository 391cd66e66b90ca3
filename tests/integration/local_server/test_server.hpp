// A server in the test's own process, with two accounts.
#pragma once

#include <string>
#include <utility>

#include "local/local.hpp"
#include "tests/integration/local_server/raw_client.hpp"

namespace nullspace::test {

inline constexpr const char* kKey = "first-key";
inline constexpr const char* kOtherKey = "second-key";

struct TestServer {
  explicit TestServer(local::ServerOptions options = {}) : server(with_keys(std::move(options))) {
    server.start();
  }

  [[nodiscard]] RawClient client(const std::string& key = kKey) const {
    return RawClient(server.port(), key);
  }
  [[nodiscard]] RawWebSocket socket(const std::string& path, const std::string& key = kKey,
                                    const RawHeaders& headers = {}) const {
    return RawWebSocket(server.port(), path, key, headers);
  }

  static local::ServerOptions with_keys(local::ServerOptions options) {
    options.api_keys = {kKey, kOtherKey};
    return options;
  }

  local::Server server;
};

}  // namespace nullspace::test

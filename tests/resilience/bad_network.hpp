// A nullspace-local inside the test process, and a network in front of it that a test can make bad.
#pragma once

#include <cstdint>

#include <nullspace/nullspace.hpp>

#include "local/local.hpp"
#include "tests/support/tcp_proxy.hpp"

namespace test {

namespace ns = nullspace;

class BadNetwork {
 public:
  explicit BadNetwork(std::uint64_t seed = 1);

  // Without pings and isolation: what a test sees is the doing of the SDK and the proxy alone.
  [[nodiscard]] static nullspace::local::ServerOptions quiet_server();
  explicit BadNetwork(nullspace::local::ServerOptions server, std::uint64_t seed = 1);

  // For a client whose connections go through the proxy; a test may change them.
  [[nodiscard]] ns::ClientOptions options() const;
  // A client that is not disturbed.
  [[nodiscard]] ns::Client direct() const;
  [[nodiscard]] nullspace::tests::TcpProxy& proxy() noexcept { return proxy_; }
  [[nodiscard]] nullspace::local::Server& server() noexcept { return server_; }

 private:
  struct Started : nullspace::local::Server {
    explicit Started(nullspace::local::ServerOptions options);
  };
  Started server_;
  nullspace::tests::TcpProxy proxy_;
};

}  // namespace test

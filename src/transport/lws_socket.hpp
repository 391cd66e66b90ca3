// WebSocketTransport on libwebsockets.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <nullspace/client.hpp>
#include <nullspace/transport.hpp>

#include "transport/proxy.hpp"
#include "transport/runtime.hpp"

namespace nullspace::inline v0::transport {

struct LwsWebSocketOptions {
  TlsOptions tls{};
  // ClientOptions::proxy. Unset: the environment decides, as it is when the transport is made.
  std::optional<std::string> proxy{};
};

// Thread-safe. All connections of all transports of one Runtime are served by its one I/O thread.
//
// How a connection ends, beyond the failures that TransportFailureKind explains by itself:
// - close() on this side: `closed` with the code that was given; 1006 when the peer did not answer
// within a second.
// - abort(), the last reference dropped, the Runtime gone: `cancelled`.
// - open_timeout: `connect_timeout`, whether TCP, TLS or the upgrade was under way.
// - lost without a close frame: `receive` with close_code 1006.
// - frames against RFC 6455 or invalid UTF-8 from the peer: `protocol`.
// libwebsockets 4.1 shows the peer's close codes 1012, 1013 and 1014 as 1002.
class LwsWebSocketTransport final : public WebSocketTransport {
 public:
  LwsWebSocketTransport(std::shared_ptr<Runtime> runtime, LwsWebSocketOptions options);

  [[nodiscard]] std::shared_ptr<WebSocketConnection> open(
      WebSocketRequest request, std::shared_ptr<WebSocketListener> listener) override;

 private:
  std::shared_ptr<Runtime> runtime_;
  LwsWebSocketOptions options_;
  Environment environment_;
};

}  // namespace nullspace::inline v0::transport

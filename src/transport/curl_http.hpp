// HttpTransport on libcurl.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <nullspace/client.hpp>
#include <nullspace/transport.hpp>

namespace nullspace::inline v0::transport {

struct CurlHttpOptions {
  TlsOptions tls{};
  // ClientOptions::proxy. Unset: the environment decides, as it is when the transport is made.
  std::optional<std::string> proxy{};
  // false: the application has called curl_global_init() itself.
  bool initialize_curl{true};
  // Handles (each with its kept-alive connections) that are kept when they are not in use. More are
  // made when more threads call at once.
  std::size_t pool_size{16};
  // Connections that were idle for longer are not used again.
  std::chrono::seconds max_idle{30};
};

// Thread-safe. Each call is run by the calling thread on a handle of its own, so that calls neither
// wait for each other nor for a hop to another thread. A stop_token ends a call through
// curl_multi_wakeup().
//
// After fork() the child starts with an empty pool: the parent's connections are left alone.
class CurlHttpTransport final : public HttpTransport {
 public:
  explicit CurlHttpTransport(CurlHttpOptions options);
  CurlHttpTransport(const CurlHttpTransport&) = delete;
  CurlHttpTransport& operator=(const CurlHttpTransport&) = delete;
  // No call may be under way.
  ~CurlHttpTransport() override;

  [[nodiscard]] HttpOutcome send(const HttpRequest& request) override;

 private:
  class Pool;
  struct Settings;
  [[nodiscard]] Pool& pool();

  std::unique_ptr<const Settings> settings_;
  std::atomic<Pool*> pool_;
};

}  // namespace nullspace::inline v0::transport

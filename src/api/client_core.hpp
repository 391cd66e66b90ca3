// What all handles of one Client share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <nullspace/client.hpp>

#include "api/config.hpp"
#include "support/logger.hpp"
#include "support/result.hpp"
#include "transport/runtime.hpp"

namespace nullspace::inline v0::detail {

// Thread-safe; nothing in it changes after it is made.
class ClientCore {
 public:
  [[nodiscard]] static support::Result<std::shared_ptr<ClientCore>> make(
      ClientOptions options, const ConfigSources& sources);

  [[nodiscard]] const ClientOptions& options() const noexcept { return options_; }
  [[nodiscard]] const ResolvedConfig& config() const noexcept { return config_; }
  [[nodiscard]] const support::Logger& logger() const noexcept { return logger_; }
  [[nodiscard]] HttpTransport& http() const noexcept { return *http_; }
  [[nodiscard]] WebSocketTransport& websocket() const noexcept { return *websocket_; }
  [[nodiscard]] transport::Dispatcher& timers() const noexcept { return runtime_->dispatcher(); }
  // Where callbacks run: the application's executor, or the Runtime's thread.
  [[nodiscard]] const Executor& executor() const noexcept { return executor_; }

  // Base URL with the path; the WebSocket form of it.
  [[nodiscard]] std::string http_url(std::string_view path) const;
  [[nodiscard]] std::string websocket_url(std::string_view path) const;
  // `Authorization` and `User-Agent`.
  [[nodiscard]] HttpHeaders common_headers(bool authenticated) const;

 private:
  ClientCore(ClientOptions options, ResolvedConfig config);

  ClientOptions options_;
  ResolvedConfig config_;
  support::Logger logger_;
  std::shared_ptr<transport::Runtime> runtime_;
  std::shared_ptr<HttpTransport> http_;
  std::shared_ptr<WebSocketTransport> websocket_;
  Executor executor_;
};

}  // namespace nullspace::inline v0::detail

#include "api/client_core.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "support/error_info.hpp"
#include "transport/curl_http.hpp"
#include "transport/lws_socket.hpp"
#include "transport/url.hpp"

namespace nullspace::inline v0::detail {

namespace {

support::Result<void> check(const ClientOptions& options) {
  using std::chrono::milliseconds;
  const Timeouts& t = options.timeouts;
  for (const milliseconds timeout :
       {t.connect, t.request, t.create, t.transition, t.websocket_open}) {
    if (timeout <= milliseconds{0})
      return support::invalid_request("every member of timeouts must be positive");
  }
  if (options.keepalive.interval < milliseconds{0} || options.keepalive.max_missed < 1) {
    return support::invalid_request(
        "keepalive.interval must not be negative, keepalive.max_missed must be at least 1");
  }
  const RetryOptions& retry = options.retry;
  if (retry.rate_limit_retries < 0 || retry.create_attempts < 1 ||
      retry.websocket_open_retries < 0 || retry.max_retry_after < milliseconds{0}) {
    return support::invalid_request(
        "retry: counts must not be negative and create_attempts must be at least 1");
  }
  if (options.max_message_bytes == 0 || options.max_response_bytes == 0 ||
      options.receive_buffer_bytes == 0 || options.send_buffer_bytes == 0) {
    return support::invalid_request("sizes in bytes must be positive");
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  for (const char c : options.user_agent) {
    if (is_control(c))
      return support::invalid_request("user_agent must not contain control characters");
  }
  return {};
}

}  // namespace

support::Result<std::shared_ptr<ClientCore>> ClientCore::make(ClientOptions options,
                                                              const ConfigSources& sources) {
  if (auto valid = check(options); !valid.ok()) return std::move(valid).error();
  auto config = resolve_config(options, sources);
  if (!config.ok()) return std::move(config).error();
  return std::shared_ptr<ClientCore>(new ClientCore(std::move(options), *std::move(config)));
}

ClientCore::ClientCore(ClientOptions options, ResolvedConfig config)
    : options_(std::move(options)),
      config_(std::move(config)),
      logger_(options_.log_sink, options_.log_level),
      runtime_(transport::Runtime::shared()),
      http_(options_.http_transport),
      websocket_(options_.websocket_transport),
      executor_(options_.executor) {
  // So that they can be added up. Nobody waits longer than that.
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours{24 * 365};
  Timeouts& timeouts = options_.timeouts;
  for (std::chrono::milliseconds* timeout : {&timeouts.connect, &timeouts.request, &timeouts.create,
                                             &timeouts.transition, &timeouts.websocket_open}) {
    *timeout = std::min(*timeout, kLongest);
  }
  if (!http_) {
    http_ = std::make_shared<transport::CurlHttpTransport>(transport::CurlHttpOptions{
        .tls = options_.tls, .proxy = options_.proxy, .initialize_curl = options_.initialize_curl});
  }
  if (!websocket_) {
    websocket_ = std::make_shared<transport::LwsWebSocketTransport>(
        runtime_, transport::LwsWebSocketOptions{.tls = options_.tls, .proxy = options_.proxy});
  }
  if (!executor_) {
    // Not owning: the executor lives in this object, which keeps the Runtime.
    executor_ = [runtime = runtime_.get()](std::function<void()> task) {
      runtime->dispatcher().post(std::move(task));
    };
  }
}

std::string ClientCore::http_url(std::string_view path) const {
  return config_.base_url + std::string(path);
}

std::string ClientCore::websocket_url(std::string_view path) const {
  return transport::to_websocket_url(config_.base_url) + std::string(path);
}

HttpHeaders ClientCore::common_headers(bool authenticated) const {
  std::string user_agent = fmt::format("nullspace-cpp/{}", library_version());
  if (!options_.user_agent.empty()) user_agent += " " + options_.user_agent;
  HttpHeaders headers{{"User-Agent", std::move(user_agent)}};
  if (authenticated) headers.emplace_back("Authorization", "Bearer " + config_.api_key.reveal());
  return headers;
}

}  // namespace nullspace::inline v0::detail

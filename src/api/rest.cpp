#include "api/rest.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "support/redaction.hpp"
#include "wire/error_body.hpp"

namespace nullspace::inline v0 {

namespace {

using std::chrono::milliseconds;

milliseconds timeout_of(wire::TimeoutClass timeout_class, const Timeouts& timeouts) {
  switch (timeout_class) {
    case wire::TimeoutClass::create:
      return timeouts.create;
    case wire::TimeoutClass::transition:
      return timeouts.transition;
    case wire::TimeoutClass::request:
    case wire::TimeoutClass::exec:
      break;
  }
  return timeouts.request;
}

ErrorInfo refusal(const HttpResponse& response) {
  const wire::ErrorHeaders headers{.request_id = response.header("x-request-id").value_or(""),
                                   .retry_after = response.header("retry-after").value_or("")};
  return wire::parse_error(response.status, response.body, headers);
}

// How long to wait before a 429 is repeated, if it may be.
std::optional<milliseconds> rate_limit_delay(const HttpResponse& response,
                                             const RetryOptions& retry, support::Expiry expiry) {
  if (!wire::is_retryable_rate_limit(response.status, response.body)) return std::nullopt;
  const milliseconds delay = wire::parse_retry_after(response.header("retry-after").value_or(""));
  if (delay > retry.max_retry_after || delay >= expiry.remaining(milliseconds::max()))
    return std::nullopt;
  return delay;
}

class Call {
 public:
  Call(const detail::ClientCore& client, const RestCall& call)
      : client_(client), call_(call), traits_(wire::traits(call.endpoint)) {
    request_.method = std::string(traits_.method);
    request_.url = client.http_url(call.path);
    if (!call.query.empty()) request_.url += "?" + call.query;
    request_.headers = client.common_headers(traits_.authenticated);
    request_.headers.emplace_back("Accept", "application/json");
    if (!call.json.empty()) request_.headers.emplace_back("Content-Type", "application/json");
    request_.headers.insert(request_.headers.end(), call.headers.begin(), call.headers.end());
    request_.body = call.json;
    request_.connect_timeout = client.options().timeouts.connect;
    request_.max_response_bytes = client.options().max_response_bytes;
    request_.fresh_connection = traits_.repeat == wire::Repeat::harmful;
    request_.stop = call.stop;
  }

  std::variant<HttpResponse, CallFailure> run() {
    const RetryOptions& retry = client_.options().retry;
    for (int attempt = 0;; ++attempt) {
      auto outcome = send_once();
      if (std::holds_alternative<CallFailure>(outcome)) return outcome;
      HttpResponse& response = std::get<HttpResponse>(outcome);
      if (response.status >= 200 && response.status < 300) return outcome;

      const auto delay = rate_limit_delay(response, retry, call_.expiry);
      if (!delay || !traits_.retry_rate_limit || attempt >= retry.rate_limit_retries) {
        return fail(refusal(response));
      }
      log(LogLevel::info, fmt::format("429, trying again in {} ms", delay->count()));
      if (!support::sleep_for(*delay, call_.stop)) {
        return fail(support::cancelled("stopped while waiting to repeat a rate-limited request"),
                    TransportFailureKind::cancelled);
      }
    }
  }

 private:
  std::variant<HttpResponse, CallFailure> send_once() {
    const milliseconds own =
        call_.timeout.value_or(timeout_of(traits_.timeout, client_.options().timeouts));
    request_.timeout = call_.expiry.is_never() ? own : std::min(own, call_.expiry.remaining(own));
    if (call_.stop.stop_requested()) {
      return fail(support::cancelled("stopped before the request was sent"),
                  TransportFailureKind::cancelled);
    }
    if (call_.expiry.passed()) {
      return fail(support::timed_out(Deadline::caller, "the deadline of the call passed"),
                  TransportFailureKind::timeout);
    }
    HttpOutcome outcome = client_.http().send(request_);
    if (const auto* failure = std::get_if<TransportFailure>(&outcome)) {
      ErrorInfo error = support::from_transport(*failure);
      error.message =
          fmt::format("{} {} failed: {}", request_.method, call_.path, failure->message);
      log(LogLevel::warning, error.message);
      return fail(std::move(error), failure->kind);
    }
    auto& response = std::get<HttpResponse>(outcome);
    log(LogLevel::debug, fmt::format("{} ({} bytes)", response.status, response.body.size()));
    if (response.status >= 300 && response.status < 400) {
      return fail(
          support::invalid_response(fmt::format("the server answered with a redirect (HTTP {}), "
                                                "which the API never does; is the base URL right?",
                                                response.status)));
    }
    return std::move(response);
  }

  CallFailure fail(ErrorInfo error, std::optional<TransportFailureKind> kind = std::nullopt) const {
    if (error.operation.empty() && !kind) error.operation = request_.method + " " + call_.path;
    return {std::move(error), kind};
  }

  void log(LogLevel level, const std::string& message) const {
    if (!client_.logger().enabled(level)) return;
    client_.logger().log(
        level, "http",
        fmt::format("{} {}: {}", request_.method, support::redact_url(request_.url), message));
  }

  const detail::ClientCore& client_;
  const RestCall& call_;
  const wire::EndpointTraits& traits_;
  HttpRequest request_;
};

}  // namespace

std::variant<HttpResponse, CallFailure> call_with_cause(const detail::ClientCore& client,
                                                        const RestCall& call) {
  return Call(client, call).run();
}

support::Result<HttpResponse> call(const detail::ClientCore& client, const RestCall& call) {
  auto outcome = call_with_cause(client, call);
  if (auto* failure = std::get_if<CallFailure>(&outcome)) return std::move(failure->error);
  return std::get<HttpResponse>(std::move(outcome));
}

support::Result<HttpResponse> call(const detail::ClientCore& client, wire::Endpoint endpoint,
                                   std::initializer_list<std::string_view> ids,
                                   std::stop_token stop) {
  auto path = wire::endpoint_path(endpoint, client.config().dialect, ids);
  if (!path.ok()) return std::move(path).error();
  return call(client, {.endpoint = endpoint, .path = *std::move(path), .stop = std::move(stop)});
}

}  // namespace nullspace::inline v0

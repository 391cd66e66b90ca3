// One REST call: address, auth, deadline, retry, cancellation, and the error a refusal means.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>

#include <nullspace/transport.hpp>

#include "api/client_core.hpp"
#include "support/expiry.hpp"
#include "support/result.hpp"
#include "wire/endpoints.hpp"

namespace nullspace::inline v0 {

struct RestCall {
  wire::Endpoint endpoint{};
  // Made by wire::endpoint_path().
  std::string path{};
  // Made by wire::encode_query(), without `?`.
  std::string query{};
  // "" = no body and no content type.
  std::string json{};
  HttpHeaders headers{};
  // Overrides the time-out of the endpoint's class, per attempt.
  std::optional<std::chrono::milliseconds> timeout{};
  // For the call with all its attempts.
  support::Expiry expiry{support::Expiry::never()};
  std::stop_token stop{};
};

// The answer of a 2xx, else the error. Requests answered 429 are repeated as RetryOptions says.
[[nodiscard]] support::Result<HttpResponse> call(const detail::ClientCore& client,
                                                 const RestCall& call);

// The same with ids made into a path; for calls that carry nothing else.
[[nodiscard]] support::Result<HttpResponse> call(const detail::ClientCore& client,
                                                 wire::Endpoint endpoint,
                                                 std::initializer_list<std::string_view> ids,
                                                 std::stop_token stop = {});

// The same, and for a failure below HTTP how it failed: create asks again only when an answer may
// have got lost.
struct CallFailure {
  ErrorInfo error;
  std::optional<TransportFailureKind> transport;
};
[[nodiscard]] std::variant<HttpResponse, CallFailure> call_with_cause(
    const detail::ClientCore& client, const RestCall& call);

}  // namespace nullspace::inline v0

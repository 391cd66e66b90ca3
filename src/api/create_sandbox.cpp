#include "api/create_sandbox.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "api/rest.hpp"
#include "support/condition.hpp"
#include "support/error_info.hpp"
#include "support/random.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0 {

namespace {

using std::chrono::milliseconds;

// The create may be under way, or done with its answer lost: the same key asks for the same sandbox
// again. A refused or never opened connection sent nothing, and waiting would only hide that the
// server is not there.
bool may_be_repeated(const CallFailure& failure) {
  if (failure.transport) {
    return *failure.transport == TransportFailureKind::receive ||
           *failure.transport == TransportFailureKind::protocol ||
           *failure.transport == TransportFailureKind::timeout;
  }
  return failure.error.code == "transition_in_progress" ||
         failure.error.code == "transition_recovery_required";
}

support::Result<std::shared_ptr<detail::SandboxCore>> adopt(
    const std::shared_ptr<detail::ClientCore>& client, const HttpResponse& response,
    const SandboxCreateOptions& options) {
  if (response.body.empty()) {
    ErrorInfo empty;
    empty.kind = ErrorKind::server;
    empty.code = "transition_recovery_required";
    empty.message = "the server accepted the create but did not say what it created";
    empty.retryable = true;
    return empty;
  }
  auto answer = wire::decode_sandbox(response.body, options.template_id);
  if (!answer.ok()) return std::move(answer).error();
  return std::make_shared<detail::SandboxCore>(
      client, std::move(answer->info), std::move(answer->traffic_access_token),
      std::string(response.header("x-nullspace-dispatch-proof").value_or("")));
}

}  // namespace

milliseconds RepeatPauses::after(int attempt) const noexcept {
  milliseconds pause = first;
  // Doubling step by step cannot overflow, whatever the attempt.
  for (int i = 1; i < attempt && pause > milliseconds{0} && pause < longest; ++i)
    pause *= 2;
  return std::min(pause, longest);
}

support::Result<std::shared_ptr<detail::SandboxCore>> create_sandbox(
    const std::shared_ptr<detail::ClientCore>& client, SandboxCreateOptions options,
    const RepeatPauses& pauses) {
  if (auto valid = wire::validate(options); !valid.ok()) return std::move(valid).error();
  auto path = wire::endpoint_path(wire::Endpoint::create_sandbox, client->config().dialect);
  if (!path.ok()) return std::move(path).error();
  // Made before the first byte is sent, and handed out with every failure, so that the caller can
  // ask again, too.
  const std::string key =
      options.idempotency_key.empty() ? support::random_uuid() : options.idempotency_key;
  const auto fail = [&key](ErrorInfo error) {
    error.idempotency_key = key;
    return error;
  };

  const RestCall request{.endpoint = wire::Endpoint::create_sandbox,
                         .path = *std::move(path),
                         .json = wire::encode_create_request(options),
                         .headers = {{"Idempotency-Key", key}},
                         .timeout = options.request_timeout,
                         .expiry = support::Expiry::after(options.deadline),
                         .stop = options.stop};
  for (int attempt = 1;; ++attempt) {
    auto outcome = call_with_cause(*client, request);
    if (const auto* response = std::get_if<HttpResponse>(&outcome)) {
      auto sandbox = adopt(client, *response, options);
      if (!sandbox.ok()) return fail(std::move(sandbox).error());
      return sandbox;
    }
    auto& failure = std::get<CallFailure>(outcome);
    const milliseconds pause = pauses.after(attempt);
    if (attempt >= client->options().retry.create_attempts || request.expiry.passed() ||
        !may_be_repeated(failure) || pause >= request.expiry.remaining(milliseconds::max())) {
      return fail(std::move(failure.error));
    }
    client->logger().log(LogLevel::info, "sandbox",
                         fmt::format("create is asked for again in {} ms: {}", pause.count(),
                                     failure.error.message));
    if (!support::sleep_for(pause, options.stop)) {
      return fail(support::cancelled("stopped while waiting to ask for the create again"));
    }
  }
}

}  // namespace nullspace::inline v0

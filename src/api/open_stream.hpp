// Opening a WebSocket channel: attempts, deadline, and what a refusal means.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "api/client_core.hpp"
#include "support/expiry.hpp"
#include "support/result.hpp"
#include "transport/message_stream.hpp"

namespace nullspace::inline v0 {

struct StreamTarget {
  // Path and query below the base URL.
  std::string path{};
  // The sandbox it belongs to, for asking the server why it refused; "" = none.
  std::string sandbox_id{};
};

// The request for one attempt.
[[nodiscard]] WebSocketRequest websocket_request(const detail::ClientCore& client,
                                                 const StreamTarget& target);

struct OpenFailure {
  ErrorInfo error;
  // false: trying again would be refused again.
  bool worth_retrying{false};
};
// What a failed attempt means, as far as the failure itself tells.
[[nodiscard]] OpenFailure classify_open_failure(const StreamTarget& target,
                                                const TransportFailure& failure);
// A refused upgrade comes without a body, so that the reason is looked up by REST where there is
// something to ask. Blocks for that.
[[nodiscard]] OpenFailure explain_open_failure(const detail::ClientCore& client,
                                               const StreamTarget& target,
                                               const TransportFailure& failure,
                                               support::Expiry expiry, const std::stop_token& stop);

// Connects, with the further attempts that RetryOptions allow after network errors and 5xx. Blocks.
[[nodiscard]] support::Result<std::shared_ptr<transport::MessageStream>> open_stream(
    const detail::ClientCore& client, const StreamTarget& target, support::Expiry expiry,
    const std::stop_token& stop);

// What a connection that ended means for a stream that was not over.
[[nodiscard]] ErrorInfo stream_cut(const TransportFailure& why);

}  // namespace nullspace::inline v0

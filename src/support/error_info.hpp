// The errors the SDK mints itself, one function each, so that code and kind always go together.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <nullspace/error.hpp>
#include <nullspace/transport.hpp>

namespace nullspace::inline v0::support {

[[nodiscard]] ErrorInfo invalid_request(std::string message);
[[nodiscard]] ErrorInfo invalid_response(std::string message);
[[nodiscard]] ErrorInfo transport_error(std::string message);
[[nodiscard]] ErrorInfo cancelled(std::string message);
[[nodiscard]] ErrorInfo timed_out(Deadline deadline, std::string message);
[[nodiscard]] ErrorInfo message_too_large(std::string message);
// A callback of the application threw where nobody could catch it. `stream` says whose: "terminal".
[[nodiscard]] ErrorInfo callback_failed(std::string_view stream, std::exception_ptr thrown);

// What a failure below the protocol is for the caller. Upgrade refusals are mapped by src/api,
// which can ask the server for the reason.
[[nodiscard]] ErrorInfo from_transport(const TransportFailure& failure);

}  // namespace nullspace::inline v0::support

// The interfaces of <nullspace/transport.hpp> have their vtables here.
#include <nullspace/transport.hpp>

#include <string>
#include <string_view>
#include <utility>

#include "transport/header_check.hpp"

namespace nullspace::inline v0 {

std::optional<std::string_view> HttpResponse::header(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers) {
    if (transport::equal_without_case(key, name)) return value;
  }
  return std::nullopt;
}

HttpTransport::~HttpTransport() = default;
WebSocketListener::~WebSocketListener() = default;
void WebSocketListener::on_binary_message(std::string message) {
  on_message(std::move(message));
}
WebSocketConnection::~WebSocketConnection() = default;
SendStatus WebSocketConnection::try_send_binary(std::string_view /*message*/) {
  return SendStatus::closed;
}
WebSocketTransport::~WebSocketTransport() = default;

}  // namespace nullspace::inline v0

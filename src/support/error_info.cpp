#include "support/error_info.hpp"

#include <utility>

namespace nullspace::inline v0::support {

namespace {

ErrorInfo make(ErrorKind kind, std::string code, std::string message) {
  ErrorInfo info;
  info.kind = kind;
  info.code = std::move(code);
  info.message = std::move(message);
  return info;
}

}  // namespace

ErrorInfo invalid_request(std::string message) {
  return make(ErrorKind::invalid_request, "invalid_request", std::move(message));
}

ErrorInfo invalid_response(std::string message) {
  return make(ErrorKind::invalid_response, "invalid_response", std::move(message));
}

ErrorInfo transport_error(std::string message) {
  return make(ErrorKind::transport, "transport_error", std::move(message));
}

ErrorInfo cancelled(std::string message) {
  return make(ErrorKind::cancelled, "cancelled", std::move(message));
}

ErrorInfo timed_out(Deadline deadline, std::string message) {
  ErrorInfo info = make(ErrorKind::timeout, "timeout", std::move(message));
  info.deadline = deadline;
  return info;
}

ErrorInfo message_too_large(std::string message) {
  return make(ErrorKind::limit_exceeded, "message_too_large", std::move(message));
}

ErrorInfo callback_failed(std::string_view stream, std::exception_ptr thrown) {
  std::string what = "something that is no std::exception";
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
    // Its type says nothing to us.
  }
  return make(ErrorKind::callback, "callback_failed",
              "a callback of the " + std::string(stream) + " stream threw: " + what);
}

ErrorInfo from_transport(const TransportFailure& failure) {
  switch (failure.kind) {
    case TransportFailureKind::invalid_request:
      return invalid_request(failure.message);
    case TransportFailureKind::connect_timeout: {
      // The protocol's word for every failure of the network; the deadline tells what it was.
      ErrorInfo info = timed_out(Deadline::connect, failure.message);
      return info;
    }
    case TransportFailureKind::timeout:
      return timed_out(Deadline::caller, failure.message);
    case TransportFailureKind::cancelled:
      return cancelled(failure.message);
    case TransportFailureKind::too_large:
      return message_too_large(failure.message);
    case TransportFailureKind::protocol:
      return invalid_response(failure.message);
    case TransportFailureKind::upgrade_refused: {
      ErrorInfo info = transport_error(failure.message);
      info.http_status = failure.http_status;
      return info;
    }
    case TransportFailureKind::resolve:
    case TransportFailureKind::connect:
    case TransportFailureKind::tls:
    case TransportFailureKind::send:
    case TransportFailureKind::receive:
    case TransportFailureKind::peer_gone:
    case TransportFailureKind::closed:
      break;
  }
  return transport_error(failure.message);
}

}  // namespace nullspace::inline v0::support

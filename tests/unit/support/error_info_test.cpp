#include "support/error_info.hpp"

#include "tests/support/catch.hpp"

using nullspace::Deadline;
using nullspace::ErrorInfo;
using nullspace::ErrorKind;
using nullspace::TransportFailure;
using nullspace::TransportFailureKind;
using nullspace::support::from_transport;

namespace {

ErrorInfo of(TransportFailureKind kind) {
  TransportFailure failure;
  failure.kind = kind;
  failure.message = "why";
  return from_transport(failure);
}

}  // namespace

TEST_CASE("what failed below the protocol has one kind and one code each") {
  struct Row {
    TransportFailureKind failure;
    ErrorKind kind;
    const char* code;
  };
  const Row row = GENERATE(
      Row{TransportFailureKind::invalid_request, ErrorKind::invalid_request, "invalid_request"},
      Row{TransportFailureKind::resolve, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::connect, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::tls, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::connect_timeout, ErrorKind::timeout, "timeout"},
      Row{TransportFailureKind::send, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::receive, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::protocol, ErrorKind::invalid_response, "invalid_response"},
      Row{TransportFailureKind::timeout, ErrorKind::timeout, "timeout"},
      Row{TransportFailureKind::cancelled, ErrorKind::cancelled, "cancelled"},
      Row{TransportFailureKind::too_large, ErrorKind::limit_exceeded, "message_too_large"},
      Row{TransportFailureKind::upgrade_refused, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::peer_gone, ErrorKind::transport, "transport_error"},
      Row{TransportFailureKind::closed, ErrorKind::transport, "transport_error"});
  const ErrorInfo info = of(row.failure);
  CHECK(info.kind == row.kind);
  CHECK(info.code == row.code);
  CHECK(info.message == "why");
}

TEST_CASE("a time-out says which one it was") {
  CHECK(of(TransportFailureKind::connect_timeout).deadline == Deadline::connect);
  CHECK(of(TransportFailureKind::timeout).deadline == Deadline::caller);
  CHECK_FALSE(of(TransportFailureKind::receive).deadline);
}

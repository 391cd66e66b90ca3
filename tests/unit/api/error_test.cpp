#include <nullspace/error.hpp>

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

#include "tests/support/catch.hpp"

using nullspace::Deadline;
using nullspace::Error;
using nullspace::ErrorInfo;
using nullspace::ErrorKind;

namespace {

Error of_kind(ErrorKind kind) {
  ErrorInfo info;
  info.kind = kind;
  return Error(info);
}

}  // namespace

TEST_CASE("what() says what was done, what went wrong and what helps") {
  ErrorInfo info;
  info.kind = ErrorKind::conflict;
  info.operation = "POST /v1/sandboxes/sb_1/exec";
  info.message = "not ready";
  info.code = "sandbox_not_ready";
  info.http_status = 409;
  info.request_id = "req_1";
  info.suggested_action = "Wait a moment.";
  CHECK(
      std::string(Error(info).what()) ==
      "POST /v1/sandboxes/sb_1/exec: not ready (sandbox_not_ready, HTTP 409, request req_1). Wait "
      "a moment.");
}

TEST_CASE("what() leaves out what is not known") {
  ErrorInfo info;
  info.kind = ErrorKind::transport;
  info.code = "transport_error";
  CHECK(std::string(Error(info).what()) == "transport (transport_error)");
  info.message = "gone";
  info.idempotency_key = "key-1";
  CHECK(std::string(Error(info).what()) == "gone (transport_error, idempotency key key-1)");
}

TEST_CASE("the server's word on trying again wins") {
  ErrorInfo info;
  info.kind = ErrorKind::transport;
  info.retryable = false;
  CHECK_FALSE(Error(info).retryable());
  info.kind = ErrorKind::conflict;
  info.retryable = true;
  CHECK(Error(info).retryable());
}

TEST_CASE(
    "without its word rate limits, lost connections and connect time-outs may be tried again") {
  CHECK(of_kind(ErrorKind::rate_limit).retryable());
  CHECK(of_kind(ErrorKind::transport).retryable());
  for (const ErrorKind kind :
       {ErrorKind::authentication, ErrorKind::permission, ErrorKind::quota_exceeded,
        ErrorKind::conflict, ErrorKind::not_found, ErrorKind::upload, ErrorKind::build,
        ErrorKind::not_implemented, ErrorKind::server, ErrorKind::invalid_request,
        ErrorKind::cancelled, ErrorKind::invalid_response, ErrorKind::limit_exceeded,
        ErrorKind::callback}) {
    CAPTURE(to_string(kind));
    CHECK_FALSE(of_kind(kind).retryable());
  }
  ErrorInfo late;
  late.kind = ErrorKind::timeout;
  late.deadline = Deadline::connect;
  CHECK(Error(late).retryable());
  late.deadline = Deadline::caller;
  CHECK_FALSE(Error(late).retryable());
  late.deadline = Deadline::command;
  CHECK_FALSE(Error(late).retryable());
}

TEST_CASE("copies are cheap, do not throw and say the same") {
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
  static_assert(std::is_nothrow_copy_assignable_v<Error>);
  static_assert(std::is_nothrow_move_constructible_v<Error>);
  ErrorInfo info;
  info.message = "first";
  info.retry_after = std::chrono::seconds{3};
  info.detail.emplace().phase = "build_step";
  const Error first(info);
  Error copy(first);
  CHECK(copy.what() == first.what());
  CHECK(copy.detail()->phase == "build_step");
  CHECK(copy.retry_after() == std::chrono::seconds{3});
  // Even one that was moved from can still be asked.
  const Error moved(std::move(copy));
  CHECK(std::string(moved.what()) == std::string(first.what()));
  CHECK(std::string(copy.what()) == std::string(first.what()));
  Error other(ErrorInfo{});
  other = first;
  CHECK(other.message() == "first");
}

TEST_CASE("every kind and every deadline has a word of its own") {
  CHECK(to_string(ErrorKind::rate_limit) == "rate_limit");
  CHECK(to_string(ErrorKind::callback) == "callback");
  CHECK(to_string(Deadline::connect) == "connect");
  CHECK(to_string(Deadline::caller) == "caller");
  CHECK(to_string(Deadline::command) == "command");
  CHECK(to_string(static_cast<ErrorKind>(999)) == "unknown");
}

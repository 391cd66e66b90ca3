#include "wire/error_body.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

using namespace std::chrono_literals;
using nullspace::test::contains;
using nullspace::test::json;

TEST_CASE("error_body: the flat shape") {
  const ErrorInfo info = parse_error(400, R"({
    "error": "preview port 22 is not available here", "code": "unsupported_preview_port", "request_id": "req_51aa",
    "retryable": false, "suggested_action": "Pick an application port.", "details": {"port": 22}})");
  CHECK(info.kind == ErrorKind::server);
  CHECK(info.code == "unsupported_preview_port");
  CHECK(info.message == "preview port 22 is not available here");
  CHECK(info.http_status == 400);
  CHECK(info.request_id == "req_51aa");
  CHECK(info.retryable == false);
  CHECK(info.suggested_action == "Pick an application port.");
  CHECK(info.details["port"].as_int() == 22);
  CHECK_FALSE(info.detail);
}

TEST_CASE("error_body: the nested shape") {
  const ErrorInfo info = parse_error(409, R"({"error": {"code": "transition_in_progress",
    "message": "create is still running", "request_id": "req_77b0", "retryable": true}})");
  CHECK(info.kind == ErrorKind::server);
  CHECK(info.code == "transition_in_progress");
  CHECK(info.message == "create is still running");
  CHECK(info.request_id == "req_77b0");
  CHECK(info.retryable == true);
}

TEST_CASE("error_body: a nested error falls back to the top level, but not for retryable") {
  const ErrorInfo info = parse_error(
      409, R"({"error": {"message": "busy"}, "code": "volume_busy", "request_id": "req_1",
    "retryable": true, "suggested_action": "wait", "details": {"a": 1}})");
  CHECK(info.code == "volume_busy");
  CHECK(info.kind == ErrorKind::conflict);
  CHECK(info.request_id == "req_1");
  CHECK(info.suggested_action == "wait");
  CHECK(info.details["a"].as_int() == 1);
  CHECK_FALSE(info.retryable);
}

TEST_CASE("error_body: members that are missing or of a wrong type") {
  CHECK(parse_error(500, "{}").message == "Unknown error");
  CHECK(parse_error(500, "{}").code == "unknown");
  CHECK(parse_error(500, R"({"error": {}})").message == "Unknown error");
  CHECK(
      parse_error(500, R"({"error": 7, "code": 8, "retryable": "yes", "request_id": 9})").message ==
      "Unknown error");
  const ErrorInfo info =
      parse_error(500, R"({"error": "x", "code": 8, "retryable": "yes", "request_id": 9})",
                  {.request_id = "req_h"});
  CHECK(info.code == "unknown");
  CHECK_FALSE(info.retryable);
  CHECK(info.request_id == "req_h");
}

TEST_CASE("error_body: the request id of the header is the last resort") {
  CHECK(parse_error(500, R"({"error": "x"})", {.request_id = "req_h"}).request_id == "req_h");
  CHECK(parse_error(500, R"({"error": "x", "request_id": "req_b"})", {.request_id = "req_h"})
            .request_id == "req_b");
  CHECK(parse_error(502, "<html>", {.request_id = "req_h"}).request_id == "req_h");
}

TEST_CASE("error_body: codes map to kinds, first match wins") {
  const std::pair<std::string_view, ErrorKind> expected[] = {
      {"unauthorized", ErrorKind::authentication},
      {"unauthenticated", ErrorKind::authentication},
      {"missing_api_key", ErrorKind::authentication},
      {"edge_token_expired", ErrorKind::authentication},
      {"preview_grant_revoked", ErrorKind::authentication},
      {"preview_proxy_token_scope_mismatch", ErrorKind::authentication},
      {"forbidden", ErrorKind::permission},
      {"permission_denied", ErrorKind::permission},
      {"volume_permission_denied", ErrorKind::permission},
      {"quota_exceeded", ErrorKind::quota_exceeded},
      {"capacity_exceeded", ErrorKind::quota_exceeded},
      {"volume_quota_exceeded", ErrorKind::quota_exceeded},
      {"some_quota_conflict", ErrorKind::quota_exceeded},
      {"conflict", ErrorKind::conflict},
      {"sandbox_not_ready", ErrorKind::conflict},
      {"machine_not_ready", ErrorKind::conflict},
      {"snapshot_in_use", ErrorKind::conflict},
      {"rebuild_required", ErrorKind::conflict},
      {"incompatible_snapshot", ErrorKind::conflict},
      {"volume_busy", ErrorKind::conflict},
      {"transition_conflict", ErrorKind::conflict},
      {"not_found", ErrorKind::not_found},
      {"sandbox_not_found", ErrorKind::not_found},
      {"machine_not_found", ErrorKind::not_found},
      {"template_not_found", ErrorKind::not_found},
      {"file_upload_error", ErrorKind::upload},
      {"build_error", ErrorKind::build},
      {"rate_limit_exceeded", ErrorKind::rate_limit},
      {"not_implemented", ErrorKind::not_implemented},
      {"exec_failed", ErrorKind::server},
      {"exec_timeout", ErrorKind::server},
      {"transition_in_progress", ErrorKind::server},
      {"feature_unavailable", ErrorKind::server},
      {"invalid_request", ErrorKind::server},
      {"internal_error", ErrorKind::server},
      {"volume_limit_exceeded", ErrorKind::server},
      {"preview_sandbox_disabled", ErrorKind::server},
      {"never_heard_of", ErrorKind::server},
  };
  for (const auto& [code, kind] : expected) {
    INFO(code);
    CHECK(kind_of_code(code) == kind);
    // A code that is there is never overridden by the status.
    const ErrorInfo info =
        parse_error(401, encode_error({.code = std::string(code), .message = "m"}));
    CHECK(info.kind == kind);
    const bool renamed = code == "unauthenticated" || code == "missing_api_key";
    CHECK(info.code == (renamed ? "unauthorized" : code));
  }
}

TEST_CASE("error_body: codes are compared and kept in lower case") {
  const ErrorInfo info = parse_error(429, R"({"error": "full", "code": "QUOTA_EXCEEDED"})");
  CHECK(info.code == "quota_exceeded");
  CHECK(info.kind == ErrorKind::quota_exceeded);
}

TEST_CASE("error_body: the status counts only without a code") {
  const std::pair<int, ErrorKind> expected[] = {
      {401, ErrorKind::authentication},  {403, ErrorKind::permission},
      {404, ErrorKind::not_found},       {409, ErrorKind::conflict},
      {501, ErrorKind::not_implemented}, {400, ErrorKind::server},
      {500, ErrorKind::server},          {503, ErrorKind::server},
      {429, ErrorKind::rate_limit}};
  for (const auto& [status, kind] : expected) {
    INFO(status);
    CHECK(parse_error(status, R"({"error": "x"})").kind == kind);
    CHECK(parse_error(status, R"({"error": "x", "code": "unknown"})").kind == kind);
    CHECK(parse_error(status, R"({"error": "x", "code": ""})").kind == kind);
    CHECK(parse_error(status, R"({"error": "x", "code": "exec_failed"})").kind ==
          ErrorKind::server);
  }
  CHECK(parse_error(429, R"({"error": "x"})").code == "rate_limit_exceeded");
}

TEST_CASE("error_body: of a page only a printable excerpt is kept") {
  const ErrorInfo info =
      parse_error(502, "<html>\r\n\t<h1>Bad   Gateway</h1>\x1b[31m\x07\xff</html>");
  CHECK(info.code == "unknown");
  CHECK(info.kind == ErrorKind::server);
  CHECK(info.message == "HTTP 502: <html> <h1>Bad Gateway</h1>[31m</html>");

  const ErrorInfo large = parse_error(503, std::string(100'000, 'x'));
  CHECK(large.message.size() <= 200 + std::string("HTTP 503: ").size());
  CHECK(parse_error(404, "").message == "HTTP 404 with an empty body");
  CHECK(parse_error(404, "").kind == ErrorKind::not_found);
}

TEST_CASE("error_body: JSON that is no object counts as a page") {
  for (const std::string_view body : {"[]", "\"x\"", "7", "null", "{\"error\": \"x\""}) {
    INFO(body);
    const ErrorInfo info = parse_error(500, body);
    CHECK(info.code == "unknown");
    CHECK(contains(info.message, "HTTP 500: "));
  }
  CHECK(parse_error(500, nullspace::test::nested("{\"error\":", "}", 100'000)).code == "unknown");
}

TEST_CASE("error_body: a template failure") {
  const ErrorInfo info =
      parse_error(400, R"({"error": "build failed", "code": "build_error", "request_id": "req_body",
    "retryable": false, "details": {"from": "body"}, "error_detail": {"code": "step_failed", "message": "exit 1",
    "phase": "build_step", "retryable": true, "suggested_action": "look at step 3", "step_index": 3, "attempt": 1,
    "max_attempts": 2, "cache_subject": "apt", "build_id": "bld_1", "request_id": "req_detail", "details": {"from": "detail"},
    "something_new": [1]}})");
  CHECK(info.kind == ErrorKind::build);
  REQUIRE(info.detail);
  CHECK(info.detail->phase == "build_step");
  CHECK(info.detail->code == "step_failed");
  CHECK(info.detail->message == "exit 1");
  CHECK(info.detail->step_index == 3);
  CHECK(info.detail->attempt == 1);
  CHECK(info.detail->max_attempts == 2);
  CHECK(info.detail->cache_subject == "apt");
  CHECK(info.detail->build_id == "bld_1");
  CHECK(info.detail->reason.empty());
  // The detail is asked first.
  CHECK(info.retryable == true);
  CHECK(info.request_id == "req_detail");
  CHECK(info.details["from"].as_string() == "detail");
}

TEST_CASE("error_body: an upload failure, nested") {
  const ErrorInfo info = parse_error(
      409, R"({"error": {"code": "file_upload_error", "message": "no", "request_id": "req_n",
    "error_detail": {"reason": "missing_parts", "message": "part 2 is missing", "retryable": false, "upload_id": "up_1",
    "path": "/a", "part_number": 2}}})");
  CHECK(info.kind == ErrorKind::upload);
  REQUIRE(info.detail);
  CHECK(info.detail->reason == "missing_parts");
  CHECK(info.detail->upload_id == "up_1");
  CHECK(info.detail->path == "/a");
  CHECK(info.detail->part_number == 2);
  CHECK(info.request_id == "req_n");
  CHECK(info.retryable == false);
}

TEST_CASE("error_body: words of a detail that are new are kept") {
  const ErrorInfo info = parse_error(
      400, R"({"error": "x", "code": "build_error", "error_detail": {"code": "c", "message": "m",
    "phase": "quantum", "retryable": false, "suggested_action": ""}})");
  REQUIRE(info.detail);
  CHECK(info.detail->phase == "quantum");
}

TEST_CASE("error_body: a malformed detail makes the answer invalid") {
  for (
      const std::string_view detail :
      {R"({"reason": "missing_parts", "message": "m", "retryable": "sometimes"})",
       R"({"reason": "missing_parts"})", R"({"reason": 7, "message": "m", "retryable": true})",
       R"("text")", "[]", "{}",
       R"({"code": "c", "message": "m", "phase": "prepare", "retryable": true})",
       R"({"code": "c", "message": "m", "phase": "prepare", "retryable": true, "suggested_action": "", "step_index": "3"})",
       R"({"reason": "missing_parts", "message": "m", "retryable": true, "details": []})"}) {
    INFO(detail);
    const ErrorInfo info = parse_error(
        404, R"({"error": "said", "code": "not_found", "request_id": "req_1", "error_detail": )" +
                 std::string(detail) + "}");
    CHECK(info.code == "invalid_response");
    CHECK(info.kind == ErrorKind::invalid_response);
    CHECK(contains(info.message, "error_detail"));
    CHECK(contains(info.message, "said"));
    CHECK(info.http_status == 404);
    CHECK(info.request_id == "req_1");
    CHECK_FALSE(info.detail);
  }
  CHECK(parse_error(404, R"({"error": "x", "code": "not_found", "error_detail": null})").code ==
        "not_found");
}

TEST_CASE("error_body: which 429 may be sent again") {
  CHECK(is_retryable_rate_limit(429, R"({"error": "x"})"));
  CHECK(is_retryable_rate_limit(429, R"({"error": "x", "code": "rate_limit_exceeded"})"));
  CHECK(is_retryable_rate_limit(429, R"({"error": "x", "code": "RATE_LIMIT_EXCEEDED"})"));
  CHECK(is_retryable_rate_limit(429, R"({"error": {"message": "x"}})"));
  CHECK(is_retryable_rate_limit(429,
                                R"({"error": {"message": "x", "code": "rate_limit_exceeded"}})"));
  CHECK_FALSE(is_retryable_rate_limit(429, R"({"error": "x", "code": "capacity_exceeded"})"));
  CHECK_FALSE(
      is_retryable_rate_limit(429, R"({"error": {"code": "capacity_exceeded", "message": "x"}})"));
  CHECK_FALSE(is_retryable_rate_limit(429, "slow down"));
  CHECK_FALSE(is_retryable_rate_limit(429, ""));
  CHECK_FALSE(is_retryable_rate_limit(429, "[]"));
  CHECK_FALSE(is_retryable_rate_limit(503, R"({"error": "x", "code": "rate_limit_exceeded"})"));
}

TEST_CASE("error_body: Retry-After is a number of seconds or one second") {
  CHECK(parse_retry_after("2") == 2000ms);
  CHECK(parse_retry_after("0") == 0ms);
  CHECK(parse_retry_after(" 1.5 ") == 1500ms);
  CHECK(parse_retry_after("0.0001") == 1ms);
  CHECK(parse_retry_after("1e2") == 100s);
  CHECK(parse_retry_after("3600") == 1h);
  CHECK(parse_retry_after("1e300") == 24h);
  for (const std::string_view odd : {"", " ", "-1", "-0.5", "soon", "Fri, 31 Dec 1999 23:59:59 GMT",
                                     "1s", "0x10", "nan", "inf", "-inf", "1e999", "1,5"}) {
    INFO(odd);
    CHECK(parse_retry_after(odd) == 1s);
  }
}

TEST_CASE("error_body: retry_after is what the server told with a 429") {
  const std::string body = R"({"error": "x", "code": "rate_limit_exceeded"})";
  CHECK(parse_error(429, body, {.retry_after = "2"}).retry_after == 2s);
  CHECK(parse_error(429, body, {.retry_after = "Fri, 31 Dec 1999 23:59:59 GMT"}).retry_after == 1s);
  CHECK_FALSE(parse_error(429, body).retry_after);
  CHECK_FALSE(parse_error(503, body, {.retry_after = "2"}).retry_after);
  CHECK(parse_error(503, body).kind == ErrorKind::rate_limit);
}

TEST_CASE("error_body: what a server writes is read again, in both shapes") {
  for (const bool nested : {false, true}) {
    const ErrorBody body{.code = "sandbox_not_found",
                         .message = "no \"such\" sandbox\n\xFF",
                         .request_id = "req_1",
                         .retryable = false,
                         .suggested_action = "look again",
                         .details = Json::Object{{"id", "sb_1"}},
                         .nested = nested};
    const ErrorInfo info = parse_error(404, encode_error(body));
    CHECK(info.kind == ErrorKind::not_found);
    CHECK(info.code == "sandbox_not_found");
    CHECK(info.message == "no \"such\" sandbox\n\uFFFD");
    CHECK(info.request_id == "req_1");
    CHECK(info.retryable == false);
    CHECK(info.suggested_action == "look again");
    CHECK(info.details["id"].as_string() == "sb_1");
  }
  CHECK(json(encode_error({.code = "unauthorized", .message = "no key"})) ==
        json(R"({"error": "no key", "code": "unauthorized"})"));
}

}  // namespace nullspace::inline v0::wire

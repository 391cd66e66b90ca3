// Instructions and rules as a test writes them.
#include <string>
#include <variant>
#include <vector>

#include <nullspace/json.hpp>

#include "local/server/faults/damage.hpp"
#include "local/server/faults/fault.hpp"
#include "local/server/faults/fault_rule.hpp"
#include "tests/support/catch.hpp"
#include "wire/public_json.hpp"
#include "wire/utf8.hpp"

using nullspace::Json;
using namespace nullspace::local;
using namespace std::chrono_literals;

namespace {

Fault fault_of(const std::string& text) {
  auto parsed = parse_fault(text);
  INFO(text);
  if (const auto* problem = std::get_if<std::string>(&parsed)) FAIL(*problem);
  return std::get<Fault>(parsed);
}

std::string problem_of(const Json& json) {
  const auto rules = read_fault_rules(json);
  const auto* problem = std::get_if<std::string>(&rules);
  return problem == nullptr ? "" : *problem;
}

std::vector<FaultRule> header_rules(const std::string& value) {
  auto rules = read_fault_header(value);
  if (const auto* problem = std::get_if<std::string>(&rules)) FAIL(*problem);
  return std::get<std::vector<FaultRule>>(std::move(rules));
}

}  // namespace

TEST_CASE("instructions say what, how long and when") {
  CHECK(fault_of("return-503").kind == FaultKind::answer);
  CHECK(fault_of("return-503").number == 503);
  CHECK(fault_of("return-429-after-4K").after_bytes == 4096U);
  CHECK(fault_of("expire-token").number == 401);
  CHECK(fault_of("return-reset-connection").kind == FaultKind::reset);
  CHECK_FALSE(fault_of("return-reset-connection").before_answer);
  CHECK(fault_of("return-reset-connection-before-answer").before_answer);
  CHECK(fault_of("return-reset-connection-after-100B").after_bytes == 100U);
  CHECK(fault_of("return-reset-connection-after-3-messages").after_messages == 3U);
  CHECK(fault_of("return-broken-stream-after-1M").after_bytes == 1U << 20U);
  CHECK(fault_of("stall-for-2s-after-4K").time == 2s);
  CHECK(fault_of("stall-for-250ms").time == 250ms);
  CHECK(fault_of("delay-for-1s").kind == FaultKind::delay);
  CHECK(fault_of("delay-messages-for-5ms").kind == FaultKind::delay_messages);
  CHECK(fault_of("close-1011-after-1-message").number == 1011);
  CHECK(fault_of("vanish-after-0-messages").after_messages == 0U);
  for (const char* text :
       {"stall-pong", "stall-ping", "stall-reads", "stall-writes", "truncate-frame", "split-frame",
        "duplicate-event", "skip-event", "garbage-json", "bad-utf8", "drop-exit-frame", "vanish"}) {
    CHECK_FALSE(fault_of(text).after_messages);
  }
}

TEST_CASE("what is no instruction is refused") {
  for (const char* text : {"",
                           "return",
                           "return-",
                           "return-99",
                           "return-600",
                           "return-503x",
                           "return-5 03",
                           "return-99999999999999999999",
                           "close-999",
                           "close-5000",
                           "close-1011-after",
                           "nonsense",
                           "stall-for-",
                           "stall-for-5",
                           "stall-for-5m",
                           "stall-for-2h",
                           "stall-for-3601s",
                           "stall-for--1s",
                           "delay-for-1s-after-4K",
                           "return-503-after-3-messages",
                           "stall-pong-after-4K",
                           "vanish-after-",
                           "vanish-after-x-messages",
                           "return-broken-stream-after-4",
                           "return-broken-stream-after-9999999M",
                           "return-reset-connection-before-answer-after-4K",
                           "RETURN-503"}) {
    CAPTURE(text);
    const auto parsed = parse_fault(text);
    const auto* problem = std::get_if<std::string>(&parsed);
    REQUIRE(problem != nullptr);
    CHECK_FALSE(problem->empty());
  }
}

TEST_CASE("each fault is decided on at its own time") {
  const auto at = [](const char* text, FaultStage stage, bool websocket) {
    return decided_at(fault_of(text), stage, websocket);
  };
  CHECK(at("return-503", FaultStage::request, true));
  CHECK(at("return-reset-connection", FaultStage::request, true));
  CHECK_FALSE(at("return-reset-connection", FaultStage::session, true));
  CHECK(at("return-reset-connection-after-1-messages", FaultStage::session, true));
  CHECK_FALSE(at("return-reset-connection-after-1-messages", FaultStage::request, true));
  CHECK(at("garbage-json", FaultStage::request, false));
  CHECK_FALSE(at("garbage-json", FaultStage::request, true));
  CHECK(at("garbage-json", FaultStage::message, true));
  CHECK(at("close-1011", FaultStage::message, true));
  CHECK(at("close-1011-after-0-messages", FaultStage::session, true));
  CHECK(at("stall-pong", FaultStage::session, true));
}

TEST_CASE("a rule says all it was told") {
  const Json json = Json::parse(R"({
    "id": "busy", "fault": "return-429", "method": "POST", "path": "/v1/sandboxes/*/exec",
    "sandbox": "sb_1", "skip": 2, "count": 3, "probability": 0.5, "seed": 7,
    "retry_after": 2, "code": "capacity_exceeded", "body": "<html>", "content_type": "text/html"})");
  const auto rules = read_fault_rules(json);
  const auto* list = std::get_if<std::vector<FaultRule>>(&rules);
  REQUIRE(list != nullptr);
  REQUIRE(list->size() == 1);
  Json::Object said = describe(list->front()).object();
  CHECK(said["matched"].as_int() == 0);
  CHECK(said["fired"].as_int() == 0);
  CHECK(said["remaining"].as_int() == 3);
  for (const char* accounting : {"matched", "fired", "remaining"})
    said.erase(accounting);
  Json::Object expected = json.object();
  expected["retry_after"] = "2";
  CHECK(Json(said) == Json(expected));
}

TEST_CASE("rules that are wrong are named") {
  const auto wrong = [](const char* text) { return problem_of(Json::parse(text)); };
  CHECK(wrong("[]").find("expected a rule") != std::string::npos);
  CHECK(wrong("7").find("expected a rule") != std::string::npos);
  CHECK(wrong("{}").find("fault") != std::string::npos);
  CHECK(wrong(R"({"rules": []})").find("rules") != std::string::npos);
  CHECK(wrong(R"({"rules": {}})").find("rules") != std::string::npos);
  CHECK(wrong(R"({"rules": [{"fault": "vanish"}], "x": 1})").find("beside") != std::string::npos);
  CHECK(wrong(R"({"rules": [{"fault": "vanish"}, {"fault": 7}]})").find("rules[1]") == 0);
  for (const char* text : {R"({"fault": "vanish", "cuont": 1})",
                           R"({"fault": "vanish", "count": -1})",
                           R"({"fault": "vanish", "count": 1.5})",
                           R"({"fault": "vanish", "count": "1"})",
                           R"({"fault": "vanish", "probability": 1.1})",
                           R"({"fault": "vanish", "probability": "1"})",
                           R"({"fault": "vanish", "channel": "http"})",
                           R"({"fault": "vanish", "channel": 1})",
                           R"({"fault": "vanish", "path": "v1"})",
                           R"({"fault": "vanish", "path": "/**/x"})",
                           R"({"fault": "vanish", "method": "GE T"})",
                           R"({"fault": "vanish", "id": ""})",
                           R"({"fault": "vanish", "id": "a b"})",
                           R"({"fault": "stall-pong", "type": "x"})",
                           R"({"fault": "vanish", "body": "x"})",
                           R"({"fault": "vanish", "retry_after": 1})",
                           R"({"fault": "vanish", "code": "x"})",
                           R"({"fault": "vanish", "content_type": "x"})",
                           R"({"fault": "return-503", "retry_after": "1\r\nx: y"})",
                           R"({"fault": "return-503", "retry_after": -1})",
                           R"({"fault": "return-503", "content_type": "a\nb"})"}) {
    CAPTURE(text);
    CHECK_FALSE(wrong(text).empty());
  }
  CHECK(wrong(R"({"fault": "vanish", "count": null})").empty());
}

TEST_CASE("a header holds several faults with their fields") {
  const auto rules =
      header_rules("stall-pong , close-1011;type=exec_exit; count=1;probability=0.5");
  REQUIRE(rules.size() == 2);
  CHECK(rules[0].fault.kind == FaultKind::stall_pong);
  CHECK(rules[1].fault.number == 1011);
  CHECK(rules[1].type == "exec_exit");
  CHECK(rules[1].count == 1U);
  CHECK(rules[1].probability == 0.5);
  for (const char* value : {"", "nonsense", "vanish;count", "vanish;count=x", "vanish;path=/v1",
                            "vanish,,vanish", "return-503;body=x"}) {
    CAPTURE(value);
    CHECK(std::holds_alternative<std::string>(read_fault_header(value)));
  }
}

TEST_CASE("a rule fits what it names") {
  FaultRule rule = header_rules("vanish").front();
  RequestFacts facts;
  facts.method = "GET";
  facts.segments = {"v1", "sandboxes", "sb_1", "ws"};
  facts.sandbox_id = "sb_1";
  facts.channel = SocketChannel::exec;
  CHECK(rule.fits(facts));
  const auto with_path = [&](const char* path) {
    const auto rules = read_fault_rules(Json::Object{{"fault", "vanish"}, {"path", path}});
    return std::get<std::vector<FaultRule>>(rules).front().fits(facts);
  };
  CHECK(with_path("/v1/sandboxes/*/ws"));
  CHECK(with_path("/v1/sandboxes/sb_1/ws"));
  CHECK(with_path("/v1/**"));
  CHECK_FALSE(with_path("/v1/sandboxes/*"));
  CHECK_FALSE(with_path("/v1/sandboxes/*/ws/*"));
  CHECK_FALSE(with_path("/v1/sandboxes/sb_2/ws"));
  rule.channel = SocketChannel::control;
  CHECK(rule.fits(facts));
  rule.channel = SocketChannel::pty;
  CHECK_FALSE(rule.fits(facts));
  rule.channel = SocketChannel::exec;
  rule.sandbox_id = "sb_2";
  CHECK_FALSE(rule.fits(facts));
  rule.sandbox_id = "sb_1";
  rule.method = "POST";
  CHECK_FALSE(rule.fits(facts));
}

TEST_CASE("damaged texts are damaged, and in one way only") {
  for (const char* text : {"{}", R"({"a":1})", R"({"a":"{[","b":[1,{"c":"\""}]})", "[]", "",
                           "{\"a\":\"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\"}"}) {
    CAPTURE(text);
    CHECK_FALSE(nullspace::wire::parse_json(garbage_json(text)));
    CHECK(nullspace::wire::is_valid_utf8(garbage_json(text)));
    CHECK_FALSE(nullspace::wire::is_valid_utf8(bad_utf8(text)));
  }
  CHECK(message_type(R"({"type":"exec_exit","id":"1"})") == "exec_exit");
  CHECK(message_type(R"({"id":"1"})").empty());
  CHECK(message_type("").empty());
}

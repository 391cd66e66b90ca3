// Facts in, faults out, and the books kept about it.
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <nullspace/json.hpp>

#include "local/server/faults/fault_book.hpp"
#include "tests/support/catch.hpp"

using nullspace::Json;
using namespace nullspace::local;

namespace {

std::vector<FaultRule> rules_of(const std::string& json) {
  auto rules = read_fault_rules(Json::parse(json));
  if (const auto* problem = std::get_if<std::string>(&rules)) FAIL(*problem);
  return std::get<std::vector<FaultRule>>(std::move(rules));
}

FaultList list_of(const std::string& json) {
  return FaultList(rules_of(json));
}

RequestFacts request(std::uint64_t body_bytes = 0) {
  RequestFacts facts;
  facts.method = "POST";
  facts.segments = {"v1", "sandboxes"};
  facts.body_bytes = body_bytes;
  return facts;
}

RequestFacts socket_facts() {
  RequestFacts facts;
  facts.method = "GET";
  facts.segments = {"v1", "monitor", "ws"};
  facts.channel = SocketChannel::monitor;
  facts.websocket = true;
  return facts;
}

// One character for each of so many requests: x where the fault happened.
std::string pattern(FaultList& list, int times) {
  std::string seen;
  for (int i = 0; i < times; ++i)
    seen += list.at_request(request()).empty() ? '.' : 'x';
  return seen;
}

}  // namespace

TEST_CASE("some are let pass, then so many fail, then all is well") {
  FaultList list = list_of(R"({"fault": "return-503", "skip": 2, "count": 3})");
  CHECK(pattern(list, 8) == "..xxx...");
  CHECK(list.rules().front().matched == 8);
  CHECK(list.rules().front().fired == 3);
  CHECK(list.fired() == 3);
  CHECK(list.rules().front().exhausted());
}

TEST_CASE("a seed repeats what chance did") {
  const std::string json = R"({"fault": "return-503", "probability": 0.3, "seed": 42})";
  FaultList first = list_of(json);
  FaultList second = list_of(json);
  const std::string seen = pattern(first, 200);
  CHECK(seen == pattern(second, 200));
  CHECK(first.fired() > 30);
  CHECK(first.fired() < 90);
  FaultList other = list_of(R"({"fault": "return-503", "probability": 0.3, "seed": 43})");
  CHECK(pattern(other, 200) != seen);
  FaultList never = list_of(R"({"fault": "return-503", "probability": 0})");
  CHECK(pattern(never, 5) == ".....");
}

TEST_CASE("delays add up to the first other fault") {
  FaultList list = list_of(R"({"rules": [{"fault": "delay-for-1s"}, {"fault": "stall-pong"},
      {"fault": "return-503", "count": 1}, {"fault": "return-500"}]})");
  auto faults = list.at_request(request());
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].kind == FaultKind::delay);
  CHECK(faults[1].number == 503);
  // The one behind was not even asked.
  CHECK(list.rules()[3].matched == 0);
  faults = list.at_request(request());
  REQUIRE(faults.size() == 2);
  CHECK(faults[1].number == 500);
}

TEST_CASE("an answer can wait for an upload of some size") {
  FaultList list = list_of(R"({"fault": "return-503-after-4K"})");
  CHECK(list.at_request(request(4095)).empty());
  CHECK(list.at_request(request(4096)).size() == 1);
  CHECK(list.rules().front().matched == 1);
}

TEST_CASE("what concerns a socket is decided once for each") {
  FaultList list = list_of(R"({"rules": [{"fault": "stall-pong", "count": 2},
      {"fault": "close-1011-after-3-messages"}]})");
  std::set<std::uint64_t> first;
  std::set<std::uint64_t> second;
  std::set<std::uint64_t> third;
  CHECK(list.at_session(socket_facts(), 0, first).size() == 1);
  CHECK(list.at_session(socket_facts(), 1, first).empty());
  CHECK(list.at_session(socket_facts(), 3, first).size() == 1);
  CHECK(list.at_session(socket_facts(), 4, first).empty());
  CHECK(list.at_session(socket_facts(), 4, second).size() == 2);
  CHECK(list.at_session(socket_facts(), 0, third).empty());
  CHECK(list.rules()[0].matched == 3);
  CHECK(list.rules()[0].fired == 2);
}

TEST_CASE("what concerns messages is decided for each") {
  FaultList list = list_of(R"({"rules": [{"fault": "drop-exit-frame"},
      {"fault": "duplicate-event", "type": "monitor_update", "skip": 1},
      {"fault": "skip-event-after-10-messages"}]})");
  const auto kind = [&list](std::uint64_t sent, const char* type) {
    const auto fault = list.at_message(socket_facts(), sent, type);
    return fault ? static_cast<int>(fault->kind) : -1;
  };
  CHECK(kind(0, "exec_stdout") == -1);
  CHECK(kind(0, "exec_exit") == static_cast<int>(FaultKind::drop_exit_frame));
  CHECK(kind(0, "pty_exited") == static_cast<int>(FaultKind::drop_exit_frame));
  CHECK(kind(0, "monitor_update") == -1);
  CHECK(kind(9, "monitor_update") == static_cast<int>(FaultKind::duplicate_event));
  CHECK(kind(9, "exec_stdout") == -1);
  CHECK(kind(10, "exec_stdout") == static_cast<int>(FaultKind::skip_event));
  CHECK(list.at_request(socket_facts()).empty());
}

TEST_CASE("each account has rules of its own") {
  FaultBook book;
  CHECK(book.idle());
  std::vector<std::string> ids;
  CHECK_FALSE(book.install(0, rules_of(R"({"fault": "return-503"})"), ids));
  REQUIRE(ids.size() == 1);
  CHECK_FALSE(book.idle());
  CHECK(book.of(0).at_request(request()).size() == 1);
  CHECK(book.of(1).at_request(request()).empty());
  CHECK_FALSE(book.remove(1, ids.front()));
  CHECK(book.remove(0, ids.front()));
  CHECK_FALSE(book.remove(0, ids.front()));
  CHECK(book.idle());
  CHECK(book.of(0).fired() == 1);
}

TEST_CASE("an id is used once, and all are installed or none") {
  FaultBook book;
  std::vector<std::string> ids;
  CHECK_FALSE(book.install(0, rules_of(R"({"id": "fault-1", "fault": "vanish"})"), ids));
  CHECK(book.install(0, rules_of(R"({"rules": [{"id": "b", "fault": "vanish"},
      {"id": "fault-1", "fault": "vanish"}]})"),
                     ids));
  CHECK(book.install(0, rules_of(R"({"rules": [{"id": "b", "fault": "vanish"},
      {"id": "b", "fault": "vanish"}]})"),
                     ids));
  CHECK(book.of(0).rules().size() == 1);
  // A made-up id keeps clear of those that are taken.
  CHECK_FALSE(book.install(0, rules_of(R"({"fault": "vanish"})"), ids));
  CHECK(ids == std::vector<std::string>{"fault-1", "fault-2"});
  CHECK(book.clear(0) == 2);
  CHECK(book.clear(0) == 0);
  CHECK(book.idle());
}

TEST_CASE("a rule that replaces another is a new one to an open socket") {
  FaultBook book;
  std::vector<std::string> ids;
  std::set<std::uint64_t> decided;
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(book.install(0, rules_of(R"({"fault": "stall-pong"})"), ids));
    CHECK(book.of(0).at_session(socket_facts(), 0, decided).size() == 1);
    book.clear(0);
  }
}

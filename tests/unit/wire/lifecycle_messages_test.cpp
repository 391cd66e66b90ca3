#include "wire/lifecycle_messages.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

using nullspace::test::contains;
using nullspace::test::json;

namespace {

const std::string kEvent =
    R"({"id":"evt_501","occurred_at":"2026-05-02T08:10:03Z","audience":"customer","operation":"timeout_expired","status":"succeeded","sandbox_id":"sb_7k2","snapshot_id":null,"source_sandbox_id":null,"target_sandbox_id":null,"actor_kind":"system","user_id":null,"reason":"timeout","error_code":null,"error_message":null,"metadata":{"timeout_action":"destroy"}})";
const std::string kFork =
    R"({"id":"evt_9","occurred_at":"2026-05-02T08:10:03.5Z","audience":"customer","operation":"fork","status":"failed","sandbox_id":"sb_2","source_sandbox_id":"sb_1","target_sandbox_id":"sb_2","snapshot_id":"snap_1","actor_kind":"user","user_id":"usr_1","reason":"api","error_code":"fork_failed","error_message":"no host"})";
const std::string kMachineFork =
    R"({"id":"evt_9","occurred_at":"2026-05-02T08:10:03.5Z","audience":"customer","operation":"fork","status":"failed","machine_id":"sb_2","source_machine_id":"sb_1","target_machine_id":"sb_2","snapshot_id":"snap_1","actor_kind":"user","user_id":"usr_1","reason":"api","error_code":"fork_failed","error_message":"no host"})";

LifecycleEvent event_of(std::string_view text) {
  auto event = decode_lifecycle_event(text);
  INFO(text);
  if (!event.ok()) FAIL(event.error().message);
  return *event;
}

// The text without one member, or with another value for it.
std::string with_member(std::string_view text, std::string_view name, const Json& value) {
  Json::Object members = json(text).object();
  if (value.is_null()) {
    members.erase(members.find(name));
  } else {
    members.insert_or_assign(std::string(name), value);
  }
  return Json(members).dump();
}

template <typename Result>
void refused(const Result& result, std::string_view part) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == "invalid_response");
  INFO(result.error().message);
  CHECK(contains(result.error().message, part));
}

template <typename Message>
Message decoded(std::string_view text) {
  auto message = decode_lifecycle_message(text);
  INFO(text);
  if (!message.ok()) FAIL(message.error().message);
  const Message* found = std::get_if<Message>(&*message);
  REQUIRE(found != nullptr);
  return *found;
}

LifecycleSubscribe understood(std::string_view text) {
  auto message = decode_lifecycle_client_message(text);
  INFO(text);
  if (const auto* problem = std::get_if<LifecycleProblem>(&message)) FAIL(problem->message);
  return std::get<LifecycleSubscribe>(message);
}

std::string complaint(std::string_view text) {
  auto message = decode_lifecycle_client_message(text);
  INFO(text);
  const auto* problem = std::get_if<LifecycleProblem>(&message);
  REQUIRE(problem != nullptr);
  CHECK(contains(problem->message, "invalid message"));
  return problem->message;
}

}  // namespace

TEST_CASE("lifecycle_messages: an event as recorded") {
  const LifecycleEvent event = event_of(kEvent);
  CHECK(event.id == "evt_501");
  CHECK(event.occurred_at == parse_timestamp("2026-05-02T08:10:03Z"));
  CHECK(event.audience == LifecycleAudience::customer);
  CHECK(event.operation == LifecycleOperation::timeout_expired);
  CHECK(event.operation_text == "timeout_expired");
  CHECK(event.status == LifecycleStatus::succeeded);
  CHECK(event.actor == LifecycleActor::system);
  CHECK(event.sandbox_id == "sb_7k2");
  CHECK(event.snapshot_id.empty());
  CHECK(event.reason == "timeout");
  CHECK(event.metadata == Json::Object{{"timeout_action", "destroy"}});
}

TEST_CASE("lifecycle_messages: an event in either dialect") {
  const LifecycleEvent event = event_of(kFork);
  CHECK(event.source_sandbox_id == "sb_1");
  CHECK(event.target_sandbox_id == "sb_2");
  CHECK(event.user_id == "usr_1");
  CHECK(event.error_code == "fork_failed");
  CHECK(event.error_message == "no host");
  CHECK(event.metadata.empty());
  CHECK(event_of(kMachineFork) == event);
  CHECK(event_of(encode_lifecycle_event(Dialect::sandbox, event)) == event);
  const std::string machine = encode_lifecycle_event(Dialect::machine, event);
  CHECK(contains(machine, R"("source_machine_id":"sb_1")"));
  CHECK_FALSE(contains(machine, "sandbox"));
  CHECK(event_of(machine) == event);
}

TEST_CASE("lifecycle_messages: words of a newer server are kept") {
  std::string text = with_member(kEvent, "operation", "migrate");
  text = with_member(text, "status", "postponed");
  text = with_member(text, "audience", "partner");
  text = with_member(text, "actor_kind", "robot");
  const LifecycleEvent event = event_of(text);
  CHECK(event.operation == LifecycleOperation::unknown);
  CHECK(event.operation_text == "migrate");
  CHECK(event.status == LifecycleStatus::unknown);
  CHECK(event.status_text == "postponed");
  CHECK(event.audience == LifecycleAudience::unknown);
  CHECK(event.audience_text == "partner");
  CHECK(event.actor == LifecycleActor::unknown);
  CHECK(event.actor_text == "robot");
  CHECK(event_of(encode_lifecycle_event(Dialect::sandbox, event)) == event);
}

TEST_CASE("lifecycle_messages: every operation has its word") {
  for (const std::string_view word :
       {"create", "destroy", "timeout_updated", "timeout_expired", "hibernate", "snapshot_created",
        "resume_from_snapshot", "fork", "reconcile"}) {
    const LifecycleEvent event = event_of(with_member(kEvent, "operation", std::string(word)));
    CHECK(to_string(event.operation) == word);
  }
}

TEST_CASE("lifecycle_messages: a broken event is refused by its member") {
  for (const std::string_view name :
       {"id", "occurred_at", "audience", "operation", "status", "actor_kind"}) {
    refused(decode_lifecycle_event(with_member(kEvent, name, {})), name);
    refused(decode_lifecycle_event(with_member(kEvent, name, 7)), name);
    refused(decode_lifecycle_event(with_member(kEvent, name, Json::Array{})), name);
  }
  refused(decode_lifecycle_event(with_member(kEvent, "id", "")), "id");
  refused(decode_lifecycle_event(with_member(kEvent, "occurred_at", "yesterday")), "occurred_at");
  refused(decode_lifecycle_event(with_member(kEvent, "sandbox_id", 7)), "sandbox_id");
  refused(decode_lifecycle_event(with_member(kEvent, "metadata", "x")), "metadata");
  refused(decode_lifecycle_event("[]"), "object");
  refused(decode_lifecycle_event(""), "empty");
  refused(decode_lifecycle_event(kEvent.substr(0, 100)), "JSON");
}

TEST_CASE("lifecycle_messages: a list as recorded") {
  const auto page = decode_lifecycle_page(R"({"events":[)" + kEvent +
                                          R"(],"offset":50,"limit":25,"has_more":true,"new":1})");
  REQUIRE(page.ok());
  REQUIRE(page->events.size() == 1);
  CHECK(page->events[0] == event_of(kEvent));
  CHECK(page->offset == 50);
  CHECK(page->limit == 25);
  CHECK(page->has_more);
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    const auto again = decode_lifecycle_page(encode_lifecycle_page(dialect, *page));
    REQUIRE(again.ok());
    CHECK(again->events == page->events);
    CHECK(again->offset == 50);
    CHECK(again->limit == 25);
    CHECK(again->has_more);
  }
}

TEST_CASE("lifecycle_messages: what a list may lack and what it may not be") {
  const auto empty = decode_lifecycle_page("{}");
  REQUIRE(empty.ok());
  CHECK(empty->events.empty());
  CHECK_FALSE(empty->has_more);
  const auto mixed = decode_lifecycle_page(R"({"events":[1,null,"x",)" + kEvent + "]}");
  REQUIRE(mixed.ok());
  CHECK(mixed->events.size() == 1);
  refused(decode_lifecycle_page("[]"), "object");
  refused(decode_lifecycle_page(R"({"events":{}})"), "events");
  refused(decode_lifecycle_page(R"({"events":[{}]})"), "id");
  refused(decode_lifecycle_page(R"({"has_more":1})"), "has_more");
}

TEST_CASE("lifecycle_messages: subscribe as recorded") {
  const LifecycleSubscribe message{.sandbox_id = "sb_7k2",
                                   .operation = LifecycleOperation::destroy,
                                   .live_only = false,
                                   .replay_limit = 100};
  CHECK(
      encode(Dialect::sandbox, message) ==
      R"({"type":"subscribe","sandbox_id":"sb_7k2","operation":"destroy","live_only":false,"replay_limit":100})");
  CHECK(contains(encode(Dialect::machine, message), R"("machine_id":"sb_7k2")"));
  CHECK(encode(Dialect::sandbox, LifecycleSubscribe{}) == R"({"type":"subscribe"})");
}

TEST_CASE("lifecycle_messages: what is subscribed to is understood") {
  const LifecycleSubscribe full{.sandbox_id = "sb_1",
                                .snapshot_id = "snap_1",
                                .operation = LifecycleOperation::fork,
                                .status = LifecycleStatus::failed,
                                .audience = LifecycleAudience::customer,
                                .live_only = true,
                                .after_event_id = "evt \"1\"",
                                .replay_limit = 0,
                                .metadata = {{"a", Json::Array{1, "ü"}}, {"b", Json()}}};
  for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
    CHECK(understood(encode(dialect, full)) == full);
    CHECK(understood(encode(dialect, {})) == LifecycleSubscribe{});
  }
  CHECK(understood(R"({"type":"subscribe","sandbox_id":null,"live_only":null})") ==
        LifecycleSubscribe{});
  CHECK(understood(R"({"type":"subscribe","replay_limit":99999999999})").replay_limit ==
        kMaxReplay);
}

TEST_CASE("lifecycle_messages: what a server refuses") {
  complaint("");
  complaint("{");
  complaint("[]");
  CHECK(contains(complaint("{}"), "type"));
  CHECK(contains(complaint(R"({"type":"unsubscribe"})"), "type"));
  for (const std::string_view member :
       {R"("sandbox_id":"")", R"("sandbox_id":7)", R"("machine_id":[])", R"("snapshot_id":{})",
        R"("operation":"explode")", R"("status":"")", R"("audience":"internal")",
        R"("audience":"x")", R"("live_only":"yes")", R"("after_event_id":"")",
        R"("replay_limit":-1)", R"("replay_limit":"3")", R"("replay_limit":1.5)",
        R"("metadata":[])"}) {
    const std::string name(member.substr(1, member.find('"', 1) - 1));
    CHECK(contains(complaint(R"({"type":"subscribe",)" + std::string(member) + "}"), name));
  }
}

TEST_CASE("lifecycle_messages: subscribed") {
  const auto answer = decoded<LifecycleSubscribed>(
      R"({"type":"subscribed","subscription":{"audience":"customer","sandbox_id":"sb_7k2","operation":"destroy"},"reconnect_mode":"cursor_replay"})");
  CHECK(answer.reconnect_mode == ReconnectMode::cursor_replay);
  CHECK(decoded<LifecycleSubscribed>(R"({"type":"subscribed"})").reconnect_mode ==
        ReconnectMode::unknown);
  CHECK(
      encode_lifecycle_subscribed(Dialect::sandbox,
                                  {.sandbox_id = "sb_7k2",
                                   .operation = LifecycleOperation::destroy,
                                   .after_event_id = "evt_1"},
                                  ReconnectMode::live_only) ==
      R"({"type":"subscribed","subscription":{"audience":"customer","sandbox_id":"sb_7k2","operation":"destroy"},"reconnect_mode":"live_only"})");
  for (const ReconnectMode mode : {ReconnectMode::cursor_replay, ReconnectMode::live_only}) {
    const std::string text = encode_lifecycle_subscribed(Dialect::machine, {}, mode);
    CHECK(decoded<LifecycleSubscribed>(text).reconnect_mode == mode);
  }
}

TEST_CASE("lifecycle_messages: events and errors on a socket") {
  const std::string text = R"({"type":"event","event":)" + kEvent + "}";
  CHECK(decoded<LifecycleEvent>(text) == event_of(kEvent));
  CHECK(decoded<LifecycleEvent>(encode_lifecycle_event_message(
            Dialect::machine, event_of(kEvent))) == event_of(kEvent));
  CHECK(decoded<LifecycleProblem>(R"({"type":"error","message":"lifecycle store unavailable"})")
            .message == "lifecycle store unavailable");
  CHECK(decoded<LifecycleProblem>(encode(LifecycleProblem{"a\nb"})).message == "a\nb");
  CHECK(decoded<UnknownMessage>(R"({"type":"heartbeat"})").type == "heartbeat");
}

TEST_CASE("lifecycle_messages: an unknown cursor is told from other problems") {
  CHECK(is_unknown_cursor({std::string(kUnknownCursor)}));
  CHECK(is_unknown_cursor({"replay cursor expired"}));
  CHECK(is_unknown_cursor({"no such event id"}));
  CHECK_FALSE(is_unknown_cursor({"lifecycle store unavailable"}));
  CHECK_FALSE(is_unknown_cursor({""}));
}

TEST_CASE("lifecycle_messages: what the SDK refuses on a socket") {
  refused(decode_lifecycle_message(""), "empty");
  refused(decode_lifecycle_message("nonsense"), "JSON");
  refused(decode_lifecycle_message("[]"), "object");
  refused(decode_lifecycle_message("{}"), "type");
  refused(decode_lifecycle_message(R"({"type":1})"), "type");
  refused(decode_lifecycle_message(R"({"type":"event"})"), "event");
  refused(decode_lifecycle_message(R"({"type":"event","event":[]})"), "event");
  refused(decode_lifecycle_message(R"({"type":"event","event":{"id":"evt_1"}})"), "occurred_at");
  refused(decode_lifecycle_message(R"({"type":"error"})"), "message");
  refused(decode_lifecycle_message(R"({"type":"error","message":{}})"), "message");
}

}  // namespace nullspace::inline v0::wire

#include "local/server/control_door.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wire/public_json.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::local {

namespace {

// Farther than any deadline, and not so far that the clock would overflow.
constexpr auto kMaxAdvance = std::chrono::hours(24 * 366);

std::variant<Json::Object, ApiError> read_object(std::string_view text) {
  const auto json = wire::parse_json(text);
  if (!json) return invalid_request(json.error().message);
  if (!json->is_object()) return invalid_request("expected an object");
  return json->object();
}

std::optional<ApiError> refuse_others(const Json::Object& object,
                                      std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object) {
    bool found = false;
    for (const std::string_view name : known)
      found = found || name == key;
    if (!found) return invalid_request(key + ": there is no such field");
  }
  return std::nullopt;
}

ApiError clock_is_real() {
  return api_error(409, "conflict", "the clock is real: start the server with a manual one");
}

struct DropRequest {
  ConnectionFilter filter;
  ConnectionEnd end;
};

std::variant<DropRequest, ApiError> read_drop(const Json::Object& object, AccountId account) {
  if (auto error = refuse_others(object, {"channel", "sandbox", "how", "code"})) return *error;
  const Json json(object);
  DropRequest request;
  request.filter.account = account;
  if (!json["sandbox"].is_null()) {
    request.filter.sandbox_id = json["sandbox"].as_string();
    if (!request.filter.sandbox_id) return invalid_request("sandbox: expected an id");
  }
  if (!json["channel"].is_null()) {
    const std::string word = json["channel"].as_string().value_or("");
    request.filter.channel = socket_channel_of(word);
    request.filter.websockets = request.filter.channel.has_value();
    request.filter.http = word == "http";
    if (!request.filter.http && !request.filter.websockets) {
      return invalid_request(
          "channel: expected exec, pty, control, monitor, lifecycle or, for requests that are "
          "being answered, http");
    }
  }
  using How = ConnectionEnd::How;
  const std::map<std::string, How> words{
      {"reset", How::reset}, {"close", How::close}, {"vanish", How::vanish}};
  const std::string how = json["how"].is_null() ? "reset" : json["how"].as_string().value_or("");
  const auto found = words.find(how);
  if (found == words.end()) return invalid_request("how: expected reset, close or vanish");
  request.end.how = found->second;
  if (!json["code"].is_null()) {
    const std::int64_t code = json["code"].as_int().value_or(0);
    const auto end = closing_with(code);
    if (request.end.how != How::close || !end) {
      return invalid_request(
          "code: expected a close code that may be sent, or 1006, and how: close");
    }
    request.end = *end;
  }
  return request;
}

// `{"seconds": 1.5}` or `{"ms": 1500}`.
std::variant<Clock::duration, ApiError> read_advance(const Json::Object& object) {
  if (auto error = refuse_others(object, {"seconds", "ms"})) return *error;
  const Json json(object);
  if (json["seconds"].is_null() == json["ms"].is_null()) {
    return invalid_request("expected either seconds or ms");
  }
  constexpr double kMax = std::chrono::duration<double>(kMaxAdvance).count();
  const double seconds = json["ms"].is_null() ? json["seconds"].as_double().value_or(-1)
                                              : json["ms"].as_double().value_or(-1) / 1000;
  if (seconds < 0 || seconds > kMax) {
    return invalid_request("a clock goes forward, by at most 366 days at a time");
  }
  return std::chrono::round<std::chrono::microseconds>(std::chrono::duration<double>(seconds));
}

}  // namespace

ControlDoor::Outcome ControlDoor::install_faults(AccountId account, std::string_view text) {
  const auto json = wire::parse_json(text);
  if (!json) return invalid_request(json.error().message);
  auto rules = read_fault_rules(*json);
  if (auto* problem = std::get_if<std::string>(&rules)) {
    return invalid_request(std::move(*problem));
  }
  std::vector<std::string> ids;
  auto problem =
      parts_.faults.install(account, std::get<std::vector<FaultRule>>(std::move(rules)), ids);
  if (problem) return api_error(409, "conflict", std::move(*problem));
  // As they stand before anything has happened.
  Json::Array installed;
  for (const std::string& id : ids)
    installed.push_back(describe(*parts_.faults.of(account).find(id)));
  parts_.listener.for_each_websocket(
      account, [](WebSocketSession& session) { session.reconsider_faults(); });
  return Json::Object{{"rules", std::move(installed)}};
}

Json ControlDoor::faults(AccountId account) const {
  Json::Array rules;
  for (const FaultRule& rule : parts_.faults.of(account).rules())
    rules.push_back(describe(rule));
  return Json::Object{{"rules", std::move(rules)}};
}

ControlDoor::Outcome ControlDoor::remove_fault(AccountId account, std::string_view id) {
  if (!parts_.faults.remove(account, id)) {
    return not_found("there is no rule " + std::string(id));
  }
  return Json::Object{{"removed", 1}};
}

Json ControlDoor::clear_faults(AccountId account) {
  return Json::Object{{"removed", parts_.faults.clear(account)}};
}

ControlDoor::Outcome ControlDoor::drop_connections(AccountId account, std::string_view json) {
  const auto object = read_object(json.empty() ? "{}" : json);
  if (const auto* error = std::get_if<ApiError>(&object)) return *error;
  const auto request = read_drop(std::get<Json::Object>(object), account);
  if (const auto* error = std::get_if<ApiError>(&request)) return *error;
  const auto& [filter, end] = std::get<DropRequest>(request);
  return Json::Object{{"dropped", drop_connections(filter, end)}};
}

std::size_t ControlDoor::drop_connections(const ConnectionFilter& filter, ConnectionEnd end) {
  return parts_.listener.drop(filter, end);
}

Json ControlDoor::reset(AccountId account) {
  const std::size_t rules = parts_.faults.clear(account);
  parts_.idempotency.forget(account);
  const std::size_t sandboxes = parts_.service.end_all(account);
  parts_.listener.for_each_websocket(account, [](WebSocketSession& session) {
    if (session.vanished()) session.drop({ConnectionEnd::How::reset});
  });
  return Json::Object{{"sandboxes", sandboxes}, {"rules", rules}};
}

Json ControlDoor::stats(AccountId account) const {
  std::map<std::string, std::int64_t, std::less<>> open;
  std::int64_t sockets = 0;
  parts_.listener.for_each_websocket(account, [&](const WebSocketSession& session) {
    if (!session.open()) return;
    ++sockets;
    ++open[std::string(word_of(session.owner()->facts.channel))];
  });
  Json::Object by_channel;
  for (const auto& [channel, count] : open)
    by_channel.emplace(channel, count);
  std::int64_t sandboxes = 0;
  std::int64_t running = 0;
  for (const auto& sandbox : parts_.service.store().all()) {
    if (sandbox->spec().account != account) continue;
    ++sandboxes;
    if (sandbox->status() == SandboxStatus::running) ++running;
  }
  const FaultInjector::Counts counts = parts_.injector.counts(account);
  const FaultList& list = parts_.faults.of(account);
  return Json::Object{
      {"requests", counts.requests},
      {"websockets", Json::Object{{"asked_for", counts.websockets},
                                  {"open", sockets},
                                  {"by_channel", std::move(by_channel)}}},
      {"sandboxes", Json::Object{{"all", sandboxes}, {"running", running}}},
      {"faults", Json::Object{{"rules", list.rules().size()}, {"fired", list.fired()}}}};
}

Json ControlDoor::clock() const {
  return Json::Object{{"mode", parts_.clock.manual() ? "manual" : "real"},
                      {"now", wire::format_timestamp(parts_.clock.wall())}};
}

void ControlDoor::advance_clock(std::string_view json, const Callback& done) {
  const auto object = read_object(json);
  if (const auto* error = std::get_if<ApiError>(&object)) return done(*error);
  const auto by = read_advance(std::get<Json::Object>(object));
  if (const auto* error = std::get_if<ApiError>(&by)) return done(*error);
  advance_clock(std::get<Clock::duration>(by), done);
}

void ControlDoor::set_clock(std::string_view json, const Callback& done) {
  const auto object = read_object(json);
  if (const auto* error = std::get_if<ApiError>(&object)) return done(*error);
  const Json::Object& members = std::get<Json::Object>(object);
  if (auto error = refuse_others(members, {"now"})) return done(std::move(*error));
  const auto now = wire::parse_timestamp(Json(members)["now"].as_string().value_or(""));
  if (!now) return done(invalid_request("now: expected an RFC 3339 time"));
  if (!parts_.clock.manual()) return done(clock_is_real());
  // Before the difference is taken: it may be more than a duration holds.
  const Timestamp wall = parts_.clock.wall();
  if (*now < wall || *now > wall + kMaxAdvance) {
    return done(invalid_request("a clock goes forward, by at most 366 days at a time"));
  }
  advance_clock(*now - wall, done);
}

void ControlDoor::advance_clock(Clock::duration by, const Callback& done) {
  if (!parts_.clock.manual()) return done(clock_is_real());
  parts_.clock.advance(by, [this, done](std::uint64_t fired) {
    Json::Object answer = clock().object();
    answer["fired"] = fired;
    done(Json(std::move(answer)));
  });
}

}  // namespace nullspace::local

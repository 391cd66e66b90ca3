#include "wire/endpoints.hpp"

#include <random>
#include <set>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"

namespace nullspace::inline v0::wire {

namespace {

std::string path(Endpoint endpoint, std::initializer_list<std::string_view> ids,
                 Dialect dialect = Dialect::sandbox) {
  const auto result = endpoint_path(endpoint, dialect, ids);
  REQUIRE(result.ok());
  return *result;
}

std::string method(Endpoint endpoint) {
  return std::string(traits(endpoint).method);
}

}  // namespace

TEST_CASE("endpoints: paths and methods of both dialects") {
  CHECK(path(Endpoint::health, {}) == "/healthz");
  CHECK(path(Endpoint::create_sandbox, {}) == "/v1/sandboxes");
  CHECK(path(Endpoint::create_sandbox, {}, Dialect::machine) == "/v1/machines");
  CHECK(path(Endpoint::get_sandbox, {"sb_1"}) == "/v1/sandboxes/sb_1");
  CHECK(path(Endpoint::set_timeout, {"sb_1"}) == "/v1/sandboxes/sb_1/timeout");
  CHECK(path(Endpoint::hibernate, {"sb_1"}) == "/v1/sandboxes/sb_1/hibernate");
  CHECK(path(Endpoint::resume, {"snap_9"}) == "/v1/sandboxes/snap_9/resume");
  CHECK(path(Endpoint::metrics, {"mch_1"}, Dialect::machine) == "/v1/machines/mch_1/metrics");
  CHECK(path(Endpoint::exec, {"sb_1"}) == "/v1/sandboxes/sb_1/exec");
  CHECK(path(Endpoint::process_logs, {"sb_1", "12"}) == "/v1/sandboxes/sb_1/processes/12/logs");
  CHECK(path(Endpoint::process_stdin, {"sb_1", "12"}) == "/v1/sandboxes/sb_1/processes/12/stdin");
  CHECK(path(Endpoint::process_kill, {"sb_1", "12"}) == "/v1/sandboxes/sb_1/processes/12/kill");
  CHECK(path(Endpoint::list_ptys, {"sb_1"}) == "/v1/sandboxes/sb_1/pty");
  CHECK(path(Endpoint::resize_pty, {"sb_1", "ses_4d"}) == "/v1/sandboxes/sb_1/pty/ses_4d/resize");
  CHECK(path(Endpoint::list_events, {}) == "/v1/lifecycle/events");
  CHECK(path(Endpoint::list_sandbox_events, {"sb_1"}) == "/v1/sandboxes/sb_1/lifecycle");
  CHECK(path(Endpoint::list_sandbox_events, {"mch_1"}, Dialect::machine) ==
        "/v1/machines/mch_1/lifecycle");
  CHECK(path(Endpoint::list_snapshot_events, {"snap_9"}, Dialect::machine) ==
        "/v1/snapshots/snap_9/lifecycle");
  CHECK(path(Endpoint::create_webhook, {}) == "/v1/lifecycle/webhooks");
  CHECK(path(Endpoint::update_webhook, {"wh_8"}) == "/v1/lifecycle/webhooks/wh_8");
  CHECK(path(Endpoint::list_deliveries, {"wh_8"}) == "/v1/lifecycle/webhooks/wh_8/deliveries");
  CHECK(path(Endpoint::get_delivery, {"wh_8", "del_3"}) ==
        "/v1/lifecycle/webhooks/wh_8/deliveries/del_3");

  CHECK(method(Endpoint::update_webhook) == "PATCH");
  CHECK(method(Endpoint::create_sandbox) == "POST");
  CHECK(method(Endpoint::list_sandboxes) == "GET");
  CHECK(method(Endpoint::kill_sandbox) == "DELETE");
  CHECK(method(Endpoint::kill_pty) == "DELETE");
  CHECK(method(Endpoint::process_kill) == "POST");
}

TEST_CASE("endpoints: what may be repeated and how long it may take") {
  CHECK(traits(Endpoint::create_sandbox).repeat == Repeat::keyed);
  CHECK(traits(Endpoint::create_sandbox).timeout == TimeoutClass::create);
  CHECK(traits(Endpoint::exec).repeat == Repeat::harmful);
  CHECK(traits(Endpoint::exec).timeout == TimeoutClass::exec);
  CHECK(traits(Endpoint::resume).timeout == TimeoutClass::transition);
  CHECK_FALSE(traits(Endpoint::health).authenticated);
  for (const EndpointTraits& endpoint : all_endpoints()) {
    INFO(endpoint.path);
    CHECK(endpoint.retry_rate_limit == (endpoint.endpoint != Endpoint::delete_webhook));
    if (endpoint.method == "GET") CHECK(endpoint.repeat == Repeat::harmless);
  }
}

TEST_CASE("endpoints: an id is one segment whatever is in it") {
  CHECK(path(Endpoint::get_sandbox, {"a/b"}) == "/v1/sandboxes/a%2Fb");
  CHECK(path(Endpoint::get_sandbox, {"../../etc"}) == "/v1/sandboxes/..%2F..%2Fetc");
  CHECK(path(Endpoint::get_sandbox, {"a?b#c%d"}) == "/v1/sandboxes/a%3Fb%23c%25d");
  CHECK(path(Endpoint::get_sandbox, {"a\r\nX: y"}) == "/v1/sandboxes/a%0D%0AX%3A%20y");
  CHECK(path(Endpoint::get_sandbox, {std::string_view("a\0b", 3)}) == "/v1/sandboxes/a%00b");
  CHECK(path(Endpoint::get_sandbox, {"..."}) == "/v1/sandboxes/...");
  CHECK(path(Endpoint::get_sandbox, {"é"}) == "/v1/sandboxes/%C3%A9");
  CHECK(path(Endpoint::get_sandbox, {"a-b.c_d~e"}) == "/v1/sandboxes/a-b.c_d~e");
  for (const std::string_view bad : {"", ".", ".."}) {
    const auto result = endpoint_path(Endpoint::get_sandbox, Dialect::sandbox, {bad});
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == "invalid_request");
    CHECK_FALSE(sandbox_ws_path(Dialect::sandbox, bad, Channel::exec).ok());
  }
}

TEST_CASE("endpoints: the number of ids must be right") {
  CHECK_FALSE(endpoint_path(Endpoint::get_sandbox, Dialect::sandbox, {}).ok());
  CHECK_FALSE(endpoint_path(Endpoint::get_sandbox, Dialect::sandbox, {"a", "b"}).ok());
  CHECK_FALSE(endpoint_path(Endpoint::process_logs, Dialect::sandbox, {"a"}).ok());
}

TEST_CASE("endpoints: an id that looks like a placeholder stays an id") {
  CHECK(path(Endpoint::process_logs, {"{}", "7"}) == "/v1/sandboxes/%7B%7D/processes/7/logs");
}

TEST_CASE("endpoints: WebSocket paths") {
  CHECK(*sandbox_ws_path(Dialect::sandbox, "sb_7k2", Channel::pty) ==
        "/v1/sandboxes/sb_7k2/ws?channel=pty");
  CHECK(*sandbox_ws_path(Dialect::machine, "mch_1", Channel::exec) ==
        "/v1/machines/mch_1/ws?channel=exec");
  CHECK(*sandbox_ws_path(Dialect::sandbox, "a/b", Channel::none) == "/v1/sandboxes/a%2Fb/ws");
  CHECK(kMonitorWsPath == "/v1/monitor/ws");
  CHECK(kLifecycleWsPath == "/v1/lifecycle/ws");
  CHECK(*sandbox_lifecycle_ws_path(Dialect::machine, "a/b") == "/v1/machines/a%2Fb/lifecycle/ws");
  CHECK_FALSE(sandbox_lifecycle_ws_path(Dialect::sandbox, "..").ok());
  CHECK(channel_from_text("exec") == Channel::exec);
  CHECK(channel_from_text("pty") == Channel::pty);
  CHECK(channel_from_text("") == Channel::none);
  CHECK_FALSE(channel_from_text("tty"));
}

TEST_CASE("endpoints: every path is recognised again") {
  const std::string ids[] = {"sb_1", "a/b?c", "7", "ü"};
  for (const EndpointTraits& endpoint : all_endpoints()) {
    for (const Dialect dialect : {Dialect::sandbox, Dialect::machine}) {
      for (const std::string& id : ids) {
        std::set<std::string> paths;
        for (const auto& result : {endpoint_path(endpoint.endpoint, dialect, {}),
                                   endpoint_path(endpoint.endpoint, dialect, {id}),
                                   endpoint_path(endpoint.endpoint, dialect, {id, id})}) {
          if (result.ok()) paths.insert(*result);
        }
        REQUIRE(paths.size() == 1);
        const std::string& made = *paths.begin();
        const auto route = match_route(endpoint.method, made);
        INFO(endpoint.method << " " << made);
        REQUIRE(route);
        CHECK(route->endpoint == endpoint.endpoint);
        CHECK(is_known_path(made));
        if (endpoint.path.starts_with("{R}")) CHECK(route->dialect == dialect);
        for (const std::string& found : route->ids)
          CHECK(found == id);
      }
    }
  }
}

TEST_CASE("endpoints: other paths are not") {
  for (const std::string_view unknown :
       {"", "/", "/v1", "/v1/sandboxes/", "/v1/sandboxes//exec", "/v1/sandbox/a",
        "/v1/sandboxes/a/b", "/v2/sandboxes", "v1/sandboxes", "/v1/sandboxes/a/exec/",
        "/v1/sandboxes/%zz", "/v1/sandboxes/%4", "/healthz/", "//healthz"}) {
    INFO(unknown);
    CHECK_FALSE(match_route("GET", unknown));
    CHECK_FALSE(is_known_path(unknown));
  }
  CHECK_FALSE(match_route("PUT", "/v1/sandboxes"));
  CHECK(is_known_path("/v1/sandboxes"));
  CHECK_FALSE(match_route("get", "/v1/sandboxes"));

  const auto socket = match_sandbox_ws("/v1/machines/a%2Fb/ws");
  REQUIRE(socket);
  CHECK(socket->dialect == Dialect::machine);
  CHECK(socket->id == "a/b");
  CHECK_FALSE(match_sandbox_ws("/v1/sandboxes/ws"));
  CHECK_FALSE(match_sandbox_ws("/v1/monitor/ws"));

  const auto events = match_sandbox_lifecycle_ws("/v1/sandboxes/a%2Fb/lifecycle/ws");
  REQUIRE(events);
  CHECK(events->id == "a/b");
  CHECK(events->dialect == Dialect::sandbox);
  CHECK_FALSE(match_sandbox_lifecycle_ws("/v1/lifecycle/ws"));
  CHECK_FALSE(match_sandbox_lifecycle_ws("/v1/sandboxes/a/ws"));
  CHECK_FALSE(match_sandbox_ws("/v1/sandboxes/a/lifecycle/ws"));
}

TEST_CASE("endpoints: any bytes survive a path segment and a query") {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const std::string bytes = nullspace::test::random_bytes(random, 40);
    if (const auto segment = encode_path_segment(bytes); segment.ok()) {
      CHECK(segment->find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%") ==
            std::string::npos);
      CHECK(decode_path_segment(*segment) == bytes);
    }
    const QueryParameters parameters{{"a" + bytes, bytes}, {"b", bytes + "&=+%"}};
    CHECK(decode_query(encode_query(parameters)) == parameters);
  }
}

TEST_CASE("endpoints: queries are form encoded") {
  CHECK(encode_query({}).empty());
  CHECK(encode_query({{"fields", "id,status"}, {"q", "a b:c"}}) == "fields=id%2Cstatus&q=a+b%3Ac");
  CHECK(encode_query({{"metadata", R"({"suite": "nightly"})"}}) ==
        "metadata=%7B%22suite%22%3A+%22nightly%22%7D");

  CHECK(decode_query("a=1+2%203&b&=x&&c=%2B") ==
        QueryParameters{{"a", "1 2 3"}, {"b", ""}, {"", "x"}, {"c", "+"}});
  CHECK_FALSE(decode_query("a=%"));
  CHECK_FALSE(decode_query("a=%2"));
  CHECK_FALSE(decode_query("%g0=1"));
  CHECK(query_value({{"a", "1"}, {"a", "2"}}, "a") == "1");
  CHECK_FALSE(query_value({{"a", "1"}}, "b"));
}

TEST_CASE("endpoints: a field mask is trimmed and has no duplicates") {
  const std::vector<std::string> fields{" id", "status ", "id", "", "  "};
  CHECK(*fields_mask(fields) == "id,status");
  CHECK_FALSE(fields_mask({}).ok());
  const std::vector<std::string> blank{" ", ""};
  CHECK_FALSE(fields_mask(blank).ok());
}

}  // namespace nullspace::inline v0::wire

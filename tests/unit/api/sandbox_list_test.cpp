#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nullspace/sandbox.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using namespace nullspace::tests;
using nullspace::Client;
using nullspace::Dialect;
using nullspace::Error;
using nullspace::ErrorKind;
using nullspace::Json;
using nullspace::Sandbox;
using nullspace::SandboxInfo;
using nullspace::SandboxList;
using nullspace::SandboxStatus;
using nullspace::TransportFailureKind;

namespace {

Json item(std::string_view id) {
  return Json::parse(sandbox_body(id));
}

nullspace::HttpResponse page(Json::Array items, std::string_view next, bool has_next) {
  return response(
      200,
      Json(Json::Object{{"items", std::move(items)}, {"next_token", next}, {"has_next", has_next}})
          .dump());
}

std::vector<std::string> ids(SandboxList list) {
  std::vector<std::string> found;
  for (const SandboxInfo& info : list)
    found.push_back(info.id);
  return found;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("nothing is asked before anybody looks") {
  const ScriptedClient scripted;
  SandboxList list = Sandbox::list(scripted.client());
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("a list goes on page by page") {
  const ScriptedClient scripted;
  scripted.http->push(page({item("sb_1"), item("sb_2")}, "nt_1", true));
  scripted.http->push(page({}, "nt_2", true));
  scripted.http->push(page({item("sb_3")}, "", false));
  CHECK(ids(Sandbox::list(scripted.client(), {.states = {SandboxStatus::running},
                                              .template_id = "base",
                                              .page_size = 2})) == Ids{"sb_1", "sb_2", "sb_3"});
  REQUIRE(scripted.http->count() == 3);
  const std::string base = "https://api.example.test/prefix/v1/sandboxes?";
  for (const auto& request : scripted.http->requests()) {
    CAPTURE(request.url);
    CHECK(request.url.starts_with(base));
    CHECK(request.url.find("limit=2") != std::string::npos);
    CHECK(request.url.find("state=running") != std::string::npos);
    CHECK(request.url.find("template=base") != std::string::npos);
  }
  CHECK(scripted.http->request(0).url.find("next_token") == std::string::npos);
  CHECK(scripted.http->request(1).url.find("next_token=nt_1") != std::string::npos);
  CHECK(scripted.http->request(2).url.find("next_token=nt_2") != std::string::npos);
}

TEST_CASE("a bare array is a page, too, and the last") {
  const ScriptedClient scripted;
  const Dialect dialect = GENERATE(Dialect::sandbox, Dialect::machine);
  scripted.http->push(response(200, Json(Json::Array{item("sb_1"), item("sb_2")}).dump()));
  CHECK(ids(Sandbox::list(scripted.client(dialect))) == Ids{"sb_1", "sb_2"});
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("an empty list has no elements") {
  const ScriptedClient scripted;
  scripted.http->push(response(200, GENERATE("[]", "{}", R"({"items":[]})", R"({"items":null})")));
  CHECK(ids(Sandbox::list(scripted.client())).empty());
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a list ends where the server says so, or forgets to say how it goes on") {
  const ScriptedClient scripted;
  SECTION("no more, but a cursor") {
    scripted.http->push(page({item("sb_1")}, "nt_1", false));
  }
  SECTION("more, but no cursor") {
    scripted.http->push(page({item("sb_1")}, "", true));
  }
  SECTION("nothing said") {
    scripted.http->push(
        response(200, Json(Json::Object{{"items", Json::Array{item("sb_1")}}}).dump()));
  }
  CHECK(ids(Sandbox::list(scripted.client())) == Ids{"sb_1"});
  CHECK(scripted.http->count() == 1);
}

TEST_CASE("a server that hands out a cursor again is not asked for ever") {
  const ScriptedClient scripted;
  SECTION("the same one") {
    scripted.http->answer_with(
        [](const nullspace::HttpRequest&) { return page({item("sb_1")}, "nt_1", true); });
    CHECK(ids(Sandbox::list(scripted.client())).size() == 2);
  }
  SECTION("in a circle") {
    int calls = 0;
    scripted.http->answer_with([&calls](const nullspace::HttpRequest&) {
      return page({item("sb_1")},
                  ++calls % 3 == 0 ? "nt_a"
                  : calls % 3 == 1 ? "nt_b"
                                   : "nt_c",
                  true);
    });
    CHECK(ids(Sandbox::list(scripted.client())).size() <= 4);
  }
}

TEST_CASE("pages can be taken by hand, and a failed one again") {
  const ScriptedClient scripted;
  SandboxList list = Sandbox::list(scripted.client(), {.next_token = "nt_0"});
  scripted.http->push(failure(TransportFailureKind::receive));
  CHECK_THROWS_AS(list.next_page(), Error);
  scripted.http->push(page({item("sb_1")}, "nt_1", true));
  const auto first = list.next_page();
  REQUIRE(first);
  CHECK(first->next_token == "nt_1");
  CHECK(first->has_next);
  CHECK(scripted.http->request(0).url == scripted.http->request(1).url);
  CHECK(scripted.http->request(0).url.find("next_token=nt_0") != std::string::npos);
  scripted.http->push(page({item("sb_2")}, "", false));
  CHECK(list.next_page()->items.at(0).id == "sb_2");
  CHECK_FALSE(list.next_page());
  CHECK(scripted.http->count() == 3);
}

TEST_CASE("everything that is left, in one vector") {
  const ScriptedClient scripted;
  scripted.http->push(page({item("sb_1")}, "nt_1", true));
  scripted.http->push(page({item("sb_2")}, "", false));
  SandboxList list = Sandbox::list(scripted.client());
  CHECK(list.to_vector().size() == 2);
  CHECK(list.to_vector().empty());
}

TEST_CASE("an entry that is no sandbox makes the answer invalid") {
  const ScriptedClient scripted;
  scripted.http->push(response(200, GENERATE("7", "null", "[7]", R"([{"id":"sb_1"}])",
                                             R"({"items":7})", R"({"items":[{}]})", "<html>")));
  CHECK(thrown_by([&] { (void)ids(Sandbox::list(scripted.client())); }).kind() ==
        ErrorKind::invalid_response);
}

TEST_CASE("filters that make no sense are refused before anything is sent") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  nullspace::SandboxListOptions options;
  SECTION("no page") {
    options.page_size = 0;
  }
  SECTION("too large a page") {
    options.page_size = 101;
  }
  SECTION("no status") {
    options.states = {SandboxStatus::unknown};
  }
  CHECK(thrown_by([&] { (void)Sandbox::list(client, options).to_vector(); }).kind() ==
        ErrorKind::invalid_request);
  CHECK(scripted.http->count() == 0);
}

TEST_CASE("metadata is one JSON document in the query") {
  const ScriptedClient scripted;
  scripted.http->push(response(200, "[]"));
  (void)Sandbox::list(scripted.client(), {.metadata = {{"team", "a b"}, {"run", 7}}}).to_vector();
  const std::string url = scripted.http->request(0).url;
  CAPTURE(url);
  CHECK(url.find("metadata=%7B%22run%22%3A7%2C%22team%22%3A%22a+b%22%7D") != std::string::npos);
}

TEST_CASE("a field mask gives JSON") {
  const ScriptedClient scripted;
  const Client client = scripted.client();
  scripted.http->push(
      response(200, R"({"items":[{"id":"sb_1"},{"id":"sb_2"}],"has_next":true,"next_token":"x"})"));
  const auto items = Sandbox::list_fields(client, {"id"});
  REQUIRE(items.size() == 2);
  CHECK(items[1]["id"].as_string() == "sb_2");
  CHECK(scripted.http->request(0).url.find("fields=id") != std::string::npos);
  CHECK(thrown_by([&] { (void)Sandbox::list_fields(client, {}); }).kind() ==
        ErrorKind::invalid_request);
}

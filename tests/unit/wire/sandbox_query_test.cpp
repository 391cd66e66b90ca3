#include <string>

#include "tests/support/catch.hpp"
#include "tests/unit/wire/json_text.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::inline v0::wire {

TEST_CASE("sandbox_query: what the SDK asks for") {
  CHECK(encode_list_query({})->empty());
  SandboxListOptions options;
  options.states = {SandboxStatus::running, SandboxStatus::paused};
  options.template_id = "name:tag";
  options.metadata = {{"suite", "nightly"}};
  options.page_size = 25;
  options.next_token = "nt_40";
  CHECK(*encode_list_query(options, "id,status") ==
        "limit=25&next_token=nt_40&state=running%2Cpaused&template=name%3Atag&metadata=%7B%22suite%"
        "22%3A%22nightly%22%7D"
        "&fields=id%2Cstatus");
  options.page_size = 0;
  CHECK_FALSE(encode_list_query(options).ok());
  options.page_size = 101;
  CHECK_FALSE(encode_list_query(options).ok());
  options.page_size = 100;
  options.states = {SandboxStatus::unknown};
  CHECK_FALSE(encode_list_query(options).ok());
}

TEST_CASE("sandbox_query: what the SDK asks for is understood") {
  SandboxListOptions options;
  options.states = {SandboxStatus::running, SandboxStatus::destroyed, SandboxStatus::error};
  options.template_id = "ns/name:tag +&";
  options.metadata = {{"k&=", Json::Array{1, "ü"}}};
  options.page_size = 3;
  options.next_token = "a b";
  const auto request = decode_list_query(*encode_list_query(options, "id,cwd"));
  REQUIRE(request.ok());
  CHECK_FALSE(request->bare);
  CHECK(request->limit == 3);
  CHECK(request->next_token == "a b");
  CHECK(request->states == options.states);
  CHECK(request->template_id == options.template_id);
  CHECK(request->metadata == options.metadata);
  CHECK(request->fields == std::vector<std::string>{"id", "cwd"});
}

TEST_CASE("sandbox_query: no query asks for a bare array") {
  CHECK(decode_list_query("")->bare);
  CHECK_FALSE(decode_list_query("limit=1")->bare);
  CHECK_FALSE(decode_list_query("unheard=of")->bare);
  CHECK(decode_list_query("metadata=%7B%22suite%22%3A+%22nightly%22%7D")
            ->metadata.at("suite")
            .as_string() == "nightly");
}

TEST_CASE("sandbox_query: bad values name their parameter") {
  const std::pair<std::string_view, std::string_view> bad[] = {{"limit=0", "limit"},
                                                               {"limit=101", "limit"},
                                                               {"limit=", "limit"},
                                                               {"limit=ten", "limit"},
                                                               {"limit=1.5", "limit"},
                                                               {"limit=-1", "limit"},
                                                               {"state=asleep", "state"},
                                                               {"state=running,asleep", "state"},
                                                               {"metadata=%5B%5D", "metadata"},
                                                               {"metadata={", "metadata"},
                                                               {"metadata=", "metadata"},
                                                               {"limit=%zz", "query"}};
  for (const auto& [query, part] : bad) {
    INFO(query);
    const auto request = decode_list_query(query);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code == "invalid_request");
    CHECK(test::contains(request.error().message, part));
  }
}

TEST_CASE("sandbox_query: unknown fields have a code of their own") {
  CHECK(decode_list_query("fields=id,color").error().code == "invalid_fields");
  CHECK(decode_fields_mask("color").error().code == "invalid_fields");
  CHECK(decode_fields_mask("").error().code == "invalid_fields");
  CHECK(decode_fields_mask(" , ").error().code == "invalid_fields");
  CHECK(*decode_fields_mask(" id ,status,id") == std::vector<std::string>{"id", "status"});
  CHECK(decode_fields_mask("id,status,config,template,metadata,started_at,timeout_ms,timeout_at,"
                           "expires_at,timeout_action,"
                           "created_at,cwd,snapshot_id,traffic_access_token")
            ->size() == 14);
}

}  // namespace nullspace::inline v0::wire

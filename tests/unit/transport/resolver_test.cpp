#include "transport/resolver.hpp"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

using nullspace::transport::Resolution;
using nullspace::transport::resolve_without_lookup;
using nullspace::transport::Resolver;

namespace {

using Addresses = std::vector<std::string>;

}  // namespace

TEST_CASE("literals and names of this machine need no lookup") {
  CHECK(resolve_without_lookup("192.0.2.7") == Addresses{"192.0.2.7"});
  CHECK(resolve_without_lookup("2001:db8::1") == Addresses{"2001:db8::1"});
  CHECK(resolve_without_lookup("localhost") == Addresses{"127.0.0.1", "::1"});
  CHECK(resolve_without_lookup("app.localhost") == Addresses{"127.0.0.1", "::1"});
  CHECK_FALSE(resolve_without_lookup("example.test"));
  CHECK_FALSE(resolve_without_lookup("localhost.example.test"));
}

TEST_CASE("lookups are made in order and on another thread") {
  std::thread::id looked_up_on;
  Resolver resolver([&](const std::string& host) {
    looked_up_on = std::this_thread::get_id();
    return host == "bad.test" ? Resolution{.error = "unknown"}
                              : Resolution{.addresses = {host + "/1", host + "/2"}};
  });
  std::vector<std::string> seen;
  std::promise<void> done;
  resolver.resolve("a.test", [&](Resolution r) {
    seen.insert(seen.end(), r.addresses.begin(), r.addresses.end());
  });
  resolver.resolve("bad.test", [&](Resolution r) { seen.push_back(r.error); });
  resolver.resolve("b.test", [&](Resolution r) {
    seen.push_back(r.addresses.front());
    done.set_value();
  });
  REQUIRE(done.get_future().wait_for(std::chrono::seconds{10}) == std::future_status::ready);
  CHECK(seen == Addresses{"a.test/1", "a.test/2", "unknown", "b.test/1"});
  CHECK(looked_up_on != std::this_thread::get_id());
}

TEST_CASE("destroying a resolver does not wait for a name server") {
  std::promise<void> entered;
  std::promise<void> name_server;
  auto answer = std::make_shared<std::shared_future<void>>(name_server.get_future().share());
  bool answered = false;
  {
    Resolver resolver([&entered, answer](const std::string&) {
      entered.set_value();
      answer->wait();
      return Resolution{.addresses = {"192.0.2.1"}};
    });
    resolver.resolve("slow.test", [&](Resolution) { answered = true; });
    resolver.resolve("next.test", [&](Resolution) { answered = true; });
    REQUIRE(entered.get_future().wait_for(std::chrono::seconds{10}) == std::future_status::ready);
  }
  // Getting here at all is the point: the name server has not answered yet.
  name_server.set_value();
  { const Resolver joins_those_that_ended; }
  CHECK_FALSE(answered);
}

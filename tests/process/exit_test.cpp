#include <chrono>
#include <string>

#include "tests/process/child.hpp"
#include "tests/process/tiny_peer.hpp"
#include "tests/support/catch.hpp"

using nullspace::tests::ChildOutcome;
using nullspace::tests::run_child;
using nullspace::tests::TinyPeer;

namespace {

ChildOutcome probe(const TinyPeer& peer, const std::string& scenario) {
  return run_child({NULLSPACE_PROBE, scenario, peer.url()});
}

}  // namespace

TEST_CASE("a program ends with streams alive, however it holds them") {
  const TinyPeer peer;
  const char* scenario = GENERATE("return_with_handles", "exit_with_handles", "leak_handles",
                                  "keep_in_statics", "keep_client_in_static");
  CAPTURE(scenario);
  const ChildOutcome outcome = probe(peer, scenario);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output.empty());
  CHECK(peer.websockets() == 1);
}

TEST_CASE("a callback may end the program") {
  const TinyPeer peer;
  const char* scenario = GENERATE("exit_in_callback", "exit_in_callback_after_the_last_handle");
  CAPTURE(scenario);
  const ChildOutcome outcome = probe(peer, scenario);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output.empty());
}

TEST_CASE("the last handle may die in a callback, again and again") {
  const TinyPeer peer;
  const ChildOutcome outcome = probe(peer, "end_in_callback_and_go_on");
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output.empty());
  CHECK(peer.websockets() == 20);
}

TEST_CASE("a server that is not there is an error and nothing else") {
  const TinyPeer peer;
  const ChildOutcome outcome = probe(peer, "closed_port");
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output.empty());
}

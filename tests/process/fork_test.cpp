#include <string>

#include "tests/process/child.hpp"
#include "tests/process/tiny_peer.hpp"
#include "tests/support/catch.hpp"

using nullspace::tests::ChildOutcome;
using nullspace::tests::run_child;
using nullspace::tests::TinyPeer;

TEST_CASE("a program that forks goes on, and so does its child") {
  const TinyPeer peer;
  const char* scenario = GENERATE("fork_with_live_handles", "fork_and_exit_normally",
                                  "fork_and_use_the_inherited_client", "fork_in_the_middle");
  CAPTURE(scenario);
  const ChildOutcome outcome = run_child({NULLSPACE_PROBE, scenario, peer.url()});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output.empty());
}

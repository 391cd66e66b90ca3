#include "tests/process/child.hpp"
#include "tests/process/tiny_peer.hpp"
#include "tests/support/catch.hpp"

using nullspace::tests::ChildOutcome;
using nullspace::tests::run_child;
using nullspace::tests::TinyPeer;

// Loading starts no thread, opens no file, prints nothing and leaves signals alone; unloading
// leaves no thread and no file.
TEST_CASE("what holds the SDK can be loaded, used and unloaded, again and again") {
  const TinyPeer peer;
  constexpr const char* kRounds = "20";
  const ChildOutcome outcome = run_child({NULLSPACE_LOADER, NULLSPACE_PLUGIN, peer.url(), kRounds});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.output == "");
  CHECK(peer.websockets() == 20);
  CHECK(peer.requests() == 20);
}

// A monitor over a network that cuts every connection after a random number of bytes: in the middle
// of the upgrade, of a frame, of a snapshot.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using nullspace::tests::Cut;
using nullspace::tests::RandomCuts;
using test::BadNetwork;
namespace ns = nullspace;

namespace {

constexpr std::uint64_t kCuts = 200;

using Sandboxes = std::map<std::string, std::string>;

// What an application makes of the events: ids and how far each sandbox has got. Twice: taking each
// snapshot for the whole truth, and forgetting a sandbox only when an update says that it is gone.
class Picture {
 public:
  void on_snapshot(const ns::MonitorSnapshotEvent& event) {
    const std::lock_guard lock(mutex_);
    by_snapshots_.clear();
    for (const ns::SandboxInfo& info : event.sandboxes)
      by_snapshots_[info.id] = by_updates_[info.id] = info.status_text;
    ++snapshots_;
  }
  void on_update(const ns::MonitorUpdateEvent& event) {
    const std::lock_guard lock(mutex_);
    for (Sandboxes* sandboxes : {&by_snapshots_, &by_updates_}) {
      if (event.removed) {
        sandboxes->erase(event.sandbox_id);
      } else {
        (*sandboxes)[event.sandbox_id] = event.sandbox->status_text;
      }
    }
  }
  [[nodiscard]] bool shows(const Sandboxes& truth) const {
    const std::lock_guard lock(mutex_);
    return by_snapshots_ == truth && by_updates_ == truth;
  }
  [[nodiscard]] int snapshots() const {
    const std::lock_guard lock(mutex_);
    return snapshots_;
  }

 private:
  mutable std::mutex mutex_;
  Sandboxes by_snapshots_;
  Sandboxes by_updates_;
  int snapshots_{0};
};

Sandboxes truth(const ns::Client& client) {
  Sandboxes all;
  for (const ns::SandboxInfo& info : ns::Sandbox::list(client))
    all[info.id] = info.status_text;
  return all;
}

}  // namespace

TEST_CASE("a monitor survives 200 random cuts and ends up with the right picture") {
  const std::uint64_t seed = 20260101;
  BadNetwork network(seed);
  CAPTURE(seed);
  const ns::Client direct = network.direct();
  std::vector<ns::Sandbox> sandboxes;
  for (int i = 0; i < 3; ++i)
    sandboxes.push_back(ns::Sandbox::create(direct));

  Picture picture;
  std::mutex mutex;
  std::vector<std::string> errors;
  std::vector<ns::StreamState> states;
  const ns::Subscription live =
      ns::Monitor(ns::Client(network.options()))
          .subscribe({
              .interval = 500ms,
              .on_snapshot =
                  [&](const ns::MonitorSnapshotEvent& event) { picture.on_snapshot(event); },
              .on_update = [&](const ns::MonitorUpdateEvent& event) { picture.on_update(event); },
              .on_error =
                  [&](const ns::Error& error) {
                    const std::lock_guard lock(mutex);
                    errors.emplace_back(error.what());
                  },
              .on_state_change =
                  [&](const ns::StateChange& change) {
                    const std::lock_guard lock(mutex);
                    states.push_back(change.state);
                  },
          });
  REQUIRE(test::eventually([&] { return picture.snapshots() >= 1; }));

  // An upgrade takes some 600 bytes, a snapshot of these sandboxes a little more than that.
  network.proxy().cut_randomly(RandomCuts{.min_bytes = 0, .max_bytes = 4000, .how = Cut::either});
  REQUIRE(test::eventually(
      [&] {
        // Something to miss while the connection is down, and traffic that drives it on.
        sandboxes.push_back(ns::Sandbox::create(direct));
        sandboxes.front().kill();
        sandboxes.erase(sandboxes.begin());
        return network.proxy().counters().cuts >= kCuts;
      },
      240s));
  network.proxy().cut_randomly(std::nullopt);
  sandboxes.back().kill();
  sandboxes.pop_back();
  sandboxes.push_back(ns::Sandbox::create(direct));

  CHECK(test::eventually([&] { return picture.shows(truth(direct)); }));
  CHECK(live.active());
  CHECK(test::eventually([&] { return live.state() == ns::StreamState::connected; }));
  CHECK(picture.snapshots() > 10);
  {
    const std::lock_guard lock(mutex);
    CHECK(errors == std::vector<std::string>{});
    CHECK(std::find(states.begin(), states.end(), ns::StreamState::closed) == states.end());
  }
  for (ns::Sandbox& sandbox : sandboxes)
    sandbox.kill();
  CHECK(test::eventually([&] { return picture.shows(truth(direct)); }));
}

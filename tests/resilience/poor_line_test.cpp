// A line that is merely poor: everything arrives, but late, slowly, or in crumbs. Nothing of that
// may be seen in what a call returns.
#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using nullspace::tests::Direction;
using nullspace::tests::Toxics;
using test::BadNetwork;
namespace ns = nullspace;

namespace {

struct Line {
  const char* name;
  Toxics toxics;
};

Line any_line() {
  return GENERATE(
      Line{"crumbs", {.slicer = Toxics::Slicer{.average_size = 2, .size_variation = 1}}},
      Line{"slices of all sizes",
           {.slicer = Toxics::Slicer{.average_size = 700, .size_variation = 699}}},
      Line{"late", {.latency = 5ms, .jitter = 5ms}}, Line{"narrow", {.bandwidth = 400'000}},
      Line{"all of it",
           {.latency = 1ms,
            .jitter = 2ms,
            .bandwidth = 1'000'000,
            .slow_close = 5ms,
            .slicer = Toxics::Slicer{.average_size = 100, .size_variation = 99}}});
}

}  // namespace

TEST_CASE("a poor line changes nothing but the time") {
  const Line line = any_line();
  CAPTURE(line.name);
  BadNetwork network;
  network.proxy().set_toxics(Direction::upstream, line.toxics);
  network.proxy().set_toxics(Direction::downstream, line.toxics);
  const ns::Client client(network.options());
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);

  std::string expected;
  for (int i = 1; i <= 5000; ++i)
    expected += std::to_string(i) + " \xE2\x82\xAC\n";
  const char* const count = "seq 1 5000 | sed 's/$/ \xE2\x82\xAC/'; exit 5";
  std::string streamed;
  const ns::CommandResult by_socket = sandbox->commands().run(
      count, {.shell = true, .on_stdout = [&](std::string_view text) { streamed += text; }});
  CHECK(by_socket.exit_code == 5);
  CHECK(by_socket.stdout_text == expected);
  CHECK(streamed == expected);
  const ns::CommandResult by_rest = sandbox->commands().run(count, {.shell = true});
  CHECK(by_rest.exit_code == 5);
  CHECK(by_rest.stdout_text == expected);

  ns::PtySession session = sandbox->pty().create_session();
  session.send_input("echo $((6 * 7)); exit 9\n");
  std::string seen;
  CHECK(session.wait({.on_data = [&](std::string_view bytes) { seen += bytes; }}).exit_code == 9);
  CHECK(seen.find("42") != std::string::npos);

  std::atomic<int> snapshots{0};
  std::atomic<int> metrics{0};
  std::atomic<int> troubles{0};
  const ns::Subscription live = ns::Monitor(client).subscribe(
      {.interval = 500ms,
       .on_snapshot =
           [&](const ns::MonitorSnapshotEvent& event) {
             snapshots += event.sandboxes.size() == 1 ? 1 : 0;
           },
       .on_metrics = [&](const ns::MonitorMetricsEvent&) { ++metrics; },
       .on_error = [&](const ns::Error&) { ++troubles; }});
  CHECK(test::eventually([&] { return snapshots == 1 && metrics >= 2; }));
  CHECK(troubles == 0);
}

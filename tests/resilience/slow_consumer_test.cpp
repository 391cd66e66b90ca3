// A callback that does not come back while 100 MiB are waiting for it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <string_view>

#include "tests/integration/local_service.hpp"
#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"
#include "tests/unit/api/thread_pool.hpp"

using namespace std::chrono_literals;
using nullspace::tests::ThreadPool;
using test::BadNetwork;
using test::resident_mib;
namespace ns = nullspace;

namespace {

constexpr std::size_t kBytes = std::size_t{100} << 20;
// The SDK's buffers (1 MiB), the server's and the kernel's, in one process; a sanitizer's shadow of
// them on top. Held without bounds the output would take 100 MiB and more.
constexpr double kMaxGrowthMib = 48;
// A byte that no shell writes by itself.
constexpr char kFill = '\1';
const std::string kProduce =
    "head -c " + std::to_string(kBytes) + " /dev/zero | tr '\\0' '\\001'; touch produced";

// What the held callback has got.
struct Consumer {
  std::promise<void> release;
  std::shared_future<void> released{release.get_future().share()};
  std::atomic<bool> held{false};
  std::atomic<std::size_t> bytes{0};

  void operator()(std::string_view data) {
    const auto fill = static_cast<std::size_t>(std::count(data.begin(), data.end(), kFill));
    if (fill == 0) return;
    held = true;
    released.wait();
    bytes += fill;
  }
};

// Commands, and a monitor, on the same client while its other stream stands still.
void live_meanwhile(const ns::Client& client, const ns::Sandbox& sandbox) {
  std::atomic<int> metrics{0};
  const ns::Subscription monitor = ns::Monitor(client).subscribe(
      {.interval = 500ms, .on_metrics = [&](const ns::MonitorMetricsEvent&) { ++metrics; }});
  for (int i = 0; i < 50; ++i) {
    std::string out;
    const ns::CommandResult result = sandbox.commands().run(
        "echo", {.args = {"here"}, .on_stdout = [&](std::string_view text) { out += text; }});
    REQUIRE(result.exit_code == 0);
    REQUIRE(out == "here\n");
  }
  REQUIRE(test::eventually([&] { return metrics >= 3; }));
}

void check_while_held(const char* what, const ns::Client& client, const ns::Sandbox& sandbox,
                      Consumer& consumer, double before) {
  REQUIRE(test::eventually([&] { return consumer.held.load(); }));
  live_meanwhile(client, sandbox);
  // The brake reaches the command itself.
  CHECK(sandbox.commands().run("test -e produced", {.shell = true}).exit_code == 1);
  const double held = resident_mib();
  CHECK(held - before < kMaxGrowthMib);
  consumer.release.set_value();
  CHECK(test::eventually([&] { return consumer.bytes == kBytes; }, 400s));
  std::printf("%s: %.1f MiB resident before, %.1f while 100 MiB are held up, %.1f after all came\n",
              what, before, held, resident_mib());
}

}  // namespace

TEST_CASE("slow consumer: a terminal's callback holds up its own session only") {
  BadNetwork network;
  ThreadPool pool(3);
  {
    ns::ClientOptions options = network.options();
    options.executor = pool.executor();
    const ns::Client client(options);
    const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
    Consumer consumer;
    const ns::PtySession session = sandbox->pty().create_session(
        {.on_data = [&consumer](std::string_view data) { consumer(data); }});
    live_meanwhile(client, *sandbox);
    const double before = resident_mib();
    session.send_input("stty raw -echo; " + kProduce + "\n");
    check_while_held("terminal", client, *sandbox, consumer, before);
  }
}

TEST_CASE("slow consumer: a command's callback holds up its own stream only") {
  BadNetwork network;
  ThreadPool pool(3);
  {
    ns::ClientOptions options = network.options();
    options.executor = pool.executor();
    const ns::Client client(options);
    const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
    Consumer consumer;
    live_meanwhile(client, *sandbox);
    const double before = resident_mib();
    const ns::Command command = sandbox->commands().run_background(
        kProduce, {.shell = true,
                   .on_stdout = [&consumer](std::string_view data) { consumer(data); },
                   .capture_limit = 4096});
    check_while_held("command", client, *sandbox, consumer, before);
  }
}

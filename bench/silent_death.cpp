// How long it takes to find out that the peer is gone when nothing says so: no FIN, no RST, only
// silence. In keepalive intervals, which here are short; the promise is two of them, whatever their
// length.
//
// Needs NULLSPACE_API_URL and NULLSPACE_API_KEY; `./dev bench` brings a server.
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

#include "bad_network.hpp"
#include "figures.hpp"

namespace ns = nullspace;
using nullspace::tests::TcpProxy;

namespace {

constexpr int kRounds = 10;
constexpr std::chrono::milliseconds kInterval{200};

// `watch` opens a stream that calls `found` once its peer is found to be gone, and keeps it.
using Watch = std::function<std::shared_ptr<void>(std::function<void()> found)>;

void measure(const char* what, TcpProxy& proxy, const Watch& watch) {
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    auto found = std::make_shared<std::promise<void>>();
    std::future<void> when = found->get_future();
    auto once = std::make_shared<std::once_flag>();
    const std::shared_ptr<void> stream =
        watch([found, once] { std::call_once(*once, [&] { found->set_value(); }); });
    // At every stage between two pings.
    std::this_thread::sleep_for(kInterval + kInterval * round / kRounds);
    proxy.black_hole(true);
    const auto start = bench::Clock::now();
    if (when.wait_for(std::chrono::seconds(60)) != std::future_status::ready)
      throw std::runtime_error("the silence was never noticed");
    seconds.push_back(bench::seconds_since(start));
    proxy.black_hole(false);
  }
  const double interval = std::chrono::duration<double>(kInterval).count();
  fmt::print(
      "{:<28} interval {} ms   min {:>4.0f} ms ({:.2f} intervals)   median {:>4.0f} ms ({:.2f})   "
      "max {:>4.0f} ms ({:.2f})\n",
      what, kInterval.count(), bench::quantile(seconds, 0) * 1e3,
      bench::quantile(seconds, 0) / interval, bench::quantile(seconds, 0.5) * 1e3,
      bench::quantile(seconds, 0.5) / interval, bench::quantile(seconds, 1) * 1e3,
      bench::quantile(seconds, 1) / interval);
}

}  // namespace

int main() try {
  const ns::Client direct;
  const auto proxy = bench::proxy_to(direct.base_url());
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(direct);
  ns::ClientOptions options = bench::options_through(*proxy);
  options.keepalive.interval = kInterval;
  // A loss is reported, not mended.
  options.reconnect.enabled = false;
  const ns::Client client(options);

  measure("monitor", *proxy, [&](const std::function<void()>& found) {
    return std::make_shared<ns::Subscription>(
        // Rarer than the pings, so that these have to find out.
        ns::Monitor(client).subscribe({.interval = std::chrono::seconds(10),
                                       .on_state_change = [found](const ns::StateChange& change) {
                                         if (change.state == ns::StreamState::closed) found();
                                       }}));
  });
  const ns::Sandbox remote = *ns::Sandbox::find(client, sandbox->id());
  measure("terminal", *proxy, [&](const std::function<void()>& found) {
    return std::make_shared<ns::PtySession>(remote.pty().create_session(
        {.on_data = [](std::string_view) {}, .on_error = [found](const ns::Error&) { found(); }}));
  });
  measure("streamed command", *proxy, [&](const std::function<void()>& found) {
    return std::make_shared<ns::Command>(remote.commands().run_background(
        "sleep 60", {.shell = true,
                     .on_stdout = [](std::string_view) {},
                     .on_error = [found](const ns::Error&) { found(); }}));
  });
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_silent_death: {}\n", error.what());
  return 1;
}

// How long it takes to let go of streams whose peer has vanished without a word. The promise is 100
// ms for everything.
//
// Needs NULLSPACE_API_URL and NULLSPACE_API_KEY; `./dev bench` brings a server.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

#include "bad_network.hpp"
#include "figures.hpp"

namespace ns = nullspace;
using nullspace::tests::TcpProxy;

namespace {

constexpr int kRounds = 20;

void row(const char* what, std::vector<double>& milliseconds) {
  fmt::print("{:<52} min {:>6.2f} ms   median {:>6.2f}   max {:>6.2f}\n", what,
             bench::quantile(milliseconds, 0), bench::quantile(milliseconds, 0.5),
             bench::quantile(milliseconds, 1));
}

// `prepare` makes the streams; what it returns lets go of them.
void measure(const char* what, TcpProxy& proxy,
             const std::function<std::function<void()>()>& prepare) {
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const std::function<void()> let_go = prepare();
    proxy.black_hole(true);
    const auto start = bench::Clock::now();
    let_go();
    times.push_back(bench::seconds_since(start) * 1e3);
    proxy.black_hole(false);
    // The last round's connections must not be this one's.
    proxy.cut_all(nullspace::tests::Cut::reset);
  }
  row(what, times);
}

void measure_streams(TcpProxy& proxy) {
  const ns::Client direct;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(direct);
  const ns::Client client(bench::options_through(proxy));
  const ns::Sandbox remote = *ns::Sandbox::find(client, sandbox->id());

  measure("stop() of a subscription", proxy, [&] {
    auto live = std::make_shared<ns::Subscription>(ns::Monitor(client).subscribe());
    return [live] { live->stop(); };
  });
  measure("destruction of a subscription", proxy, [&] {
    auto live = std::make_shared<std::optional<ns::Subscription>>(ns::Monitor(client).subscribe());
    return [live] { live->reset(); };
  });
  measure("destruction of 100 subscriptions", proxy, [&] {
    auto live = std::make_shared<std::vector<ns::Subscription>>();
    for (int i = 0; i < 100; ++i)
      live->push_back(ns::Monitor(client).subscribe());
    return [live] { live->clear(); };
  });
  measure("disconnect() of a terminal with a callback", proxy, [&] {
    auto session = std::make_shared<ns::PtySession>(
        remote.pty().create_session({.on_data = [](std::string_view) {}}));
    return [session] { session->disconnect(); };
  });
  measure("destruction of a terminal", proxy, [&] {
    auto session = std::make_shared<std::optional<ns::PtySession>>(remote.pty().create_session());
    return [session] { session->reset(); };
  });
  measure("destruction of a streamed command", proxy, [&] {
    auto command = std::make_shared<std::optional<ns::Command>>(remote.commands().run_background(
        "sleep 60", {.shell = true, .on_stdout = [](std::string_view) {}}));
    return [command] { command->reset(); };
  });
}

// With nothing else alive, so that the last one to go ends the SDK's threads, too.
void measure_client(TcpProxy& proxy) {
  struct All {
    std::optional<ns::Client> client;
    std::vector<ns::Subscription> live;
  };
  measure("end of a client, 20 subscriptions and its threads", proxy, [&] {
    auto all = std::make_shared<All>();
    all->client.emplace(bench::options_through(proxy));
    for (int i = 0; i < 20; ++i)
      all->live.push_back(ns::Monitor(*all->client).subscribe());
    return [all] {
      all->client.reset();
      all->live.clear();
    };
  });
}

}  // namespace

int main() try {
  const auto proxy = bench::proxy_to(ns::Client().base_url());
  measure_streams(*proxy);
  measure_client(*proxy);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_black_hole: {}\n", error.what());
  return 1;
}

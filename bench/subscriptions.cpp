// What 1,000 monitor subscriptions on one client cost: memory, threads, and how much later one busy
// stream comes by its turn among them. Beside it the same exchange over a bare blocking socket,
// which has no other connections to look after.
//
// Needs NULLSPACE_API_URL and NULLSPACE_API_KEY; `./dev bench` brings a server.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

#include "bad_network.hpp"
#include "figures.hpp"
#include "raw_websocket.hpp"

namespace ns = nullspace;

namespace {

constexpr std::size_t kSubscriptions = 1000;
constexpr int kRounds = 5;
constexpr int kRunsPerRound = 40;
constexpr int kKeysPerRound = 200;
// A shell that has stopped echoing and editing, and sends back what it gets.
constexpr const char* kMirror = "stty raw -echo; echo ready; exec cat\n";

void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kSubscriptions + 100)
    throw std::runtime_error("this needs 1,100 descriptors: see `ulimit -n`");
}

double resident_mib() {
  long total = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

std::ptrdiff_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

// The exchanges in turns, so that a machine whose speed drifts favours none.
struct Exchange {
  const char* what;
  const char* who;
  int per_round;
  std::function<void()> run;
  std::vector<double> microseconds{};
};

void measure(std::vector<Exchange>& exchanges, const char* among) {
  for (int round = 0; round < kRounds; ++round) {
    for (Exchange& exchange : exchanges) {
      for (int i = 0; i < exchange.per_round; ++i) {
        const auto start = bench::Clock::now();
        exchange.run();
        exchange.microseconds.push_back(bench::seconds_since(start) * 1e6);
      }
    }
  }
  for (Exchange& exchange : exchanges) {
    fmt::print("{:<28} {:<14} {:<22} p50 {:>7.0f} us   p99 {:>7.0f} us\n", exchange.what,
               exchange.who, among, bench::quantile(exchange.microseconds, 0.5),
               bench::quantile(exchange.microseconds, 0.99));
    exchange.microseconds.clear();
  }
}

void bare_exec(std::uint16_t port, const std::string& path, const std::string& key) {
  bench::RawWebSocket socket(port, path, key);
  socket.send(R"({"type":"exec_start","id":"b","command":"true","args":[],"timeout_secs":30})");
  while (socket.receive().find("exec_exit") == std::string::npos) {
  }
}

// The SDK's terminal, and the bare socket's, each with a mirror at the other end.
class Mirrors {
 public:
  Mirrors(const ns::Sandbox& sandbox, std::uint16_t port, const std::string& path,
          const std::string& key)
      : session_(sandbox.pty().create_session()), raw_(port, path, key) {
    session_.send_input(kMirror);
    std::string seen;
    while (seen.find("ready\n") == std::string::npos)
      seen += session_.read().value();

    ns::PtySession other = sandbox.pty().create_session();
    raw_id_ = other.session_id();
    raw_.send(fmt::format(R"({{"type":"pty_connect","id":"b","session_id":"{}"}})", raw_id_));
    (void)raw_.receive();
    other.send_input(kMirror);
    while (raw_.receive().find("ready\\n") == std::string::npos) {
    }
  }
  void press_key() {
    session_.send_input("k");
    while (session_.read().value().find('k') == std::string::npos) {
    }
  }
  void press_bare_key() {
    raw_.send(
        fmt::format(R"({{"type":"pty_input","id":"b","session_id":"{}","data":"k"}})", raw_id_));
    while (raw_.receive().find(R"("data":"k")") == std::string::npos) {
    }
  }

 private:
  ns::PtySession session_;
  bench::RawWebSocket raw_;
  std::string raw_id_;
};

}  // namespace

int main() try {
  allow_many_descriptors();
  const ns::Client client;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  const std::string key = std::getenv("NULLSPACE_API_KEY");
  const std::uint16_t port = bench::port_of(client.base_url());
  const std::string socket = "/v1/sandboxes/" + sandbox->id() + "/ws?channel=";
  const ns::Commands commands = sandbox->commands();
  Mirrors mirrors(*sandbox, port, socket + "pty", key);

  std::vector<Exchange> exchanges;
  exchanges.push_back({"streamed `true`", "nullspace", kRunsPerRound,
                       [&] { commands.run("true", {.on_stdout = [](std::string_view) {}}); }});
  exchanges.push_back({"streamed `true`", "bare socket", kRunsPerRound,
                       [&] { bare_exec(port, socket + "exec", key); }});
  exchanges.push_back(
      {"a key and its echo", "nullspace", kKeysPerRound, [&] { mirrors.press_key(); }});
  exchanges.push_back(
      {"a key and its echo", "bare socket", kKeysPerRound, [&] { mirrors.press_bare_key(); }});
  measure(exchanges, "alone");

  const double memory_before = resident_mib();
  const std::ptrdiff_t threads_before = threads();
  const auto start = bench::Clock::now();
  std::vector<ns::Subscription> live;
  const ns::Monitor monitor(client);
  for (std::size_t i = 0; i < kSubscriptions; ++i)
    live.push_back(monitor.subscribe({.interval = std::chrono::seconds(10)}));
  const double opened = bench::seconds_since(start);
  measure(exchanges, "among 1,000 idle ones");
  const double grown = resident_mib() - memory_before;
  fmt::print(
      "{:<28} opened one by one in {:.2f} s   memory +{:.1f} MiB, {:.1f} KiB each   threads {} -> "
      "{}\n",
      "1,000 subscriptions", opened, grown, grown * 1024 / kSubscriptions, threads_before,
      threads());
  const auto stop = bench::Clock::now();
  live.clear();
  fmt::print("{:<28} stopped one by one in {:.2f} s\n", "1,000 subscriptions",
             bench::seconds_since(stop));
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_subscriptions: {}\n", error.what());
  return 1;
}

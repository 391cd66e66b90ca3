// Watches all sandboxes of the account: a table that redraws itself on a terminal, one line per
// event in a pipe.
//
//   monitor [seconds]
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

namespace ns = nullspace;
using namespace std::chrono_literals;

namespace {

struct Row {
  std::string status{};
  double cpu_percent{0};
  std::int64_t mem_kib{0};
};

}  // namespace

int main(int argc, char** argv) {
  const std::chrono::seconds duration(argc > 1 ? std::atoi(argv[1]) : 10);
  const bool redraw = isatty(STDOUT_FILENO) == 1;
  // Callbacks of one subscription never run at once, so that the rows need no lock.
  std::map<std::string, Row> rows;

  const auto show = [&](const std::string& event, const std::string& id) {
    if (!redraw) {
      const Row& row = rows[id];
      fmt::print("{:<8} {} {} cpu {:.1f} % mem {} KiB\n", event, id, row.status, row.cpu_percent,
                 row.mem_kib);
    } else {
      fmt::print("\x1b[H\x1b[J{:<26} {:<10} {:>7} {:>10}\n", "SANDBOX", "STATUS", "CPU %",
                 "MEM KiB");
      for (const auto& [name, row] : rows) {
        fmt::print("{:<26} {:<10} {:>7.1f} {:>10}\n", name, row.status, row.cpu_percent,
                   row.mem_kib);
      }
    }
    std::fflush(stdout);
  };

  try {
    const ns::Monitor monitor;
    ns::Subscription live = monitor.subscribe({
        .interval = 500ms,
        .on_snapshot =
            [&](const ns::MonitorSnapshotEvent& e) {
              rows.clear();
              for (const ns::SandboxInfo& info : e.sandboxes) {
                rows[info.id].status = info.status_text;
                show("snapshot", info.id);
              }
            },
        .on_update =
            [&](const ns::MonitorUpdateEvent& e) {
              rows[e.sandbox_id].status = e.sandbox ? e.sandbox->status_text : "removed";
              show("update", e.sandbox_id);
              if (!e.sandbox) rows.erase(e.sandbox_id);
            },
        .on_metrics =
            [&](const ns::MonitorMetricsEvent& e) {
              rows[e.sandbox_id].cpu_percent = e.metrics.cpu_percent;
              rows[e.sandbox_id].mem_kib = e.metrics.mem_used_bytes / 1024;
              show("metrics", e.sandbox_id);
            },
        .on_error = [](const ns::Error& e) { std::cerr << "monitor: " << e.what() << '\n'; },
        // The connection may come and go; the subscription looks after that itself.
        .on_state_change =
            [](const ns::StateChange& e) {
              std::cerr << "monitor: " << ns::to_string(e.state) << '\n';
            },
    });
    std::this_thread::sleep_for(duration);
    live.stop();  // When it returns, no callback runs any more.
    return live.last_error() ? 1 : 0;
  } catch (const ns::Error& error) {
    std::cerr << "monitor: " << error.what() << '\n';
    return 1;
  }
}

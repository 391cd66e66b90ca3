#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <nullspace/nullspace.hpp>

namespace test {

// Everything that the callbacks of one monitor subscription got, and a way to wait for more of it.
class Watcher {
 public:
  nullspace::MonitorOptions options();

  // Waits until `enough(*this)` holds, which is asked under the lock. False when it never does.
  template <typename Condition>
  bool wait_until(Condition enough) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds{30}, [&] { return enough(*this); });
  }

  // Read them inside wait_until(), or after the subscription has been stopped.
  std::vector<nullspace::MonitorSnapshotEvent> snapshots{};
  std::vector<nullspace::MonitorUpdateEvent> updates{};
  std::vector<nullspace::MonitorMetricsEvent> metrics{};
  std::vector<nullspace::MonitorProcessesEvent> processes{};
  std::vector<nullspace::Error> errors{};
  std::vector<nullspace::StateChange> states{};

 private:
  template <typename Event>
  auto keep_in(std::vector<Event>& list) {
    return [this, &list](const Event& event) {
      const std::lock_guard lock(mutex_);
      list.push_back(event);
      changed_.notify_all();
    };
  }

  std::mutex mutex_;
  std::condition_variable changed_;
};

inline nullspace::MonitorOptions Watcher::options() {
  nullspace::MonitorOptions options;
  options.interval = std::chrono::milliseconds{500};
  options.on_snapshot = keep_in(snapshots);
  options.on_update = keep_in(updates);
  options.on_metrics = keep_in(metrics);
  options.on_processes = keep_in(processes);
  options.on_error = keep_in(errors);
  options.on_state_change = keep_in(states);
  return options;
}

}  // namespace test

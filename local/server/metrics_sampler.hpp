#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "local/guest/protocol.hpp"
#include "local/server/background_worker.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/guest_runtime.hpp"
#include "local/server/service_clock.hpp"

namespace nullspace::local {

struct MetricsLimits {
  int cpu_count = 1;
  std::int64_t memory_bytes = 0;
  std::optional<std::int64_t> disk_bytes;
};

// Resource use of one sandbox: samples, and the recent past of them.
class MetricsSampler {
 public:
  // Null when the sandbox could not be asked.
  using Callback = std::function<void(const SandboxMetrics*)>;

  // That many samples are kept.
  static constexpr int kHistory = 600;

  MetricsSampler(EventLoop& loop, ServiceClock& clock, BackgroundWorker& worker,
                 GuestRuntime& guest, std::filesystem::path tree, MetricsLimits limits);

  // A sample at most `max_age` old.
  void sample(Clock::duration max_age, Callback done);
  // Oldest first.
  [[nodiscard]] std::vector<SandboxMetrics> history() const;

 private:
  // Processors work in real time.
  struct CpuReading {
    Clock::time_point at;
    std::uint64_t usec = 0;
  };

  void sampled(const guest::Sampled* sampled);
  void measure_disk();

  EventLoop& loop_;
  ServiceClock& clock_;
  BackgroundWorker& worker_;
  GuestRuntime& guest_;
  std::filesystem::path tree_;
  MetricsLimits limits_;
  std::deque<SandboxMetrics> history_;
  Clock::time_point sampled_at_;  // of the service
  CpuReading cpu_;
  std::vector<Callback> waiting_;
  ClockHold hold_;  // while somebody waits

  std::int64_t disk_used_ = 0;
  Clock::time_point disk_measured_at_;
  bool disk_measured_ = false;
  bool disk_measuring_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace nullspace::local

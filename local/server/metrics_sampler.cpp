#include "local/server/metrics_sampler.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "local/server/tree.hpp"

namespace nullspace::local {

namespace {

constexpr auto kDiskAge = std::chrono::seconds(10);
// How long a manual clock waits for a sample.
constexpr auto kSamplePatience = std::chrono::seconds(2);

std::int64_t file_system_bytes(const std::filesystem::path& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return 0;
  return static_cast<std::int64_t>(info.f_blocks * info.f_frsize);
}

}  // namespace

MetricsSampler::MetricsSampler(EventLoop& loop, ServiceClock& clock, BackgroundWorker& worker,
                               GuestRuntime& guest, std::filesystem::path tree,
                               MetricsLimits limits)
    : loop_(loop),
      clock_(clock),
      worker_(worker),
      guest_(guest),
      tree_(std::move(tree)),
      limits_(limits),
      cpu_{Clock::now(), 0} {
  if (!limits_.disk_bytes) limits_.disk_bytes = file_system_bytes(tree_.parent_path());
}

void MetricsSampler::sample(Clock::duration max_age, Callback done) {
  if (!history_.empty() && clock_.now() - sampled_at_ <= max_age) return done(&history_.back());
  waiting_.push_back(std::move(done));
  if (waiting_.size() > 1) return;
  hold_ = clock_.hold(kSamplePatience);
  measure_disk();
  guest_.sample([this, alive = std::weak_ptr<const bool>(alive_)](const guest::Sampled* result) {
    if (!alive.expired()) sampled(result);
  });
}

void MetricsSampler::sampled(const guest::Sampled* sampled) {
  if (sampled != nullptr) {
    const CpuReading now{Clock::now(), sampled->cpu_usec_total};
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::microseconds>(now.at - cpu_.at).count();
    const double used = now.usec > cpu_.usec ? static_cast<double>(now.usec - cpu_.usec) : 0.0;
    const double available = static_cast<double>(elapsed) * std::max(limits_.cpu_count, 1);
    SandboxMetrics metrics;
    metrics.timestamp = clock_.wall();
    // The sandbox's size is not enforced here: it may use more than it was given.
    metrics.cpu_percent = available > 0 ? std::min(100.0, 100.0 * used / available) : 0.0;
    metrics.cpu_count = limits_.cpu_count;
    metrics.mem_used_bytes = static_cast<std::int64_t>(sampled->mem_used_bytes);
    metrics.mem_total_bytes = limits_.memory_bytes;
    metrics.disk_used_bytes = disk_used_;
    metrics.disk_total_bytes = *limits_.disk_bytes;
    history_.push_back(metrics);
    if (history_.size() > static_cast<std::size_t>(kHistory)) history_.pop_front();
    cpu_ = now;
    sampled_at_ = clock_.now();
  }
  const ClockHold hold = std::exchange(hold_, nullptr);
  const auto waiting = std::exchange(waiting_, {});
  const SandboxMetrics latest = history_.empty() ? SandboxMetrics{} : history_.back();
  for (const Callback& done : waiting)
    done(sampled == nullptr ? nullptr : &latest);
}

std::vector<SandboxMetrics> MetricsSampler::history() const {
  return {history_.begin(), history_.end()};
}

void MetricsSampler::measure_disk() {
  if (disk_measuring_) return;
  if (disk_measured_ && Clock::now() - disk_measured_at_ < kDiskAge) return;
  disk_measuring_ = true;
  worker_.run([this, &loop = loop_, tree = tree_, alive = std::weak_ptr<const bool>(alive_)] {
    const std::uint64_t bytes = measure_tree(tree);
    loop.post([this, alive, bytes] {
      if (alive.expired()) return;
      disk_used_ = static_cast<std::int64_t>(bytes);
      disk_measured_at_ = Clock::now();
      disk_measured_ = true;
      disk_measuring_ = false;
    });
  });
}

}  // namespace nullspace::local

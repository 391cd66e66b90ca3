#include "local/server/sandbox.hpp"

#include <algorithm>
#include <utility>

namespace nullspace::local {

namespace {

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20U;

std::string word_of(SandboxStatus status) {
  return std::string(wire::status_word(status));
}

}  // namespace

Sandbox::Sandbox(Machinery& machinery, std::string id, SandboxSpec spec, std::filesystem::path tree,
                 std::uint64_t sequence)
    : machinery_(machinery),
      id_(std::move(id)),
      spec_(std::move(spec)),
      tree_(std::move(tree)),
      sequence_(sequence),
      deadline_(machinery.clock) {}

SandboxInfo Sandbox::info() const {
  SandboxInfo info;
  info.id = id_;
  // Who reads "paused" may resume at once: it is said when there is a snapshot to resume from.
  const bool still_hibernating = status_ == SandboxStatus::paused && snapshot_id_.empty();
  const SandboxStatus status = still_hibernating ? SandboxStatus::running : status_;
  info.status = status;
  info.status_text = word_of(status);
  info.config.vcpus = spec_.request.vcpus;
  info.config.memory_mb = spec_.request.memory_mb;
  info.config.disk_mb = spec_.request.disk_mb;
  info.template_id = spec_.request.template_id;
  info.metadata = spec_.request.metadata;
  info.created_at = spec_.created_at;
  if (!spec_.request.cwd.empty()) info.cwd = spec_.request.cwd;
  info.timeout = spec_.request.timeout;
  info.timeout_action = spec_.request.timeout_action;
  if (status == SandboxStatus::running) {
    info.started_at = started_at_;
    info.timeout_at = deadline_at_;
    info.expires_at = deadline_at_;
  }
  if (status == SandboxStatus::paused) info.snapshot_id = snapshot_id_;
  return info;
}

void Sandbox::set_in_transition(bool value) {
  in_transition_ = value;
  if (value || settled_.empty()) return;
  for (Task& task : std::exchange(settled_, {}))
    machinery_.loop.defer(std::move(task));
}

void Sandbox::when_settled(Task task) {
  if (!in_transition_) return task();
  settled_.push_back(std::move(task));
}

void Sandbox::start_guest(std::function<void(const std::string* failure)> done) {
  GuestRuntime::Events events;
  events.on_started = [this, done = std::move(done)](const std::string* failure) {
    if (failure == nullptr) started_at_ = machinery_.clock.wall();
    done(failure);
  };
  events.on_exit = [this](const guest::Exited& exited) {
    if (!processes_->exited(exited)) terminals_->exited(exited);
  };
  events.on_lost = [this](const std::string& reason) {
    const auto self = shared_from_this();
    processes_->lose_all();
    terminals_->lose_all();
    if (lost_) lost_(reason);
  };
  guest_ = std::make_unique<GuestRuntime>(machinery_.loop, std::move(events));
  processes_ = std::make_unique<ProcessBook>(machinery_.loop, *guest_, spec_);
  terminals_ = std::make_unique<TerminalBook>(machinery_.loop, *guest_, spec_);
  MetricsLimits limits;
  limits.cpu_count = spec_.request.vcpus;
  limits.memory_bytes = spec_.request.memory_mb * kMebibyte;
  if (spec_.request.disk_mb) limits.disk_bytes = *spec_.request.disk_mb * kMebibyte;
  metrics_ = std::make_unique<MetricsSampler>(machinery_.loop, machinery_.clock, machinery_.worker,
                                              *guest_, tree_, limits);
  guest::LaunchOptions options;
  options.sandbox_id = id_;
  options.root = tree_;
  options.hidden = {machinery_.state_dir};
  options.guest_executable = machinery_.guest_executable;
  options.isolation = machinery_.isolation;
  options.internet_access = spec_.request.internet_access;
  guest_->start(options);
}

void Sandbox::stop_guest(Task done) {
  disarm_deadline();
  if (!guest_) {
    machinery_.loop.defer(std::move(done));
    return;
  }
  guest_->stop([self = shared_from_this(), done = std::move(done)] {
    self->processes_->lose_all();
    self->terminals_->lose_all();
    done();
  });
}

void Sandbox::arm_deadline(Task expired) {
  const std::chrono::milliseconds timeout = spec_.request.timeout;
  deadline_at_ = machinery_.clock.wall() + timeout;
  deadline_steady_ = machinery_.clock.now() + timeout;
  deadline_.start_at(deadline_steady_, std::move(expired));
}

std::chrono::milliseconds Sandbox::remaining() const {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline_steady_ - machinery_.clock.now());
  return std::max(left, std::chrono::milliseconds::zero());
}

}  // namespace nullspace::local

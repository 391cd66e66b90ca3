#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "local/server/event_loop.hpp"
#include "local/server/guest_runtime.hpp"
#include "local/server/metrics_sampler.hpp"
#include "local/server/process_book.hpp"
#include "local/server/sandbox_spec.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/terminal_book.hpp"

namespace nullspace::local {

// How sandboxes are run on this machine.
struct Machinery {
  EventLoop& loop;
  ServiceClock& clock;
  BackgroundWorker& worker;
  std::filesystem::path state_dir;
  std::filesystem::path guest_executable;
  guest::IsolationProbe isolation;
};

// One sandbox: what it is, its guest while it runs, its deadline.
class Sandbox : public std::enable_shared_from_this<Sandbox> {
 public:
  Sandbox(Machinery& machinery, std::string id, SandboxSpec spec, std::filesystem::path tree,
          std::uint64_t sequence);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const SandboxSpec& spec() const { return spec_; }
  [[nodiscard]] SandboxSpec& spec() { return spec_; }
  [[nodiscard]] const std::filesystem::path& tree() const { return tree_; }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] SandboxStatus status() const { return status_; }
  [[nodiscard]] const std::string& snapshot_id() const { return snapshot_id_; }
  [[nodiscard]] SandboxInfo info() const;

  // Between two states: no other transition may begin.
  [[nodiscard]] bool in_transition() const { return in_transition_; }
  void set_in_transition(bool value);
  // Runs once no transition is under way.
  void when_settled(Task task);
  void set_status(SandboxStatus status) { status_ = status; }
  void set_snapshot(std::string snapshot_id) { snapshot_id_ = std::move(snapshot_id); }

  // Starts a guest on the tree; `done` with null when it serves, else with the reason.
  void start_guest(std::function<void(const std::string* failure)> done);
  // Ends it with every process. Attached clients learn that their command or terminal is over.
  void stop_guest(Task done);
  // Called when the guest went away by itself.
  void on_lost(std::function<void(const std::string&)> callback) { lost_ = std::move(callback); }

  // Starts (or restarts) the countdown of the spec's timeout.
  void arm_deadline(Task expired);
  void disarm_deadline() { deadline_.cancel(); }
  [[nodiscard]] std::chrono::milliseconds remaining() const;

  // Of the guest; only after it was started.
  [[nodiscard]] const guest::SandboxLayout& layout() const { return guest_->layout(); }
  [[nodiscard]] ProcessBook& processes() { return *processes_; }
  [[nodiscard]] TerminalBook& terminals() { return *terminals_; }
  [[nodiscard]] MetricsSampler& metrics() { return *metrics_; }

 private:
  Machinery& machinery_;
  std::string id_;
  SandboxSpec spec_;
  std::filesystem::path tree_;
  std::uint64_t sequence_;
  SandboxStatus status_ = SandboxStatus::creating;
  bool in_transition_ = false;
  std::vector<Task> settled_;
  std::string snapshot_id_;
  std::optional<Timestamp> started_at_;
  std::optional<Timestamp> deadline_at_;
  Clock::time_point deadline_steady_;
  ServiceTimer deadline_;
  std::function<void(const std::string&)> lost_;

  // In this order: the books refer to the guest.
  std::unique_ptr<GuestRuntime> guest_;
  std::unique_ptr<ProcessBook> processes_;
  std::unique_ptr<TerminalBook> terminals_;
  std::unique_ptr<MetricsSampler> metrics_;
};

}  // namespace nullspace::local

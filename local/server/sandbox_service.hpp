#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "local/server/api_error.hpp"
#include "local/server/lifecycle_journal.hpp"
#include "local/server/sandbox.hpp"
#include "local/server/sandbox_store.hpp"
#include "wire/snapshot_messages.hpp"

namespace nullspace::local {

// Told about every change that a list of sandboxes would show.
class SandboxObserver {
 public:
  virtual ~SandboxObserver() = default;
  virtual void on_sandbox_changed(const Sandbox& sandbox) = 0;
  virtual void on_sandbox_removed(const Sandbox& sandbox) = 0;
};

// What can be done to sandboxes: create, end, hibernate, resume, move the deadline. The deadline
// itself is enforced here, too. Loop's thread only.
class SandboxService {
 public:
  using SandboxOutcome = std::variant<std::shared_ptr<Sandbox>, ApiError>;
  using SandboxCallback = std::function<void(SandboxOutcome)>;
  using SnapshotOutcome = std::variant<wire::SnapshotAnswer, ApiError>;
  using SnapshotCallback = std::function<void(SnapshotOutcome)>;
  using DoneCallback = std::function<void(std::optional<ApiError>)>;
  // For the one line that the log gets.
  using Note = std::function<void(const std::string&)>;

  SandboxService(Machinery machinery, LifecycleJournal& journal, Note note);

  [[nodiscard]] SandboxStore& store() { return store_; }
  [[nodiscard]] bool isolated() const { return machinery_.isolation.isolated; }

  // Answers when the sandbox is usable.
  void create(SandboxSpec spec, SandboxCallback done);
  // Answers when its last process is gone.
  void kill(const std::shared_ptr<Sandbox>& sandbox, const LifecycleCause& cause,
            DoneCallback done);
  void hibernate(const std::shared_ptr<Sandbox>& sandbox, const LifecycleCause& cause,
                 SnapshotCallback done);
  // As a new sandbox with an id of `dialect`, or in place, under its own.
  void resume_as_new(const std::shared_ptr<Sandbox>& paused, Dialect dialect, SandboxCallback done);
  void resume_in_place(const std::shared_ptr<Sandbox>& paused, const LifecycleCause& cause,
                       SandboxCallback done);
  std::optional<ApiError> set_timeout(Sandbox& sandbox, std::chrono::milliseconds timeout,
                                      std::optional<TimeoutAction> action);
  // The sandbox if it runs; wakes one that may be woken by use.
  void require_running(const std::shared_ptr<Sandbox>& sandbox, SandboxCallback done);

  void add_observer(std::shared_ptr<SandboxObserver> observer);
  void remove_observer(const SandboxObserver* observer);

  // Ends what the account has and forgets what it had, its log and webhooks included. Nothing of
  // it is to be seen any more when this returns; the processes end on their own. How many
  // sandboxes there were.
  std::size_t end_all(AccountId account);
  // Ends every sandbox; afterwards nothing can be created.
  void shut_down(Task done);

 private:
  void start(const std::shared_ptr<Sandbox>& sandbox,
             std::function<void(std::optional<ApiError>)> done);
  void make_directory(const std::shared_ptr<Sandbox>& sandbox,
                      std::function<void(std::optional<ApiError>)> done);
  void running(const std::shared_ptr<Sandbox>& sandbox);
  void expired(const std::shared_ptr<Sandbox>& sandbox);
  void lost(Sandbox& sandbox, const std::string& reason);
  void discard_tree(const Sandbox& sandbox);
  void sample_all();
  void notify_changed(const Sandbox& sandbox);
  void notify_removed(const Sandbox& sandbox);

  Machinery machinery_;
  LifecycleJournal& journal_;
  Note note_;
  SandboxStore store_;
  std::vector<std::shared_ptr<SandboxObserver>> observers_;
  std::map<const Sandbox*, std::vector<SandboxCallback>> waking_;
  std::vector<std::shared_ptr<Sandbox>> ending_;  // killed, but not dead yet
  ServiceTimer sample_timer_;
  bool shutting_down_ = false;
};

}  // namespace nullspace::local

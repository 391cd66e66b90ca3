#include "local/server/sandbox_service.hpp"

#include <algorithm>
#include <utility>

#include "local/server/ids.hpp"
#include "local/server/tree.hpp"
#include "wire/dialect.hpp"

namespace nullspace::local {

namespace {

constexpr auto kSampleInterval = std::chrono::seconds(1);
// With many sandboxes the looks at them would add up.
constexpr auto kSampleCost = std::chrono::milliseconds(50);
// How long a manual clock waits for the end of a sandbox that has reached its timeout.
constexpr auto kExpiryPatience = std::chrono::seconds(10);

ApiError in_transition() {
  ApiError error = api_error(409, "transition_in_progress", "another transition is still running");
  error.retryable = true;
  return error;
}

ApiError not_ready(const Sandbox& sandbox) {
  return api_error(409, "sandbox_not_ready",
                   sandbox.id() + " is " + std::string(wire::status_word(sandbox.status())));
}

LifecycleSubject subject_of(const Sandbox& sandbox) {
  const SandboxSpec& spec = sandbox.spec();
  return {spec.account, spec.dialect, sandbox.id(), spec.request.timeout_action,
          sandbox.sequence()};
}

std::string new_sandbox_id(Dialect dialect) {
  return new_id(wire::noun(dialect).id_prefix);
}

}  // namespace

SandboxService::SandboxService(Machinery machinery, LifecycleJournal& journal, Note note)
    : machinery_(std::move(machinery)),
      journal_(journal),
      note_(std::move(note)),
      sample_timer_(machinery_.clock) {}

void SandboxService::create(SandboxSpec spec, SandboxCallback done) {
  spec.created_at = machinery_.clock.wall();
  auto sandbox = std::make_shared<Sandbox>(
      machinery_, new_sandbox_id(spec.dialect), std::move(spec),
      machinery_.state_dir / "sandboxes" / random_hex(8), store_.next_sequence());
  store_.add(sandbox);
  sandbox->set_in_transition(true);
  start(sandbox, [this, sandbox, done = std::move(done)](std::optional<ApiError> error) {
    sandbox->set_in_transition(false);
    if (!error) {
      journal_.created(subject_of(*sandbox));
      return done(sandbox);
    }
    journal_.create_failed(subject_of(*sandbox), *error);
    store_.drop(*sandbox);
    sandbox->stop_guest([this, sandbox] { discard_tree(*sandbox); });
    done(std::move(*error));
  });
}

void SandboxService::start(const std::shared_ptr<Sandbox>& sandbox,
                           std::function<void(std::optional<ApiError>)> done) {
  if (shutting_down_) {
    machinery_.loop.defer([done] {
      done(api_error(503, "no_eligible_runtime_host", "the server is shutting down"));
    });
    return;
  }
  const std::weak_ptr<Sandbox> weak = sandbox;
  sandbox->on_lost([this, weak](const std::string& reason) {
    if (const auto alive = weak.lock()) lost(*alive, reason);
  });
  sandbox->start_guest([this, weak, done = std::move(done)](const std::string* failure) {
    const auto started = weak.lock();
    if (!started) return;
    if (failure != nullptr) {
      note_("a sandbox could not be started: " + *failure);
      return done(api_error(503, "no_eligible_runtime_host",
                            "the sandbox could not be started: " + *failure));
    }
    make_directory(started, [this, started, done](std::optional<ApiError> error) {
      if (!error) running(started);
      done(std::move(error));
    });
  });
}

// The sandbox's own directory is made by a process of the sandbox, with its rights and in its view.
void SandboxService::make_directory(const std::shared_ptr<Sandbox>& sandbox,
                                    std::function<void(std::optional<ApiError>)> done) {
  const std::string cwd = sandbox->spec().request.cwd;
  if (cwd.empty()) return done(std::nullopt);
  class MadeDirectory : public CommandViewer {
   public:
    MadeDirectory(std::string cwd, std::function<void(std::optional<ApiError>)> done)
        : cwd_(std::move(cwd)), done_(std::move(done)) {}
    void on_output(wire::OutputStream /*stream*/, std::string_view /*text*/) override {}
    void on_end(CommandEnd /*end*/, int exit_code) override {
      if (exit_code == 0) return done_(std::nullopt);
      done_(invalid_request("cwd " + cwd_ + " is no directory and cannot be made one"));
    }
    [[nodiscard]] bool congested() const override { return false; }

   private:
    std::string cwd_;
    std::function<void(std::optional<ApiError>)> done_;
  };
  wire::ExecRequest request;
  request.command = "/bin/mkdir";
  request.args = {"-p", "--", process_directory(sandbox->spec(), sandbox->layout(), cwd)};
  request.cwd = "/";
  sandbox->processes().start(request, CommandUse::foreground,
                             [cwd, done](ProcessBook::StartOutcome outcome) {
                               if (auto* error = std::get_if<ApiError>(&outcome)) {
                                 return done(std::move(*error));
                               }
                               const auto& command = std::get<std::shared_ptr<Command>>(outcome);
                               command->attach(std::make_shared<MadeDirectory>(cwd, done));
                               command->start();
                             });
}

void SandboxService::running(const std::shared_ptr<Sandbox>& sandbox) {
  sandbox->set_status(SandboxStatus::running);
  sandbox->set_snapshot({});
  const std::weak_ptr<Sandbox> weak = sandbox;
  sandbox->arm_deadline([this, weak] {
    if (const auto alive = weak.lock()) expired(alive);
  });
  sandbox->metrics().sample(Clock::duration::zero(), [](const SandboxMetrics*) {});
  if (!sample_timer_.active()) sample_timer_.start(kSampleInterval, [this] { sample_all(); });
  notify_changed(*sandbox);
}

void SandboxService::sample_all() {
  int running = 0;
  for (const auto& sandbox : store_.all()) {
    if (sandbox->status() != SandboxStatus::running) continue;
    ++running;
    sandbox->metrics().sample(kSampleInterval / 2, [](const SandboxMetrics*) {});
  }
  if (running == 0) return;
  const Clock::duration interval =
      std::max<Clock::duration>(kSampleInterval, running * kSampleCost);
  // Of a clock that is moved by days only the last minutes stay on record.
  const Clock::time_point next =
      std::max(machinery_.clock.now() + interval,
               machinery_.clock.goal() - MetricsSampler::kHistory * kSampleInterval);
  sample_timer_.start_at(next, [this] { sample_all(); });
}

void SandboxService::kill(const std::shared_ptr<Sandbox>& sandbox, const LifecycleCause& cause,
                          DoneCallback done) {
  if (sandbox->in_transition()) return done(in_transition());
  sandbox->set_in_transition(true);
  journal_.destroy_requested(subject_of(*sandbox), cause);
  store_.remove(*sandbox);
  sandbox->set_status(SandboxStatus::destroyed);
  sandbox->set_snapshot({});
  notify_removed(*sandbox);
  ending_.push_back(sandbox);
  sandbox->stop_guest([this, sandbox, cause, done = std::move(done)] {
    std::erase(ending_, sandbox);
    discard_tree(*sandbox);
    journal_.destroyed(subject_of(*sandbox), cause);
    done(std::nullopt);
  });
}

void SandboxService::discard_tree(const Sandbox& sandbox) {
  machinery_.worker.run([tree = sandbox.tree()] { remove_tree(tree); });
}

void SandboxService::hibernate(const std::shared_ptr<Sandbox>& sandbox, const LifecycleCause& cause,
                               SnapshotCallback done) {
  if (sandbox->in_transition()) return done(in_transition());
  if (sandbox->status() != SandboxStatus::running) return done(not_ready(*sandbox));
  sandbox->set_in_transition(true);
  journal_.hibernate_requested(subject_of(*sandbox), cause);
  // Set before the guest ends: those who are attached are told why.
  sandbox->set_status(SandboxStatus::paused);
  sandbox->stop_guest([this, sandbox, cause, done = std::move(done)] {
    machinery_.worker.run([this, sandbox, cause, done, tree = sandbox->tree()] {
      const std::uint64_t bytes = measure_tree(tree);
      machinery_.loop.post([this, sandbox, cause, done, bytes] {
        sandbox->set_in_transition(false);
        sandbox->set_snapshot(new_id("snap_"));
        journal_.hibernated(subject_of(*sandbox), sandbox->snapshot_id(), cause);
        notify_changed(*sandbox);
        wire::SnapshotAnswer snapshot;
        snapshot.id = sandbox->snapshot_id();
        snapshot.sandbox_id = sandbox->id();
        snapshot.size_bytes = static_cast<std::int64_t>(bytes);
        snapshot.created_at = machinery_.clock.wall();
        snapshot.metadata = sandbox->spec().request.metadata;
        done(std::move(snapshot));
      });
    });
  });
}

void SandboxService::resume_as_new(const std::shared_ptr<Sandbox>& paused, Dialect dialect,
                                   SandboxCallback done) {
  if (paused->in_transition()) return done(in_transition());
  if (paused->status() != SandboxStatus::paused) return done(not_ready(*paused));
  paused->set_in_transition(true);
  SandboxSpec spec = paused->spec();
  spec.dialect = dialect;
  spec.created_at = machinery_.clock.wall();
  auto resumed = std::make_shared<Sandbox>(machinery_, new_sandbox_id(dialect), std::move(spec),
                                           paused->tree(), store_.next_sequence());
  resumed->set_in_transition(true);
  store_.add(resumed);
  start(resumed, [this, paused, resumed, done = std::move(done)](std::optional<ApiError> error) {
    resumed->set_in_transition(false);
    paused->set_in_transition(false);
    if (error) {
      journal_.resume_failed(subject_of(*resumed), paused->id(), paused->snapshot_id(), kByCall,
                             *error);
      store_.drop(*resumed);
      resumed->stop_guest([resumed] {});
      return done(std::move(*error));
    }
    journal_.resumed(subject_of(*resumed), paused->id(), paused->snapshot_id(), kByCall);
    store_.drop(*paused);
    notify_removed(*paused);
    done(resumed);
  });
}

void SandboxService::resume_in_place(const std::shared_ptr<Sandbox>& paused,
                                     const LifecycleCause& cause, SandboxCallback done) {
  if (paused->in_transition()) return done(in_transition());
  if (paused->status() != SandboxStatus::paused) return done(not_ready(*paused));
  paused->set_in_transition(true);
  start(paused, [this, paused, cause, snapshot_id = paused->snapshot_id(),
                 done = std::move(done)](std::optional<ApiError> error) {
    paused->set_in_transition(false);
    const LifecycleSubject subject = subject_of(*paused);
    if (error) {
      journal_.resume_failed(subject, paused->id(), snapshot_id, cause, *error);
      return done(std::move(*error));
    }
    journal_.resumed(subject, paused->id(), snapshot_id, cause);
    done(paused);
  });
}

void SandboxService::require_running(const std::shared_ptr<Sandbox>& sandbox,
                                     SandboxCallback done) {
  if (sandbox->status() == SandboxStatus::running) return done(sandbox);
  const bool may_wake =
      sandbox->status() == SandboxStatus::paused && sandbox->spec().request.auto_resume;
  if (!may_wake) return done(not_ready(*sandbox));
  // Several requests may arrive while it wakes up.
  auto& waiting = waking_[sandbox.get()];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  resume_in_place(sandbox, kWokenByUse, [this, key = sandbox.get()](SandboxOutcome outcome) {
    const auto callbacks = std::exchange(waking_[key], {});
    waking_.erase(key);
    for (const SandboxCallback& callback : callbacks)
      callback(outcome);
  });
}

std::optional<ApiError> SandboxService::set_timeout(Sandbox& sandbox,
                                                    std::chrono::milliseconds timeout,
                                                    std::optional<TimeoutAction> action) {
  if (sandbox.in_transition()) return in_transition();
  if (sandbox.status() != SandboxStatus::running) return not_ready(sandbox);
  wire::CreateRequest& request = sandbox.spec().request;
  if (action == TimeoutAction::destroy && request.auto_resume) {
    return invalid_request("timeout_action: a sandbox with auto_resume hibernates");
  }
  request.timeout = timeout;
  if (action) request.timeout_action = *action;
  const std::weak_ptr<Sandbox> weak = sandbox.weak_from_this();
  sandbox.arm_deadline([this, weak] {
    if (const auto alive = weak.lock()) expired(alive);
  });
  journal_.timeout_updated(subject_of(sandbox));
  notify_changed(sandbox);
  return std::nullopt;
}

void SandboxService::expired(const std::shared_ptr<Sandbox>& sandbox) {
  if (sandbox->status() != SandboxStatus::running || sandbox->in_transition()) return;
  note_(sandbox->id() + " has reached its timeout");
  journal_.expired(subject_of(*sandbox));
  const ClockHold hold = machinery_.clock.hold(kExpiryPatience);
  if (sandbox->spec().request.timeout_action == TimeoutAction::hibernate) {
    hibernate(sandbox, kTimedOut, [hold](const SnapshotOutcome&) {});
  } else {
    kill(sandbox, kTimedOut, [hold](const std::optional<ApiError>&) {});
  }
}

void SandboxService::lost(Sandbox& sandbox, const std::string& reason) {
  note_(sandbox.id() + " was lost: " + reason);
  sandbox.disarm_deadline();
  if (sandbox.status() != SandboxStatus::running) return;
  sandbox.set_status(SandboxStatus::error);
  journal_.reconciled(subject_of(sandbox), reason);
  notify_changed(sandbox);
}

void SandboxService::add_observer(std::shared_ptr<SandboxObserver> observer) {
  observers_.push_back(std::move(observer));
}

void SandboxService::remove_observer(const SandboxObserver* observer) {
  std::erase_if(observers_, [observer](const auto& held) { return held.get() == observer; });
}

void SandboxService::notify_changed(const Sandbox& sandbox) {
  const auto observers = observers_;
  for (const auto& observer : observers)
    observer->on_sandbox_changed(sandbox);
}

void SandboxService::notify_removed(const Sandbox& sandbox) {
  const auto observers = observers_;
  for (const auto& observer : observers)
    observer->on_sandbox_removed(sandbox);
}

std::size_t SandboxService::end_all(AccountId account) {
  const auto sandboxes = store_.drop_all(account);
  journal_.forget(account, store_.next_sequence());
  const auto declare_destroyed = [this](Sandbox& sandbox) {
    if (sandbox.status() == SandboxStatus::destroyed) return;
    sandbox.set_status(SandboxStatus::destroyed);
    sandbox.set_snapshot({});
    notify_removed(sandbox);
  };
  for (const auto& sandbox : sandboxes) {
    ending_.push_back(sandbox);
    // A transition that is under way ends first; what it leaves behind ends then.
    if (sandbox->status() != SandboxStatus::creating) declare_destroyed(*sandbox);
    sandbox->when_settled([this, declare_destroyed, weak = std::weak_ptr<Sandbox>(sandbox)] {
      const auto settled = weak.lock();
      if (!settled) return;
      settled->set_in_transition(true);
      declare_destroyed(*settled);
      settled->stop_guest([this, settled] {
        std::erase(ending_, settled);
        discard_tree(*settled);
      });
    });
  }
  return sandboxes.size();
}

void SandboxService::shut_down(Task done) {
  shutting_down_ = true;
  sample_timer_.cancel();
  auto sandboxes = store_.all();
  sandboxes.insert(sandboxes.end(), ending_.begin(), ending_.end());
  // One more, so that it also comes to an end where there is none.
  auto left = std::make_shared<std::size_t>(sandboxes.size() + 1);
  const Task one_done = [left, done = std::move(done)] {
    if (--*left == 0) done();
  };
  for (const auto& sandbox : sandboxes) {
    sandbox->set_in_transition(true);
    sandbox->stop_guest([this, sandbox, one_done] {
      discard_tree(*sandbox);
      one_done();
    });
  }
  machinery_.loop.defer(one_done);
}

}  // namespace nullspace::local

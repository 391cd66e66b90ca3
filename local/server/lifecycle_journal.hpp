#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "local/server/api_error.hpp"
#include "local/server/auth.hpp"
#include "local/server/lifecycle_log.hpp"

namespace nullspace::local {

// Told about every event, of whichever account, once it can be read from the log.
class LifecycleObserver {
 public:
  virtual ~LifecycleObserver() = default;
  virtual void on_lifecycle_event(AccountId account, const LoggedEvent& entry) = 0;
  // The account's log is about to be emptied: no entry of it may be looked at afterwards.
  virtual void on_lifecycle_forgotten(AccountId account) = 0;
};

// The sandbox that something happened to.
struct LifecycleSubject {
  AccountId account = 0;
  Dialect dialect = Dialect::sandbox;
  std::string sandbox_id;
  TimeoutAction timeout_action = TimeoutAction::destroy;
  std::uint64_t sequence = 0;  // its number, see SandboxStore
};

// On whose behalf, and why.
struct LifecycleCause {
  LifecycleActor actor = LifecycleActor::user;
  std::string_view reason;
};
inline constexpr LifecycleCause kByCall{LifecycleActor::user, "api"};
inline constexpr LifecycleCause kByHand{LifecycleActor::user, "manual"};
inline constexpr LifecycleCause kTimedOut{LifecycleActor::system, "timeout"};
inline constexpr LifecycleCause kWokenByUse{LifecycleActor::system, "auto_resume"};

// Writes the logs: which events an operation consists of, and what they say. Loop's thread only.
class LifecycleJournal {
 public:
  // `now` is the server's wall clock.
  explicit LifecycleJournal(std::function<Timestamp()> now) : now_(std::move(now)) {}

  [[nodiscard]] const LifecycleLog& log(AccountId account) { return account_of(account).log; }

  void created(const LifecycleSubject& subject);
  void create_failed(const LifecycleSubject& subject, const ApiError& error);
  void destroy_requested(const LifecycleSubject& subject, const LifecycleCause& cause);
  void destroyed(const LifecycleSubject& subject, const LifecycleCause& cause);
  // The subject's timeout_action is the one that holds from now on.
  void timeout_updated(const LifecycleSubject& subject);
  void expired(const LifecycleSubject& subject);
  void hibernate_requested(const LifecycleSubject& subject, const LifecycleCause& cause);
  // The snapshot that it made is part of it.
  void hibernated(const LifecycleSubject& subject, const std::string& snapshot_id,
                  const LifecycleCause& cause);
  void snapshot_created(const LifecycleSubject& subject, const std::string& snapshot_id,
                        const LifecycleCause& cause);
  // `subject` is the new sandbox; the same as the paused one when it kept its id.
  void resumed(const LifecycleSubject& subject, const std::string& paused_id,
               const std::string& snapshot_id, const LifecycleCause& cause);
  void resume_failed(const LifecycleSubject& subject, const std::string& paused_id,
                     const std::string& snapshot_id, const LifecycleCause& cause,
                     const ApiError& error);
  // `subject` is the child.
  void forked(const LifecycleSubject& subject, const std::string& parent_id);
  // The server found it dead.
  void reconciled(const LifecycleSubject& subject, const std::string& finding);

  // Empties the account's log, as if nothing had ever happened. What still comes of sandboxes whose
  // number is below `first_kept` is not written.
  void forget(AccountId account, std::uint64_t first_kept = 0);

  void add_observer(std::shared_ptr<LifecycleObserver> observer);
  void remove_observer(const LifecycleObserver* observer);

 private:
  struct Account {
    LifecycleLog log;
    std::string user_id;
    std::uint64_t first_kept = 0;
  };

  Account& account_of(AccountId account);
  void write(const LifecycleSubject& subject, LifecycleOperation operation, LifecycleStatus status,
             const LifecycleCause& cause, LifecycleEvent event = {});

  std::function<Timestamp()> now_;
  std::map<AccountId, Account> accounts_;
  std::vector<std::shared_ptr<LifecycleObserver>> observers_;
};

}  // namespace nullspace::local

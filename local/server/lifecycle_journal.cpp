#include "local/server/lifecycle_journal.hpp"

#include <algorithm>

#include "local/server/ids.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

namespace {

Json::Object timeout_action_of(const LifecycleSubject& subject) {
  return {{"timeout_action", wire::timeout_action_word(subject.timeout_action)}};
}

// What a timeout brought about says what it was set to do.
LifecycleEvent after(const LifecycleCause& cause, const LifecycleSubject& subject) {
  LifecycleEvent event;
  if (cause.reason == kTimedOut.reason) event.metadata = timeout_action_of(subject);
  return event;
}

LifecycleEvent failure(const ApiError& error) {
  LifecycleEvent event;
  event.error_code = error.code;
  event.error_message = error.message;
  return event;
}

}  // namespace

LifecycleJournal::Account& LifecycleJournal::account_of(AccountId account) {
  Account& found = accounts_[account];
  if (found.user_id.empty()) found.user_id = new_id("usr_");
  return found;
}

void LifecycleJournal::write(const LifecycleSubject& subject, LifecycleOperation operation,
                             LifecycleStatus status, const LifecycleCause& cause,
                             LifecycleEvent event) {
  Account& account = account_of(subject.account);
  if (subject.sequence < account.first_kept) return;
  event.audience = LifecycleAudience::customer;
  event.operation = operation;
  event.status = status;
  event.actor = cause.actor;
  event.reason = cause.reason;
  event.sandbox_id = subject.sandbox_id;
  if (cause.actor == LifecycleActor::user) event.user_id = account.user_id;
  const LoggedEvent& entry = account.log.append(subject.dialect, std::move(event), now_());
  const auto observers = observers_;
  for (const auto& observer : observers)
    observer->on_lifecycle_event(subject.account, entry);
}

void LifecycleJournal::created(const LifecycleSubject& subject) {
  LifecycleEvent event;
  event.metadata = timeout_action_of(subject);
  write(subject, LifecycleOperation::create, LifecycleStatus::succeeded, kByCall, std::move(event));
}

void LifecycleJournal::create_failed(const LifecycleSubject& subject, const ApiError& error) {
  write(subject, LifecycleOperation::create, LifecycleStatus::failed, kByCall, failure(error));
}

void LifecycleJournal::destroy_requested(const LifecycleSubject& subject,
                                         const LifecycleCause& cause) {
  write(subject, LifecycleOperation::destroy, LifecycleStatus::requested, cause,
        after(cause, subject));
}

void LifecycleJournal::destroyed(const LifecycleSubject& subject, const LifecycleCause& cause) {
  write(subject, LifecycleOperation::destroy, LifecycleStatus::succeeded, cause,
        after(cause, subject));
}

void LifecycleJournal::timeout_updated(const LifecycleSubject& subject) {
  for (const LifecycleStatus status : {LifecycleStatus::requested, LifecycleStatus::succeeded}) {
    LifecycleEvent event;
    event.metadata = timeout_action_of(subject);
    write(subject, LifecycleOperation::timeout_updated, status, kByCall, std::move(event));
  }
}

void LifecycleJournal::expired(const LifecycleSubject& subject) {
  write(subject, LifecycleOperation::timeout_expired, LifecycleStatus::succeeded, kTimedOut,
        after(kTimedOut, subject));
}

void LifecycleJournal::hibernate_requested(const LifecycleSubject& subject,
                                           const LifecycleCause& cause) {
  write(subject, LifecycleOperation::hibernate, LifecycleStatus::requested, cause,
        after(cause, subject));
}

void LifecycleJournal::hibernated(const LifecycleSubject& subject, const std::string& snapshot_id,
                                  const LifecycleCause& cause) {
  LifecycleEvent event = after(cause, subject);
  event.snapshot_id = snapshot_id;
  LifecycleEvent snapshot = event;
  snapshot.metadata.emplace("created_via", "hibernate");
  write(subject, LifecycleOperation::hibernate, LifecycleStatus::succeeded, cause,
        std::move(event));
  write(subject, LifecycleOperation::snapshot_created, LifecycleStatus::succeeded, cause,
        std::move(snapshot));
}

void LifecycleJournal::snapshot_created(const LifecycleSubject& subject,
                                        const std::string& snapshot_id,
                                        const LifecycleCause& cause) {
  LifecycleEvent event;
  event.snapshot_id = snapshot_id;
  event.metadata.emplace("created_via", "snapshot");
  write(subject, LifecycleOperation::snapshot_created, LifecycleStatus::succeeded, cause,
        std::move(event));
}

void LifecycleJournal::resumed(const LifecycleSubject& subject, const std::string& paused_id,
                               const std::string& snapshot_id, const LifecycleCause& cause) {
  LifecycleEvent event;
  event.snapshot_id = snapshot_id;
  event.source_sandbox_id = paused_id;
  event.target_sandbox_id = subject.sandbox_id;
  write(subject, LifecycleOperation::resume_from_snapshot, LifecycleStatus::succeeded, cause,
        std::move(event));
}

void LifecycleJournal::resume_failed(const LifecycleSubject& subject, const std::string& paused_id,
                                     const std::string& snapshot_id, const LifecycleCause& cause,
                                     const ApiError& error) {
  LifecycleEvent event = failure(error);
  event.snapshot_id = snapshot_id;
  event.source_sandbox_id = paused_id;
  event.target_sandbox_id = subject.sandbox_id;
  write(subject, LifecycleOperation::resume_from_snapshot, LifecycleStatus::failed, cause,
        std::move(event));
}

void LifecycleJournal::forked(const LifecycleSubject& subject, const std::string& parent_id) {
  LifecycleEvent event;
  event.source_sandbox_id = parent_id;
  event.target_sandbox_id = subject.sandbox_id;
  write(subject, LifecycleOperation::fork, LifecycleStatus::succeeded, kByCall, std::move(event));
}

void LifecycleJournal::reconciled(const LifecycleSubject& subject, const std::string& finding) {
  LifecycleEvent event;
  event.metadata = {{"finding", finding}, {"sandbox_status", "error"}};
  write(subject, LifecycleOperation::reconcile, LifecycleStatus::succeeded,
        {LifecycleActor::reconcile, "sandbox_lost"}, std::move(event));
}

void LifecycleJournal::forget(AccountId account, std::uint64_t first_kept) {
  const auto observers = observers_;
  for (const auto& observer : observers)
    observer->on_lifecycle_forgotten(account);
  // In place: others refer to it.
  account_of(account).log = LifecycleLog();
  account_of(account).first_kept = first_kept;
}

void LifecycleJournal::add_observer(std::shared_ptr<LifecycleObserver> observer) {
  observers_.push_back(std::move(observer));
}

void LifecycleJournal::remove_observer(const LifecycleObserver* observer) {
  std::erase_if(observers_, [observer](const auto& held) { return held.get() == observer; });
}

}  // namespace nullspace::local

#include "local/server/lifecycle_journal.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

namespace {

using nullspace::Dialect;
using nullspace::Json;
using nullspace::LifecycleActor;
using nullspace::LifecycleAudience;
using nullspace::LifecycleEvent;
using nullspace::LifecycleOperation;
using nullspace::LifecycleStatus;
using nullspace::TimeoutAction;
using nullspace::Timestamp;
using nullspace::local::AccountId;
using nullspace::local::api_error;
using nullspace::local::LifecycleJournal;
using nullspace::local::LifecycleLog;
using nullspace::local::LifecycleObserver;
using nullspace::local::LifecycleSubject;
using nullspace::local::LoggedEvent;

const Timestamp kNow{std::chrono::hours(480'000)};
const LifecycleSubject kSandbox{1, Dialect::sandbox, "sb_1", TimeoutAction::destroy};
const LifecycleSubject kSleeper{1, Dialect::sandbox, "sb_1", TimeoutAction::hibernate};

struct Step {
  LifecycleOperation operation;
  LifecycleStatus status;
  friend bool operator==(const Step&, const Step&) = default;
};

struct Journal : LifecycleJournal {
  Journal() : LifecycleJournal([] { return kNow; }) {}

  std::vector<Step> steps() {
    std::vector<Step> found;
    for (std::size_t i = 0; i < log(1).end(); ++i)
      found.push_back({event(i).operation, event(i).status});
    return found;
  }
  const LifecycleEvent& event(std::size_t index) { return log(1).at(index).event; }
};

using Operation = LifecycleOperation;
using Status = LifecycleStatus;
using Steps = std::vector<Step>;

}  // namespace

TEST_CASE("a create is one event, and says what the timeout will do") {
  Journal journal;
  journal.created(kSleeper);
  CHECK(journal.steps() == Steps{{Operation::create, Status::succeeded}});
  const LifecycleEvent& event = journal.event(0);
  CHECK(event.occurred_at == kNow);
  CHECK(event.audience == LifecycleAudience::customer);
  CHECK(event.actor == LifecycleActor::user);
  CHECK(event.user_id.starts_with("usr_"));
  CHECK(event.reason == "api");
  CHECK(event.sandbox_id == "sb_1");
  CHECK(event.metadata == Json::Object{{"timeout_action", "hibernate"}});
}

TEST_CASE("a create that failed says why") {
  Journal journal;
  journal.create_failed(kSandbox, api_error(503, "no_eligible_runtime_host", "no room"));
  CHECK(journal.steps() == Steps{{Operation::create, Status::failed}});
  CHECK(journal.event(0).error_code == "no_eligible_runtime_host");
  CHECK(journal.event(0).error_message == "no room");
}

TEST_CASE("a kill is asked for and done") {
  Journal journal;
  journal.destroy_requested(kSandbox, nullspace::local::kByHand);
  journal.destroyed(kSandbox, nullspace::local::kByHand);
  CHECK(journal.steps() ==
        Steps{{Operation::destroy, Status::requested}, {Operation::destroy, Status::succeeded}});
  CHECK(journal.event(1).reason == "manual");
  CHECK(journal.event(1).metadata.empty());
}

TEST_CASE("a new timeout says what it will do") {
  Journal journal;
  journal.timeout_updated(kSleeper);
  CHECK(journal.steps() == Steps{{Operation::timeout_updated, Status::requested},
                                 {Operation::timeout_updated, Status::succeeded}});
  CHECK(journal.event(1).metadata == Json::Object{{"timeout_action", "hibernate"}});
}

TEST_CASE("the end of a timeout is the system's doing") {
  Journal journal;
  const auto& cause = nullspace::local::kTimedOut;
  SECTION("which destroys") {
    journal.expired(kSandbox);
    journal.destroy_requested(kSandbox, cause);
    journal.destroyed(kSandbox, cause);
    CHECK(journal.steps() == Steps{{Operation::timeout_expired, Status::succeeded},
                                   {Operation::destroy, Status::requested},
                                   {Operation::destroy, Status::succeeded}});
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(journal.event(i).metadata == Json::Object{{"timeout_action", "destroy"}});
  }
  SECTION("which hibernates") {
    journal.expired(kSleeper);
    journal.hibernate_requested(kSleeper, cause);
    journal.hibernated(kSleeper, "snap_1", cause);
    CHECK(journal.steps() == Steps{{Operation::timeout_expired, Status::succeeded},
                                   {Operation::hibernate, Status::requested},
                                   {Operation::hibernate, Status::succeeded},
                                   {Operation::snapshot_created, Status::succeeded}});
    CHECK(journal.event(1).snapshot_id.empty());
    CHECK(journal.event(2).snapshot_id == "snap_1");
    CHECK(journal.event(2).metadata == Json::Object{{"timeout_action", "hibernate"}});
    CHECK(journal.event(3).snapshot_id == "snap_1");
    CHECK(journal.event(3).metadata ==
          Json::Object{{"timeout_action", "hibernate"}, {"created_via", "hibernate"}});
  }
  for (std::size_t i = 0; i < journal.log(1).end(); ++i) {
    CHECK(journal.event(i).actor == LifecycleActor::system);
    CHECK(journal.event(i).user_id.empty());
    CHECK(journal.event(i).reason == "timeout");
  }
}

TEST_CASE("a hibernation makes a snapshot") {
  Journal journal;
  journal.hibernate_requested(kSandbox, nullspace::local::kByHand);
  journal.hibernated(kSandbox, "snap_1", nullspace::local::kByHand);
  CHECK(journal.steps() == Steps{{Operation::hibernate, Status::requested},
                                 {Operation::hibernate, Status::succeeded},
                                 {Operation::snapshot_created, Status::succeeded}});
  CHECK(journal.event(1).metadata.empty());
  CHECK(journal.event(2).metadata == Json::Object{{"created_via", "hibernate"}});
  CHECK(journal.log(1).mentions_snapshot("snap_1"));
}

TEST_CASE("a snapshot by itself") {
  Journal journal;
  journal.snapshot_created(kSandbox, "snap_2", nullspace::local::kByCall);
  CHECK(journal.steps() == Steps{{Operation::snapshot_created, Status::succeeded}});
  CHECK(journal.event(0).snapshot_id == "snap_2");
  CHECK(journal.event(0).sandbox_id == "sb_1");
}

TEST_CASE("a resume and a fork name both sandboxes") {
  Journal journal;
  const LifecycleSubject fresh{1, Dialect::sandbox, "sb_2", TimeoutAction::destroy};
  SECTION("resume") {
    journal.resumed(fresh, "sb_1", "snap_1", nullspace::local::kByCall);
    CHECK(journal.steps() == Steps{{Operation::resume_from_snapshot, Status::succeeded}});
    CHECK(journal.event(0).snapshot_id == "snap_1");
  }
  SECTION("resume that failed") {
    journal.resume_failed(fresh, "sb_1", "snap_1", nullspace::local::kWokenByUse,
                          api_error(503, "no_eligible_runtime_host", "no room"));
    CHECK(journal.steps() == Steps{{Operation::resume_from_snapshot, Status::failed}});
    CHECK(journal.event(0).error_message == "no room");
    CHECK(journal.event(0).actor == LifecycleActor::system);
  }
  SECTION("fork") {
    journal.forked(fresh, "sb_1");
    CHECK(journal.steps() == Steps{{Operation::fork, Status::succeeded}});
  }
  CHECK(journal.event(0).sandbox_id == "sb_2");
  CHECK(journal.event(0).target_sandbox_id == "sb_2");
  CHECK(journal.event(0).source_sandbox_id == "sb_1");
}

TEST_CASE("what the server found out by itself") {
  Journal journal;
  journal.reconciled(kSandbox, "its first process has ended");
  CHECK(journal.steps() == Steps{{Operation::reconcile, Status::succeeded}});
  CHECK(journal.event(0).actor == LifecycleActor::reconcile);
  CHECK(journal.event(0).metadata.at("finding").as_string() == "its first process has ended");
}

TEST_CASE("accounts have logs and users of their own, observers hear of all") {
  Journal journal;
  struct Observer : LifecycleObserver {
    void on_lifecycle_event(AccountId account, const LoggedEvent& entry) override {
      heard.emplace_back(account, entry.event.id);
    }
    void on_lifecycle_forgotten(AccountId account) override { forgotten.push_back(account); }
    std::vector<std::pair<AccountId, std::string>> heard;
    std::vector<AccountId> forgotten;
  };
  const auto observer = std::make_shared<Observer>();
  journal.add_observer(observer);
  journal.created(kSandbox);
  LifecycleSubject other = kSandbox;
  other.account = 2;
  journal.created(other);
  const LifecycleLog& first = journal.log(1);
  const LifecycleLog& second = journal.log(2);
  CHECK(first.end() == 1);
  CHECK(second.end() == 1);
  CHECK(first.at(0).event.user_id != second.at(0).event.user_id);
  CHECK_FALSE(first.find(second.at(0).event.id));
  CHECK(observer->forgotten.empty());
  journal.remove_observer(observer.get());
  journal.created(kSandbox);
  CHECK(observer->heard == std::vector<std::pair<AccountId, std::string>>{
                               {1, first.at(0).event.id}, {2, second.at(0).event.id}});
  // Of one account always the same.
  CHECK(first.at(1).event.user_id == first.at(0).event.user_id);
}

TEST_CASE("an account can be forgotten, and begins anew") {
  Journal journal;
  journal.created(kSandbox);
  LifecycleSubject other = kSandbox;
  other.account = 2;
  journal.created(other);
  const LifecycleLog& log = journal.log(1);
  const std::string id = log.at(0).event.id;
  journal.forget(1);
  CHECK(log.end() == 0);
  CHECK_FALSE(log.find(id));
  CHECK_FALSE(log.mentions_sandbox("sb_1"));
  CHECK(journal.log(2).end() == 1);
  journal.created(kSandbox);
  CHECK(log.end() == 1);
}

#include "local/server/guest_runtime.hpp"

#include <cerrno>
#include <utility>
#include <variant>

namespace nullspace::local {

namespace {

constexpr auto kStartLimit = std::chrono::seconds(10);
constexpr auto kEndLimit = std::chrono::seconds(3);
constexpr auto kEndPoll = std::chrono::milliseconds(10);

guest::SpawnOutcome gone() {
  guest::SpawnFailed failure;
  failure.error = ESRCH;
  failure.stage = guest::SpawnStage::gone;
  failure.message = "the sandbox has ended";
  return failure;
}

}  // namespace

GuestRuntime::GuestRuntime(EventLoop& loop, Events events)
    : loop_(loop), events_(std::move(events)), timer_(loop), kill_timer_(loop) {}

GuestRuntime::~GuestRuntime() = default;

void GuestRuntime::start(const guest::LaunchOptions& options) {
  state_ = State::starting;
  auto launched = guest::launch(options);
  if (const auto* error = std::get_if<guest::LaunchError>(&launched)) {
    start_failure_ = error->message;
    loop_.defer([this, alive = std::weak_ptr<const bool>(alive_)] {
      if (!alive.expired()) ended();
    });
    return;
  }
  process_.emplace(std::get<guest::GuestProcess>(std::move(launched)));
  layout_ = process_->layout();
  guest::LinkCallbacks callbacks;
  callbacks.on_ready = [this](const guest::Ready&) { on_ready(); };
  callbacks.on_exit = [this](const guest::Exited& exited) {
    if (events_.on_exit) events_.on_exit(exited);
  };
  callbacks.on_gone = [this](const std::string& reason) { on_gone(reason); };
  link_ = std::make_unique<guest::GuestLink>(process_->take_control(), std::move(callbacks));
  link_watch_ =
      std::make_unique<FdWatch>(loop_, link_->fd(), Interest{true, false}, [this](Readiness ready) {
        if (ready.writable) link_->on_writable();
        if (ready.readable) link_->on_readable();
        pump();
      });
  timer_.start(kStartLimit, [this] { fail_start("the guest did not become ready in time"); });
}

void GuestRuntime::pump() {
  if (link_watch_) link_watch_->want_write(link_->wants_write());
}

void GuestRuntime::on_ready() {
  if (state_ != State::starting) return;
  timer_.cancel();
  state_ = State::serving;
  report_start(nullptr);
}

void GuestRuntime::on_gone(const std::string& reason) {
  if (state_ == State::starting) return fail_start(reason);
  if (state_ == State::serving) {
    state_ = State::stopping;
    lost_reason_ = reason;
  }
  await_end();
}

void GuestRuntime::fail_start(std::string reason) {
  timer_.cancel();
  state_ = State::stopping;
  std::string diagnostics = process_->diagnostics();
  while (!diagnostics.empty() && diagnostics.back() == '\n')
    diagnostics.pop_back();
  if (!diagnostics.empty()) reason += ": " + diagnostics;
  start_failure_ = std::move(reason);
  link_->shutdown();
  await_end();
}

void GuestRuntime::stop(Task done) {
  stopped_.push_back(std::move(done));
  if (state_ == State::idle || state_ == State::ended) {
    loop_.defer([this, alive = std::weak_ptr<const bool>(alive_)] {
      if (!alive.expired()) report_stop();
    });
    return;
  }
  if (state_ == State::stopping) return;
  timer_.cancel();
  state_ = State::stopping;
  link_->shutdown();
  pump();
  await_end();
}

// The end of the process is the proof that nothing of the sandbox is left; a guest that does not
// come to it is killed.
void GuestRuntime::await_end() {
  if (kill_timer_.active() || !process_) return;
  kill_timer_.start(kEndLimit, [this] {
    process_->kill();
    await_end();
  });
  if (process_->pidfd() >= 0) {
    if (end_watch_) return;
    end_watch_ = std::make_unique<FdWatch>(loop_, process_->pidfd(), Interest{true, false},
                                           [this](Readiness) { check_end(); });
  } else {
    timer_.start(kEndPoll, [this] { check_end(); });
  }
}

void GuestRuntime::check_end() {
  if (process_->try_reap()) return ended();
  if (process_->pidfd() < 0) timer_.start(kEndPoll, [this] { check_end(); });
}

void GuestRuntime::ended() {
  state_ = State::ended;
  timer_.cancel();
  kill_timer_.cancel();
  end_watch_.reset();
  link_watch_.reset();
  link_.reset();
  process_.reset();
  const std::weak_ptr<const bool> alive = alive_;
  if (const auto failure = std::exchange(start_failure_, std::nullopt)) {
    report_start(&*failure);
  } else if (const auto reason = std::exchange(lost_reason_, std::nullopt)) {
    if (events_.on_lost) events_.on_lost(*reason);
  }
  if (alive.expired()) return;
  report_stop();
}

// Whoever waits may hold the last reference to our owner: neither its callback may stay here, nor
// may anything be touched after it.
void GuestRuntime::report_start(const std::string* failure) {
  const auto on_started = std::exchange(events_.on_started, nullptr);
  if (on_started) on_started(failure);
}

void GuestRuntime::report_stop() {
  const auto tasks = std::exchange(stopped_, {});
  for (const Task& task : tasks)
    task();
}

void GuestRuntime::spawn_pipes(guest::SpawnRequest request, guest::ChildStdio stdio,
                               guest::SpawnCallback done) {
  if (!serving()) return done(gone());
  link_->spawn_pipes(std::move(request), std::move(stdio), std::move(done));
  pump();
}

void GuestRuntime::spawn_pty(guest::SpawnRequest request, guest::TerminalSize size,
                             guest::SpawnCallback done) {
  if (!serving()) return done(gone());
  link_->spawn_pty(std::move(request), size, std::move(done));
  pump();
}

void GuestRuntime::signal(pid_t pid, int signo, guest::SignalScope scope) {
  if (!serving()) return;
  link_->signal(pid, signo, scope);
  pump();
}

void GuestRuntime::list_processes(guest::ProcessesCallback done) {
  if (!serving()) return done(nullptr);
  link_->list_processes(std::move(done));
  pump();
}

void GuestRuntime::sample(guest::SampleCallback done) {
  if (!serving()) return done(nullptr);
  link_->sample(std::move(done));
  pump();
}

}  // namespace nullspace::local

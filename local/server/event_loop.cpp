#include "local/server/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace nullspace::local {

namespace {

constexpr std::uint64_t kWakeKey = 0;

std::uint32_t events_of(Interest interest) {
  std::uint32_t events = 0;
  if (interest.read) events |= EPOLLIN | EPOLLRDHUP;
  if (interest.write) events |= EPOLLOUT;
  if (interest.hang_up) events |= EPOLLRDHUP;
  return events;
}

}  // namespace

std::unique_ptr<EventLoop> EventLoop::create() {
  guest::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return nullptr;
  guest::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return nullptr;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeKey;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) return nullptr;
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(guest::UniqueFd epoll, guest::UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

EventLoop::~EventLoop() = default;

bool EventLoop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) eventfd_write(wake_.get(), 1);
  return true;
}

void EventLoop::stop() {
  stopping_.store(true);
  eventfd_write(wake_.get(), 1);
}

void EventLoop::run() {
  std::array<epoll_event, 128> events;
  while (!stopping_.load()) {
    run_deferred();
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 wait_milliseconds());
    run_timers();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == kWakeKey) {
        eventfd_t ignored = 0;
        eventfd_read(wake_.get(), &ignored);
        continue;
      }
      // An earlier callback of this round may have removed the watch.
      const auto found = watched_.find(event.data.u64);
      if (found == watched_.end()) continue;
      const std::uint32_t ended = event.events & (EPOLLHUP | EPOLLERR);
      Readiness ready;
      ready.readable =
          found->second.interest.read && (((event.events & (EPOLLIN | EPOLLRDHUP)) | ended) != 0);
      ready.writable = found->second.interest.write && (((event.events & EPOLLOUT) | ended) != 0);
      ready.peer_closed = ((event.events & EPOLLRDHUP) | ended) != 0;
      const auto callback = found->second.callback;
      (*callback)(ready);
    }
    run_posted();
  }
  std::vector<Task> dropped;
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  dropped.swap(posted_);
}

int EventLoop::wait_milliseconds() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first - Clock::now();
  if (left <= Clock::duration::zero()) return 0;
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(rounded, 60'000));
}

void EventLoop::run_timers() {
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Timer* const timer = timers_.begin()->second;
    timers_.erase(timers_.begin());
    timer->when_.reset();
    // The task may destroy the timer.
    const Task task = std::move(timer->task_);
    task();
  }
}

void EventLoop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (Task& task : tasks) {
    task();
    task = nullptr;
  }
}

void EventLoop::run_deferred() {
  while (!deferred_.empty()) {
    std::vector<Task> tasks;
    tasks.swap(deferred_);
    for (Task& task : tasks) {
      task();
      task = nullptr;
    }
  }
}

std::uint64_t EventLoop::add(int fd, std::function<void(Readiness)> callback) {
  const std::uint64_t key = next_key_++;
  Watched& watched = watched_[key];
  watched.fd = fd;
  watched.callback = std::make_shared<std::function<void(Readiness)>>(std::move(callback));
  return key;
}

void EventLoop::set_interest(std::uint64_t key, Interest interest) {
  const auto found = watched_.find(key);
  if (found == watched_.end()) return;
  Watched& watched = found->second;
  watched.interest = interest;
  epoll_event event{};
  event.events = events_of(interest);
  event.data.u64 = key;
  if (!interest.read && !interest.write && !interest.hang_up) {
    if (watched.registered) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watched.fd, nullptr);
    watched.registered = false;
  } else if (watched.registered) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, watched.fd, &event);
  } else {
    watched.registered = epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, watched.fd, &event) == 0;
  }
}

void EventLoop::remove(std::uint64_t key) {
  const auto found = watched_.find(key);
  if (found == watched_.end()) return;
  if (found->second.registered) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  }
  watched_.erase(found);
}

FdWatch::FdWatch(EventLoop& loop, int fd, Interest interest,
                 std::function<void(Readiness)> callback)
    : loop_(loop), key_(loop.add(fd, std::move(callback))), interest_(interest) {
  loop_.set_interest(key_, interest_);
}

FdWatch::~FdWatch() {
  loop_.remove(key_);
}

void FdWatch::set(Interest interest) {
  if (interest == interest_) return;
  interest_ = interest;
  loop_.set_interest(key_, interest_);
}

void FdWatch::want_read(bool wanted) {
  Interest next = interest_;
  next.read = wanted;
  set(next);
}

void FdWatch::want_write(bool wanted) {
  Interest next = interest_;
  next.write = wanted;
  set(next);
}

void Timer::start(Clock::duration delay, Task task) {
  start_at(Clock::now() + delay, std::move(task));
}

void Timer::start_at(Clock::time_point when, Task task) {
  cancel();
  when_ = when;
  task_ = std::move(task);
  loop_.timers_.emplace(when, this);
}

void Timer::cancel() {
  if (!when_) return;
  loop_.timers_.erase({*when_, this});
  when_.reset();
  task_ = nullptr;
}

}  // namespace nullspace::local

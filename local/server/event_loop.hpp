#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local {

using Clock = std::chrono::steady_clock;
using Task = std::function<void()>;

struct Readiness {
  bool readable = false;  // also at end of file and on an error: the read tells which
  bool writable = false;
  bool peer_closed = false;  // nothing more will come from the other side
};

struct Interest {
  bool read = false;
  bool write = false;
  bool hang_up = false;  // only that nothing more will come
  friend bool operator==(const Interest&, const Interest&) = default;
};

// One thread's descriptors, timers and posted tasks, over epoll. Only post() and stop() may be
// called from another thread than the one in run().
class EventLoop {
 public:
  // nullptr (and errno) when the process has no descriptors left.
  static std::unique_ptr<EventLoop> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Serves until stop(). Tasks posted before run() wait for it.
  void run();
  void stop();
  // Runs the task on the loop's thread, after whatever it is doing now. False when the loop has
  // ended or is about to: the task will not run.
  bool post(Task task);
  // Loop's thread only: runs the task before the loop waits again.
  void defer(Task task) { deferred_.push_back(std::move(task)); }

 private:
  friend class FdWatch;
  friend class Timer;

  struct Watched {
    int fd = -1;
    std::shared_ptr<std::function<void(Readiness)>> callback;
    Interest interest;
    bool registered = false;
  };

  EventLoop(guest::UniqueFd epoll, guest::UniqueFd wake);
  std::uint64_t add(int fd, std::function<void(Readiness)> callback);
  void set_interest(std::uint64_t key, Interest interest);
  void remove(std::uint64_t key);
  void run_posted();
  void run_deferred();
  void run_timers();
  [[nodiscard]] int wait_milliseconds() const;

  guest::UniqueFd epoll_;
  guest::UniqueFd wake_;
  std::uint64_t next_key_ = 1;
  std::unordered_map<std::uint64_t, Watched> watched_;
  std::set<std::pair<Clock::time_point, class Timer*>> timers_;

  std::vector<Task> deferred_;

  std::mutex mutex_;
  std::vector<Task> posted_;
  bool stopped_ = false;
  std::atomic<bool> stopping_{false};
};

// Watches a descriptor that somebody else owns and that must stay open meanwhile. The callback may
// destroy the watch. With no interest at all the descriptor is not watched, so a hang-up does not
// spin.
class FdWatch {
 public:
  FdWatch(EventLoop& loop, int fd, Interest interest, std::function<void(Readiness)> callback);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  void set(Interest interest);
  void want_read(bool wanted);
  void want_write(bool wanted);
  [[nodiscard]] Interest interest() const { return interest_; }

 private:
  EventLoop& loop_;
  std::uint64_t key_;
  Interest interest_;
};

// Fires once for each start(). Destroying or restarting it from its own task is fine.
class Timer {
 public:
  explicit Timer(EventLoop& loop) : loop_(loop) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Clock::duration delay, Task task);
  void start_at(Clock::time_point when, Task task);
  void cancel();
  [[nodiscard]] bool active() const { return when_.has_value(); }

 private:
  friend class EventLoop;
  EventLoop& loop_;
  std::optional<Clock::time_point> when_;
  Task task_;
};

}  // namespace nullspace::local

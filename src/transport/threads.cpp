#include "transport/threads.hpp"

#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <mutex>
#include <utility>
#include <vector>

namespace nullspace::inline v0::transport {

namespace {

// Threads that outlived their owner. One set per process: after a fork the child can neither join
// its parent's nor trust a mutex that one of them may have held.
struct Leftovers {
  struct Entry {
    std::thread thread;
    // Its last act is to set it: joining it is prompt then. Before that it may still be in the
    // callback in which it let go of itself, for as long as the application likes.
    std::shared_ptr<const std::atomic<bool>> ended;
  };

  pid_t owner{::getpid()};
  // Keeps the parent's in sight.
  const Leftovers* inherited{nullptr};
  std::mutex mutex{};
  std::vector<Entry> entries{};
};

// Without a destructor of its own, because static objects of the application may end streams after
// those of this library are gone.
constinit std::atomic<Leftovers*> current_leftovers{nullptr};

Leftovers* existing_leftovers() {
  Leftovers* current = current_leftovers.load(std::memory_order_acquire);
  return current != nullptr && current->owner == ::getpid() ? current : nullptr;
}

Leftovers& leftovers() {
  if (Leftovers* current = existing_leftovers()) return *current;
  auto fresh = std::make_unique<Leftovers>();
  Leftovers* before = current_leftovers.load(std::memory_order_acquire);
  fresh->inherited = before;
  if (current_leftovers.compare_exchange_strong(before, fresh.get())) return *fresh.release();
  return *before;
}

void join_ended() {
  Leftovers* const current = existing_leftovers();
  if (current == nullptr) return;
  std::vector<std::thread> ended;
  {
    const std::lock_guard lock(current->mutex);
    std::erase_if(current->entries, [&ended](Leftovers::Entry& entry) {
      // An ended one may itself be the one that asks, from what dies with its function.
      if (!entry.ended->load() || entry.thread.get_id() == std::this_thread::get_id()) return false;
      ended.push_back(std::move(entry.thread));
      return true;
    });
  }
  for (std::thread& thread : ended)
    thread.join();
}

constinit std::atomic<int> errands{0};
// Those of this thread: a callback that calls exit() is one that does not end.
thread_local int own_errands = 0;

constexpr std::chrono::seconds kErrandsPatience{1};

void wait_for_errands() {
  const auto limit = std::chrono::steady_clock::now() + kErrandsPatience;
  // Only ever at the very end, and mostly not even once.
  while (errands.load() > own_errands && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
}

// When the library is unloaded or the process ends, no thread may be left in its code.
struct JoinAtUnload {
  JoinAtUnload() = default;
  JoinAtUnload(const JoinAtUnload&) = delete;
  JoinAtUnload& operator=(const JoinAtUnload&) = delete;
  ~JoinAtUnload() {
    wait_for_errands();
    // It stays where it is: a thread that is about to hand itself over may be looking at it.
    Leftovers* const all = existing_leftovers();
    if (all == nullptr) return;
    while (true) {
      std::vector<Leftovers::Entry> entries;
      {
        const std::lock_guard lock(all->mutex);
        entries.swap(all->entries);
      }
      if (entries.empty()) return;
      for (Leftovers::Entry& entry : entries) {
        if (entry.thread.get_id() != std::this_thread::get_id()) {
          entry.thread.join();
        } else {
          // A callback has called exit(): this thread ends with the process.
          entry.thread.detach();
        }
      }
    }
  }
};

void join_at_unload() {
  // A child does not inherit the threads that counted themselves.
  static const int kForkRegistered = pthread_atfork(nullptr, nullptr, [] { errands = 0; });
  static_cast<void>(kForkRegistered);
  static const JoinAtUnload kJoinAtUnload;
}

void keep_for_later(std::thread thread, std::shared_ptr<const std::atomic<bool>> ended) {
  Leftovers& all = leftovers();
  const std::lock_guard lock(all.mutex);
  all.entries.push_back({std::move(thread), std::move(ended)});
}

// Of a thread that let go of itself: who waits for its end looks at this. Nobody else has one.
thread_local std::atomic<bool>* own_end = nullptr;

}  // namespace

Errand::Errand() noexcept {
  errands.fetch_add(1);
  ++own_errands;
}
Errand::~Errand() {
  --own_errands;
  errands.fetch_sub(1);
}

std::thread start_thread(const char* name, std::function<void()> body) {
  join_at_unload();
  join_ended();
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  try {
    thread = std::thread([body = std::move(body)]() mutable {
      body();
      body = nullptr;
      if (own_end != nullptr) own_end->store(true);
    });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

void join_or_hand_over(std::thread thread) {
  join_ended();
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    auto ended = std::make_shared<std::atomic<bool>>(false);
    own_end = ended.get();
    keep_for_later(std::move(thread), std::move(ended));
  } else {
    thread.join();
  }
}

void leave_behind(std::thread thread, std::shared_ptr<const std::atomic<bool>> ended) {
  join_ended();
  if (thread.joinable()) keep_for_later(std::move(thread), std::move(ended));
}

}  // namespace nullspace::inline v0::transport

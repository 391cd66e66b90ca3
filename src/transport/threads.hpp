// Threads of the SDK: how they start and how they are joined, whoever lets go of them last.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

namespace nullspace::inline v0::transport {

// Starts a thread with every signal blocked, so that the host's handlers run on the host's threads.
// At most 15 characters of the name are shown by tools.
[[nodiscard]] std::thread start_thread(const char* name, std::function<void()> body);

// Joins the thread. When it is the calling thread itself (the last handle died inside one of its
// callbacks) it cannot join itself: it is then kept and joined by the next call of this function,
// by the next start_thread(), or when the library is unloaded. It is never detached. After a fork()
// the child lets go of threads that exist only in its parent.
void join_or_hand_over(std::thread thread);

// What a thread of the SDK does while it may hold the last reference to something: when the library
// is unloaded, or the process ends, right after the application let go of its own, the end waits
// for these (at most a second, because a callback of the application may be one of them).
class Errand {
 public:
  Errand() noexcept;
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;
  ~Errand();
};

// For a thread that is stuck in a call of the system and would hold up its owner. It is joined by
// one of the above once it has set `ended`, its last act, and when the library is unloaded in any
// case.
void leave_behind(std::thread thread, std::shared_ptr<const std::atomic<bool>> ended);

}  // namespace nullspace::inline v0::transport

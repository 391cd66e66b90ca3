// What all Clients of a process share: the I/O thread of the WebSockets and the thread of the
// callbacks.
#pragma once

#include <atomic>
#include <memory>

#include "transport/dispatcher.hpp"

namespace nullspace::inline v0::transport {

class LwsLoop;

// Owned by those who use it and by nothing else: the last one to go, on whatever thread, ends both
// threads and joins them (see join_or_hand_over() for the case that it is one of them). Neither
// thread starts before it is needed.
//
// After fork() the child sees a Runtime without threads and starts its own; the parent's are never
// touched from there.
class Runtime {
 public:
  // The Runtime of this process: the living one, else a new one.
  [[nodiscard]] static std::shared_ptr<Runtime> shared();

  Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  [[nodiscard]] Dispatcher& dispatcher();
  // Its thread is started with the first connection.
  [[nodiscard]] LwsLoop& websocket_loop();

 private:
  struct Threads;
  [[nodiscard]] Threads& threads();

  std::atomic<Threads*> threads_;
};

}  // namespace nullspace::inline v0::transport

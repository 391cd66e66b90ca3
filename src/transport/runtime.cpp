#include "transport/runtime.hpp"

#include <unistd.h>

#include <mutex>

#include "transport/lws_loop.hpp"

namespace nullspace::inline v0::transport {

namespace {

// Where the living Runtime is found. It does not own it. One per process: a child must not wait for
// a mutex that another thread held when it was forked off.
struct Registry {
  pid_t owner{::getpid()};
  // Keeps the parent's in sight.
  const Registry* inherited{nullptr};
  std::mutex mutex{};
  std::weak_ptr<Runtime> living{};
};

std::atomic<Registry*> current_registry{nullptr};

Registry& registry() {
  Registry* current = current_registry.load(std::memory_order_acquire);
  if (current != nullptr && current->owner == ::getpid()) return *current;
  auto fresh = std::make_unique<Registry>();
  fresh->inherited = current;
  if (current_registry.compare_exchange_strong(current, fresh.get())) return *fresh.release();
  return *current;
}

}  // namespace

struct Runtime::Threads {
  pid_t owner{::getpid()};
  const Threads* inherited{nullptr};
  Dispatcher dispatcher{};
  // Goes first: what it reports on its way out may still post to the dispatcher.
  LwsLoop loop{};
};

std::shared_ptr<Runtime> Runtime::shared() {
  Registry& found = registry();
  const std::lock_guard lock(found.mutex);
  if (auto living = found.living.lock()) return living;
  auto fresh = std::make_shared<Runtime>();
  found.living = fresh;
  return fresh;
}

Runtime::Runtime() : threads_(std::make_unique<Threads>().release()) {}

Runtime::~Runtime() {
  // In a child the inherited threads do not exist: there is nothing to join, and nothing of theirs
  // may be touched.
  Threads* threads = threads_.load();
  if (threads->owner == ::getpid()) delete threads;
}

Runtime::Threads& Runtime::threads() {
  Threads* current = threads_.load(std::memory_order_acquire);
  if (current->owner == ::getpid()) return *current;
  auto fresh = std::make_unique<Threads>();
  fresh->inherited = current;
  if (threads_.compare_exchange_strong(current, fresh.get())) return *fresh.release();
  return *current;
}

Dispatcher& Runtime::dispatcher() {
  return threads().dispatcher;
}

LwsLoop& Runtime::websocket_loop() {
  return threads().loop;
}

}  // namespace nullspace::inline v0::transport

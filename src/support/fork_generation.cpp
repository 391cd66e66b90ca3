#include "support/fork_generation.hpp"

#include <pthread.h>

#include <atomic>

namespace nullspace::inline v0::support {

namespace {

constinit std::atomic<std::uint32_t> generation{0};

void count_child() noexcept {
  generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::uint32_t fork_generation() noexcept {
  // Not at load time: nothing of ours runs before main().
  static const int kRegistered = pthread_atfork(nullptr, nullptr, &count_child);
  static_cast<void>(kRegistered);
  return generation.load(std::memory_order_relaxed);
}

}  // namespace nullspace::inline v0::support

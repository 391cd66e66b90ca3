// Waiting for a condition that another process or thread brings about.
#pragma once

#include <chrono>
#include <thread>

namespace test {

// Asks again and again, for at most half a minute: long enough for a sanitizer on a busy machine,
// and over at once when the condition holds.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition,
                              std::chrono::milliseconds patience = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace test

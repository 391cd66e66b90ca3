// Another program, run to its end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace nullspace::tests {

struct ChildOutcome {
  // 128 + the signal when one ended it, -1 when it was still there at the deadline.
  int exit_code{-1};
  std::string output{};
  std::chrono::milliseconds took{0};
};

// Without the SDK's variables in its environment. Stdout and stderr together are its output.
[[nodiscard]] ChildOutcome run_child(const std::vector<std::string>& command,
                                     std::chrono::milliseconds deadline = std::chrono::seconds{30});

}  // namespace nullspace::tests

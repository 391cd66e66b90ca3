// Whether this process is still the one in which something was made.
#pragma once

#include <cstdint>

namespace nullspace::inline v0::support {

// Counts how often this process and its ancestors were forked off since the library was loaded.
// What was made in another generation belongs to threads that do not exist here, and its mutexes
// may be held by them for ever. Costs one load.
[[nodiscard]] std::uint32_t fork_generation() noexcept;

// Remembers the generation of its making.
class OfThisProcess {
 public:
  [[nodiscard]] bool still() const noexcept { return made_in_ == fork_generation(); }

 private:
  std::uint32_t made_in_{fork_generation()};
};

}  // namespace nullspace::inline v0::support

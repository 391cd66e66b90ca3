#pragma once

#include <cstdint>
#include <vector>

#include "local/guest/process_table.hpp"

namespace nullspace::local::guest {

struct Usage {
  std::uint64_t cpu_usec_total = 0;
  std::uint32_t cpu_count = 0;
  std::uint64_t mem_used_bytes = 0;
  std::uint64_t mem_total_bytes = 0;
};

// Adds up what a sum of processes has used, where processes come and go. Pure.
class CpuAccount {
 public:
  // `current` is the sum over everything that can be seen now. It falls when a process ends whose
  // time nobody inherits (its parent ignored SIGCHLD); the total then stands still instead of
  // falling.
  std::uint64_t update(std::uint64_t current);

 private:
  std::uint64_t last_ = 0;
  std::uint64_t total_ = 0;
};

// Measures the calling process's sandbox: the given processes, and the children it has reaped.
class UsageMeter {
 public:
  Usage measure(const std::vector<ProcessStat>& processes);

 private:
  CpuAccount cpu_;
};

}  // namespace nullspace::local::guest

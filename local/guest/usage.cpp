#include "local/guest/usage.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "local/guest/unique_fd.hpp"

namespace nullspace::local::guest {
namespace {

// Pss is exact where memory is shared, but the kernel walks the page tables for it.
constexpr std::size_t kMaxExactProcesses = 64;

std::uint64_t microseconds(const timeval& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000U +
         static_cast<std::uint64_t>(time.tv_usec);
}

std::uint64_t reaped_cpu_usec() {
  rusage usage{};
  if (::getrusage(RUSAGE_CHILDREN, &usage) != 0) return 0;
  return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

std::optional<std::uint64_t> proportional_bytes(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/smaps_rollup";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::array<char, 4096> buffer{};
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got <= 0) return std::nullopt;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  constexpr std::string_view kKey = "\nPss:";
  const std::size_t key = text.find(kKey);
  if (key == std::string_view::npos) return std::nullopt;
  const std::size_t begin = text.find_first_not_of(' ', key + kKey.size());
  if (begin == std::string_view::npos) return std::nullopt;
  std::uint64_t kibibytes = 0;
  const auto result = std::from_chars(text.data() + begin, text.data() + text.size(), kibibytes);
  if (result.ec != std::errc()) return std::nullopt;
  return kibibytes * 1024U;
}

std::uint32_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return static_cast<std::uint32_t>(count);
  }
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<std::uint32_t>(online) : 1;
}

std::uint64_t total_memory() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return 0;
  return static_cast<std::uint64_t>(info.totalram) * info.mem_unit;
}

}  // namespace

std::uint64_t CpuAccount::update(std::uint64_t current) {
  if (current > last_) total_ += current - last_;
  last_ = current;
  return total_;
}

Usage UsageMeter::measure(const std::vector<ProcessStat>& processes) {
  const long ticks_per_second = ::sysconf(_SC_CLK_TCK);
  const std::uint64_t usec_per_tick =
      1'000'000U / static_cast<std::uint64_t>(ticks_per_second > 0 ? ticks_per_second : 100);
  const long page = ::sysconf(_SC_PAGESIZE);
  const auto page_bytes = static_cast<std::uint64_t>(page > 0 ? page : 4096);
  const bool exact = processes.size() <= kMaxExactProcesses;

  Usage usage;
  // This process is part of what the sandbox costs: without it an idle one would use no memory.
  usage.mem_used_bytes = proportional_bytes(::getpid()).value_or(0);
  std::uint64_t cpu_usec = reaped_cpu_usec();
  for (const ProcessStat& process : processes) {
    cpu_usec += usec_per_tick * (process.user_ticks + process.system_ticks +
                                 process.children_user_ticks + process.children_system_ticks);
    std::optional<std::uint64_t> bytes;
    if (exact) bytes = proportional_bytes(process.pid);
    usage.mem_used_bytes += bytes.value_or(process.resident_pages * page_bytes);
  }
  usage.cpu_usec_total = cpu_.update(cpu_usec);
  usage.cpu_count = usable_cpus();
  usage.mem_total_bytes = total_memory();
  return usage;
}

}  // namespace nullspace::local::guest

#include "tests/integration/local_service.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/catch.hpp"

namespace test {

LocalService::LocalService() {
  server_.start();
}

ns::ClientOptions LocalService::options(ns::Dialect dialect) const {
  return {.api_key = server_.api_key(), .base_url = server_.url(), .dialect = dialect};
}

ns::Dialect each_dialect() {
  return GENERATE(ns::Dialect::sandbox, ns::Dialect::machine);
}

int thread_count() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

double resident_mib() {
  long total = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace test

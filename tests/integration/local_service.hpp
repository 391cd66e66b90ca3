// A nullspace-local inside the test process, and clients of it.
#pragma once

#include <string>

#include <nullspace/nullspace.hpp>

#include "local/local.hpp"

namespace test {

namespace ns = nullspace;

// One server for one test case, on a free port; both dialects are served at once.
class LocalService {
 public:
  LocalService();

  // Settings for a client of this server; a test may change them.
  [[nodiscard]] ns::ClientOptions options(ns::Dialect dialect = ns::Dialect::sandbox) const;
  [[nodiscard]] ns::Client client(ns::Dialect dialect = ns::Dialect::sandbox) const {
    return ns::Client(options(dialect));
  }
  [[nodiscard]] nullspace::local::Server& server() noexcept { return server_; }

 private:
  nullspace::local::Server server_;
};

// The error that the call throws; fails the test when it throws none.
template <typename Call>
ns::Error error_of(Call call) {
  try {
    call();
  } catch (const ns::Error& error) {
    return error;
  }
  throw std::logic_error("the call should have failed");
}

// Either generation of the service, for tests in which the noun matters.
[[nodiscard]] ns::Dialect each_dialect();

// Threads of this process right now.
[[nodiscard]] int thread_count();
// Resident memory of this process in MiB.
[[nodiscard]] double resident_mib();

}  // namespace test

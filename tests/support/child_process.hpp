#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace test {

// A program with pipes on its standard input and output. Destroying it closes its input, then kills
// it if that does not end it.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command{};
    // Variables set for it on top of ours; an empty value removes one.
    std::map<std::string, std::string> environment{};
    std::string directory{};
  };

  // Throws std::runtime_error when it cannot be started.
  explicit ChildProcess(const Options& options);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  void write_line(const std::string& line);
  // Throws std::runtime_error when no line comes in time.
  std::string read_line(std::chrono::milliseconds timeout = kPatience);
  // Everything it writes until it ends, and its exit code (128 and the signal's number if it was
  // killed).
  std::string read_all(std::chrono::milliseconds timeout = kPatience);
  int wait();

  // Long: a sanitizer, a busy machine and a cold interpreter may come together.
  static constexpr std::chrono::milliseconds kPatience{60'000};

 private:
  // False at the end of its output.
  bool read_more(std::chrono::steady_clock::time_point deadline);
  void close_input();

  std::string name_;
  pid_t pid_{-1};
  int input_{-1};
  int output_{-1};
  std::string buffer_;
};

}  // namespace test

// A client on a network made of memory, and what tests of the API say to it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nullspace/nullspace.hpp>

#include "tests/support/scripted_transport.hpp"

namespace nullspace::tests {

inline constexpr std::string_view kTestKey = "ns_live_the_key_of_the_test";

// What threads report, and what a test waits for.
template <typename T>
class Reported {
 public:
  void add(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  // False when fewer than that many come.
  [[nodiscard]] bool wait_for(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this, count] { return values_.size() >= count; });
  }
  [[nodiscard]] std::vector<T> all() const {
    const std::lock_guard lock(mutex_);
    return values_;
  }
  [[nodiscard]] std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<T> values_;
};

// A door that one thread opens and others wait at.
class Door {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool wait() const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this] { return open_; });
  }
  [[nodiscard]] bool is_open() const {
    const std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool open_{false};
};

// The network outlives all handles, so it comes first.
struct ScriptedClient {
  std::shared_ptr<ScriptedHttp> http{std::make_shared<ScriptedHttp>()};
  std::shared_ptr<ScriptedWebSocket> network{std::make_shared<ScriptedWebSocket>()};
  bool reconnects{true};

  // Nothing here waits by itself: no retries of openings, reconnects at once.
  [[nodiscard]] ClientOptions options(Dialect dialect = Dialect::sandbox) const;
  [[nodiscard]] Client client(Dialect dialect = Dialect::sandbox) const {
    return Client(options(dialect));
  }
  // A handle as create() gives it. The request that made it is not in http's record.
  [[nodiscard]] Sandbox sandbox(const Client& on, const std::string& id = "sb_1",
                                HttpHeaders headers = {}) const;
  [[nodiscard]] Sandbox sandbox(Dialect dialect = Dialect::sandbox) const {
    return sandbox(client(dialect));
  }
};

[[nodiscard]] std::string sandbox_body(std::string_view id = "sb_1",
                                       std::string_view status = "running");
[[nodiscard]] std::string error_body(std::string_view code, std::string_view message = "no");

// What the call throws. Fails the test when it throws nothing, or something else.
[[nodiscard]] Error thrown_by(const std::function<void()>& call);

// Messages of the service, as it writes them.
[[nodiscard]] std::string exec_started(int pid = 502);
[[nodiscard]] std::string exec_stdout(std::string_view data);
// With bytes as they are, whole characters or not.
[[nodiscard]] std::string raw_exec_stdout(std::string_view bytes);
[[nodiscard]] std::string exec_stderr(std::string_view data);
[[nodiscard]] std::string exec_exit(int code = 0);
[[nodiscard]] std::string pty_started(std::string_view session_id = "ses_4d", int pid = 640);
[[nodiscard]] std::string pty_output(std::string_view base64);
[[nodiscard]] std::string pty_exited(int code = 0);
[[nodiscard]] std::string stream_error(std::string_view message, std::string_view code = {});

// A server that accepts every connection and does this when the message of that type comes.
void serve(ScriptedWebSocket& network, const std::string& type,
           std::function<void(ScriptedPeer&)> script);

// `type` of a message the SDK sent.
[[nodiscard]] std::string type_of(const std::string& message);

}  // namespace nullspace::tests

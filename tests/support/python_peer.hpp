#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/json.hpp>

#include "tests/support/child_process.hpp"

namespace test {

// tests/interop/peers/service.py as a child process: the service as its description has it, written
// by other hands with other libraries, which misbehaves when a test asks for it.
class PythonPeer {
 public:
  // Arguments of service.py. Throws std::runtime_error, with what to do, when it cannot be started.
  explicit PythonPeer(const std::vector<std::string>& arguments = {});

  [[nodiscard]] int port() const { return port_; }
  // `http://127.0.0.1:<port>`, or https when it was started with --tls.
  [[nodiscard]] std::string url() const { return url_at("127.0.0.1"); }
  [[nodiscard]] std::string url_at(std::string_view host) const;
  // The key it accepts.
  [[nodiscard]] static std::string key() { return "ns_test_key"; }
  // With --tls: the root of its certificate, and another one.
  [[nodiscard]] std::string ca_file() const;
  [[nodiscard]] std::string other_ca_file() const;

  // What it does with the next requests (rest_faults.py), upgrades (upgrade_faults.py), or
  // subscriptions (monitor_channel.py, lifecycle_channel.py), in this order; behind the last one it
  // behaves again.
  void play_rest(const std::vector<std::string>& faults);
  void play_upgrade(const std::vector<std::string>& faults);
  void play_monitor(const std::vector<std::string>& streams);
  void play_lifecycle(const std::vector<std::string>& streams);
  // The same with all of them from now on.
  void always_play_rest(const std::string& fault);
  void always_play_upgrade(const std::string& fault);
  // Back to good behaviour.
  void behave();
  void redirect_to(const std::string& url);

  // Events (service.py notes them) whose members are like these.
  nullspace::Json::Array events(std::string_view event, nullspace::Json::Object like = {});
  // The same once there are `count` of them. Throws std::runtime_error when they do not come.
  nullspace::Json::Array await_events(std::string_view event, int count,
                                      nullspace::Json::Object like = {},
                                      std::chrono::seconds timeout = std::chrono::seconds{30});
  [[nodiscard]] int count(std::string_view event, nullspace::Json::Object like = {});
  // Sandboxes that exist, and those ever made.
  [[nodiscard]] int sandboxes_now();
  [[nodiscard]] int sandboxes_ever();

 private:
  void script(std::string_view what, const std::vector<std::string>& names, bool repeat);
  nullspace::Json ask(nullspace::Json::Object question);

  ChildProcess process_;
  nullspace::Json hello_;
  int port_{0};
  bool tls_{false};
};

}  // namespace test

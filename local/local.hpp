// A Nullspace server of one's own: real processes and terminals behind the real wire protocol, on
// this machine. The program `nullspace-local` is this class and a command line; tests start one in
// their own process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/secret.hpp>

namespace nullspace::local {

enum class IsolationMode {
  automatic,  // isolated where the kernel allows it
  required,   // do not start otherwise
  none        // plain child processes
};

struct ServerOptions {
  // Name or address to listen on. Others than loopback need allow_remote.
  std::string host{"127.0.0.1"};
  // 0: a free one.
  std::uint16_t port{0};
  // Remote clients are welcome; the Host header is not checked any more.
  bool allow_remote{false};
  // Each is an account of its own. None: one is made up, see Server::api_key().
  std::vector<Secret> api_keys{};
  // Default: a fresh directory below $TMPDIR. Made when missing; the sandboxes in it are gone after
  // stop().
  std::filesystem::path state_dir{};
  // WebSocket pings; 0: none.
  std::chrono::milliseconds ping_interval{std::chrono::seconds{15}};
  // The guest agent; default: see guest::find_guest_executable().
  std::filesystem::path guest_executable{};
  IsolationMode isolation{IsolationMode::automatic};
  // One line for each answer and for what happens to sandboxes; from the server's thread. Never
  // holds a key.
  std::function<void(std::string_view)> log{};
  // How long a webhook delivery that failed waits before its second attempt, its third, and so on.
  // After the last one it is given up.
  std::vector<std::chrono::milliseconds> webhook_retry_delays{
      std::chrono::seconds{30}, std::chrono::minutes{2}, std::chrono::minutes{10},
      std::chrono::hours{1}};
};

// Why a server could not be started.
class StartError : public std::runtime_error {
 public:
  enum class Reason { address_in_use, address, guest_missing, state_dir, isolation, system };
  StartError(Reason reason, const std::string& message)
      : std::runtime_error(message), reason_(reason) {}
  [[nodiscard]] Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

// Threads of its own, any number of servers in a process. The methods may be called from any thread
// but the log callback's, one at a time.
class Server {
 public:
  explicit Server(ServerOptions options = {});
  // stop().
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Returns when connections are accepted. Throws StartError.
  void start();
  // Ends every sandbox and connection; returns when no process and no file is left. Harmless when
  // not started.
  void stop();

  // What follows is known after start().
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint16_t port() const;
  // The first one.
  [[nodiscard]] const Secret& api_key() const;
  [[nodiscard]] bool isolated() const;
  // Why not, if not.
  [[nodiscard]] const std::string& isolation_reason() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nullspace::local

// A Nullspace server of one's own: real processes and terminals behind the real wire protocol, on
// this machine. The program `nullspace-local` is this class and a command line; tests start one in
// their own process.
#pragma once

#include <chrono>
#include <cstddef>
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

enum class ClockMode {
  real,
  manual  // the service's time stands still but for Server::advance_clock()
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
  // Opens the paths below /_emu and the header x-nullspace-fault to whoever has a key: faults,
  // dropped connections, reset, the clock. See docs/local-server-faults.md. The methods of Server
  // work without it.
  bool faults{false};
  // Deadlines of sandboxes, pings, samples and timestamps follow it. A manual one opens /_emu, too.
  ClockMode clock{ClockMode::real};
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

// Which connections of an account are dropped, and how.
struct ConnectionDrop {
  enum class How {
    reset,  // RST
    close,  // a WebSocket by its closing handshake
    vanish  // the socket stays open, and nothing is read or written any more
  };
  // exec, pty, control (any socket of a sandbox), monitor, lifecycle, http (requests that are being
  // answered); empty: all.
  std::string channel{};
  // Empty: whatever sandbox.
  std::string sandbox_id{};
  How how{How::reset};
  // With How::close: one that may be sent, or 1006, which is a reset.
  std::uint16_t close_code{1001};
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

  // --- for tests; between start() and stop(), else std::logic_error ---
  //
  // `account` is the index of a key in ServerOptions::api_keys. What is not understood throws
  // std::invalid_argument. JSON is what docs/local-server-faults.md describes.

  // One rule or `{"rules": [...]}`; the answer shows them with their ids.
  std::string install_faults(std::string_view json, std::size_t account = 0);
  // The rules and how often each has matched and fired.
  [[nodiscard]] std::string faults(std::size_t account = 0) const;
  // How many there were.
  std::size_t clear_faults(std::size_t account = 0);
  // How many there were.
  std::size_t drop_connections(const ConnectionDrop& drop = {}, std::size_t account = 0);
  // Ends every sandbox of the account and forgets the rest of its state. Nothing of it is to be
  // seen afterwards; the processes end shortly after.
  void reset(std::size_t account = 0);
  // The service's time.
  [[nodiscard]] std::chrono::sys_time<std::chrono::microseconds> now() const;
  // Moves a manual clock; returns when everything is done that became due, in its order. How many
  // timers fired. std::logic_error when the clock is real.
  std::uint64_t advance_clock(std::chrono::milliseconds by);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nullspace::local

// A bad network between a client and a server: a TCP proxy on a free port of 127.0.0.1 that delays,
// stalls, slices and cuts what passes through it when a test says so.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "local/guest/unique_fd.hpp"
#include "tests/support/tcp_link.hpp"

namespace nullspace::tests {

// Each connection is cut once a number of bytes, of both directions together, has passed. The
// number is drawn anew for every connection.
struct RandomCuts {
  std::uint64_t min_bytes{0};
  std::uint64_t max_bytes{std::uint64_t{64} << 10};
  Cut how{Cut::either};
};

// Has one thread. The methods may be called from any other, and what they say holds when they
// return.
class TcpProxy {
 public:
  struct Options {
    std::uint16_t target_port{0};
    std::string target_host{"127.0.0.1"};
    // The same seed, connections and bytes give the same slices, delays and cuts.
    std::uint64_t seed{1};
  };
  struct Counters {
    std::uint64_t connections{0};
    std::uint64_t open{0};
    // Connections that this proxy ended.
    std::uint64_t cuts{0};
    // Bytes that were passed on.
    std::uint64_t upstream{0};
    std::uint64_t downstream{0};
  };

  // Throws std::runtime_error when it cannot listen.
  explicit TcpProxy(Options options);
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;
  ~TcpProxy();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  // `http://127.0.0.1:port`.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] Counters counters() const;

  // For the connections there are and those to come.
  void set_toxics(Direction direction, const Toxics& toxics);
  void clear_toxics();
  // Nothing passes in either direction, ends of streams included, and everything stays open. What
  // was held back passes once it is over.
  void black_hole(bool on);
  // Connection attempts are refused; what is open stays.
  void refuse(bool on);
  // Ends all connections there are.
  void cut_all(Cut how);
  // For the connections there are and those to come; nullopt: no more cuts.
  void cut_randomly(std::optional<RandomCuts> cuts);

 private:
  // Runs it on the proxy's thread and waits for it.
  void perform(const std::function<void()>& task);
  void run();
  void run_tasks();
  void listen();
  void accept_all();
  void apply_toxics(TcpLink& link) const;
  [[nodiscard]] std::optional<std::uint64_t> draw_cut();
  void note_end(const TcpLink& link);

  const Options options_;
  // Bound and never listening: keeps the port ours while connections are refused.
  local::guest::UniqueFd port_keeper_;
  local::guest::UniqueFd wake_;
  std::uint16_t port_{0};

  std::atomic<std::uint64_t> connections_{0};
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint64_t> cuts_{0};
  std::atomic<std::uint64_t> upstream_bytes_{0};
  std::atomic<std::uint64_t> downstream_bytes_{0};

  std::mutex mutex_;
  std::condition_variable performed_;
  std::vector<std::function<void()>> tasks_;
  std::uint64_t tasks_done_{0};
  std::uint64_t tasks_given_{0};
  bool stopping_{false};

  // The thread's own.
  local::guest::UniqueFd listener_;
  std::vector<std::unique_ptr<TcpLink>> links_;
  Toxics upstream_;
  Toxics downstream_;
  bool black_hole_{false};
  std::optional<RandomCuts> random_cuts_;
  std::mt19937_64 random_;

  std::thread thread_;
};

}  // namespace nullspace::tests

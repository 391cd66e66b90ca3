// The life of one channel over many connections: when to connect, how long to wait in between, when
// to give up. Pure: events, time and random numbers come in, actions go out.
#pragma once

#include <chrono>
#include <optional>

namespace nullspace::inline v0::transport {

class ChannelState {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;

  struct Policy {
    bool reconnect{true};
    // Ceiling of the first delay; doubles up to max_delay, with full jitter below it.
    Duration initial_delay{250};
    Duration max_delay{5'000};
    // Attempts of one outage; 0 = no limit.
    int max_attempts{0};
    // Length of one outage; 0 = no limit.
    Duration max_outage{0};
    // A connection that lived this long starts the delays anew. A server that accepts everybody and
    // throws them out at once is not asked at the pace of the first delay for ever.
    Duration healthy_after{10'000};
    // A new connection counts once the server has answered its greeting, which it must do within
    // this time; 0: it counts at once.
    Duration answer_within{0};
  };

  enum class Phase {
    connecting,  // A socket is opening.
    greeting,    // It is open; the server's answer is awaited.
    connected,
    waiting,  // Between a loss and the next attempt.
    closed
  };
  enum class Action {
    none,
    connect,  // Open a socket.
    wait,     // Call tick() at the given time.
    drop,     // The server did not answer: end the socket and report it lost.
    close     // It is over.
  };
  struct Step {
    Action action{Action::none};
    Time at{};
  };
  struct Loss {
    // Trying again would bring the same.
    bool final{false};
    // What the server asked for; no attempt is made before.
    std::optional<Duration> retry_after{};
  };

  // Starts with a connection that the owner has made.
  ChannelState(const Policy& policy, Time now) noexcept : policy_(policy), connected_at_(now) {}

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  // Attempts since the last connection that worked.
  [[nodiscard]] int attempts() const noexcept { return attempts_; }

  // The socket is open.
  [[nodiscard]] Step opened(Time now) noexcept;
  // The server has taken the greeting.
  void answered(Time now) noexcept;
  // The server said something: the connection works.
  void heard() noexcept { heard_ = true; }
  // The connection, or the attempt to make one, is over. `unit` is uniform in [0, 1).
  [[nodiscard]] Step lost(Time now, const Loss& loss, double unit) noexcept;
  [[nodiscard]] Step tick(Time now) noexcept;
  // When tick() has something to do; nothing when only events lead on.
  [[nodiscard]] std::optional<Time> due() const noexcept;
  void close() noexcept { phase_ = Phase::closed; }

 private:
  [[nodiscard]] Step give_up() noexcept;

  const Policy policy_;
  Phase phase_{Phase::connected};
  // Of the present connection.
  Time connected_at_;
  bool heard_{false};
  // Of the present outage.
  int attempts_{0};
  std::optional<Time> outage_since_{};
  // How often the delay has doubled.
  int doublings_{0};
  Time due_{};
};

}  // namespace nullspace::inline v0::transport

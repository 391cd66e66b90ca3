// One connection through a TcpProxy: two sockets, and what is done to the bytes between them.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>

#include "local/guest/unique_fd.hpp"

namespace nullspace::tests {

// Client to server, and server to client.
enum class Direction { upstream, downstream };

// What is done to the bytes of one direction. Names and meaning are those of toxiproxy.
struct Toxics {
  struct Slicer {
    // Pieces have average_size plus or minus size_variation bytes, at least one.
    std::size_t average_size{16};
    std::size_t size_variation{15};
    // Between two pieces.
    std::chrono::microseconds delay{0};
  };

  // Every piece arrives that much later, give or take the jitter. Order is kept.
  std::chrono::milliseconds latency{0};
  std::chrono::milliseconds jitter{0};
  // Bytes per second; 0: as fast as it goes.
  std::size_t bandwidth{0};
  // How much later the end of the stream is passed on.
  std::chrono::milliseconds slow_close{0};
  // Nothing is passed on any more, and after that time the connection is closed; 0: never.
  std::optional<std::chrono::milliseconds> timeout{};
  // The connection is reset after that time.
  std::optional<std::chrono::milliseconds> reset_peer{};
  std::optional<Slicer> slicer{};
  // The connection is closed once so many bytes have passed in this direction.
  std::optional<std::uint64_t> limit_data{};
};

// How a connection is cut off: FIN, RST, or one of them by chance.
enum class Cut { close, reset, either };

// One direction of a link.
class TcpPipe {
 public:
  using Clock = std::chrono::steady_clock;

  // From when on the times of timeout and reset_peer count: the connection's start or the toxics'
  // own, whichever is later.
  void set_toxics(const Toxics& toxics, Clock::time_point now);

  // All return false when the socket is broken.
  [[nodiscard]] bool read_from(int socket, Clock::time_point now, std::mt19937_64& random);
  // Writes what is due, at most `budget` bytes, and says how many those were.
  [[nodiscard]] bool write_to(int socket, Clock::time_point now, std::mt19937_64& random,
                              std::uint64_t budget, std::uint64_t& written);

  [[nodiscard]] bool blocked() const { return toxics_.timeout.has_value(); }
  [[nodiscard]] bool wants_read() const;
  [[nodiscard]] bool wants_write(Clock::time_point now) const;
  // Bytes that may still pass before limit_data is reached.
  [[nodiscard]] std::uint64_t left() const;
  // Everything has been passed on, the end included.
  [[nodiscard]] bool finished() const { return end_passed_on_; }
  // When the toxics end the connection, and how.
  [[nodiscard]] std::optional<Clock::time_point> close_due() const;
  [[nodiscard]] std::optional<Clock::time_point> reset_due() const;
  // When there is something to do without the socket asking for it.
  [[nodiscard]] std::optional<Clock::time_point> next_due() const;

 private:
  struct Piece {
    std::string bytes;
    Clock::time_point due;
  };
  [[nodiscard]] std::size_t slice(std::size_t available, std::mt19937_64& random) const;

  Toxics toxics_;
  Clock::time_point toxics_since_;
  std::deque<Piece> pieces_;
  std::size_t front_written_{0};
  std::size_t queued_{0};
  std::uint64_t passed_{0};
  // The gate of bandwidth and slicer.
  Clock::time_point gate_;
  Clock::time_point last_due_;
  bool full_{false};
  bool ended_{false};
  bool end_passed_on_{false};
};

// Belongs to the proxy's thread.
class TcpLink {
 public:
  using Clock = TcpPipe::Clock;
  enum class State {
    open,
    over,  // both sides have ended it
    cut    // this proxy did
  };
  struct Interest {
    short client{0};
    short server{0};
    std::optional<Clock::time_point> wake{};
  };
  struct Traffic {
    std::uint64_t upstream{0};
    std::uint64_t downstream{0};
  };

  // `cut_after`: how many bytes, of both directions together, pass before it is cut in that way.
  TcpLink(local::guest::UniqueFd client, local::guest::UniqueFd server,
          std::optional<std::uint64_t> cut_after, Cut how);

  void set_toxics(Direction direction, const Toxics& toxics, Clock::time_point now);
  // Does whatever can be done now, and gives the bytes that have passed.
  [[nodiscard]] Traffic advance(short client_events, short server_events, Clock::time_point now,
                                std::mt19937_64& random);
  void cut(Cut how, std::mt19937_64& random);
  void cut_after(std::optional<std::uint64_t> bytes, Cut how);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Interest interest(Clock::time_point now) const;
  [[nodiscard]] int client() const { return client_.get(); }
  [[nodiscard]] int server() const { return server_.get(); }

 private:
  [[nodiscard]] bool move(TcpPipe& pipe, int from, int to, bool readable, Clock::time_point now,
                          std::mt19937_64& random, std::uint64_t& written);
  [[nodiscard]] bool cut_by_toxics(Clock::time_point now, std::mt19937_64& random);
  void close_both(bool reset);

  local::guest::UniqueFd client_;
  local::guest::UniqueFd server_;
  TcpPipe upstream_;
  TcpPipe downstream_;
  std::optional<std::uint64_t> bytes_left_;
  Cut how_;
  State state_{State::open};
};

}  // namespace nullspace::tests

/// @file
/// Terminals in a sandbox.
#pragma once

#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/commands.hpp>
#include <nullspace/error.hpp>
#include <nullspace/export.hpp>
#include <nullspace/sandbox_info.hpp>
#include <nullspace/stream_state.hpp>

namespace nullspace::inline v0 {

namespace detail {
class PtyCore;
}

/// Receives terminal output: bytes, exactly as the terminal wrote them (a piece may end inside a
/// UTF-8 sequence).
using BytesCallback = std::function<void(std::string_view bytes)>;

/// A size in character cells, each 1 to 65535.
struct PtySize {
  int cols{120};
  int rows{30};
};

/// Output that nobody can show any more: what the terminal wrote while the connection was away.
struct PtyGap {
  /// How long the session was without a connection.
  std::chrono::milliseconds away{0};
};

struct PtyCreateOptions {
  int cols{120};
  int rows{30};
  /// Existing absolute directory; default: the sandbox's.
  std::string cwd{};
  EnvMap envs{};
  /// With it, output is delivered in the background on the client's executor, until the session
  /// ends or is disconnected; while a thread is in wait() or read(), on that thread. Without it,
  /// nothing is read before wait(), read() or a range-for asks for it.
  BytesCallback on_data{};
  /// With on_data. Once, in the background: the stream broke for good, or a callback threw.
  std::function<void(const Error&)> on_error{};
  /// Gives up opening within 50 ms.
  std::stop_token stop{};
  /// A lost connection is made again by itself (ClientOptions::reconnect): reconnecting with the
  /// cause, then connected. Runs where on_data runs, in order with it.
  std::function<void(const StateChange&)> on_state_change{};
  /// After every reconnect, before further output: the service does not keep a terminal's output,
  /// so that what it wrote meanwhile is lost. A full-screen program draws its screen again when it
  /// is resized.
  std::function<void(const PtyGap&)> on_gap{};
  /// Bytes of input that send_input() may keep while the session is reconnecting, to be typed once
  /// it is connected again. 0: it throws instead. Input that was sent before is never repeated.
  std::size_t queued_input_bytes{0};
};

struct PtyConnectOptions {
  /// Like those of PtyCreateOptions.
  BytesCallback on_data{};
  std::function<void(const Error&)> on_error{};
  std::stop_token stop{};
  std::function<void(const StateChange&)> on_state_change{};
  std::function<void(const PtyGap&)> on_gap{};
  std::size_t queued_input_bytes{0};
};

/// How a session's wait ended.
struct PtyResult {
  /// The shell's exit code; 124 when `timed_out`, 1 when the session ended with `error` and no
  /// code.
  int exit_code{0};
  /// Message of the server, if it ended the session with an error.
  std::string error{};
  /// The wait's own time-out passed. The remote session goes on; connect() to it again.
  bool timed_out{false};
};

struct PtyWaitOptions {
  /// Output goes here, on the calling thread. What it throws comes out of wait(). Default: the
  /// callback given at connect, if any, else output is discarded.
  BytesCallback on_data{};
  /// How long to wait. Default: 1 hour; kNoDeadline waits for ever.
  std::chrono::milliseconds timeout{std::chrono::hours{1}};
  std::stop_token stop{};
};

struct PtyReadOptions {
  /// Default: 1 hour, then Error `timeout`.
  std::chrono::milliseconds timeout{std::chrono::hours{1}};
  std::stop_token stop{};
};

/// A terminal session as the server lists it.
struct PtySessionInfo {
  std::string session_id{};
  int pid{0};
  int cols{0};
  int rows{0};
  std::string exec_id{};
};

/// A shell in a pseudo-terminal, attached over a WebSocket (`...?channel=pty`). Movable handle; one
/// thread may read while others send. Destroying it disconnects: the session lives on until its
/// shell exits or the sandbox ends, and Pty::connect() attaches again.
///
/// A connection that is lost is made again by itself, as ClientOptions::reconnect allows: in the
/// background when there is an on_data, else while a thread is in wait() or read(). See
/// PtyCreateOptions for what one hears of it.
class NULLSPACE_EXPORT PtySession {
 public:
  PtySession(PtySession&&) noexcept;
  PtySession& operator=(PtySession&&) noexcept;
  PtySession(const PtySession&) = delete;
  PtySession& operator=(const PtySession&) = delete;
  ~PtySession();

  [[nodiscard]] const std::string& session_id() const noexcept;
  /// As the server reported it at start, with the size kept up to date by resize().
  [[nodiscard]] PtySessionInfo info() const;
  [[nodiscard]] bool connected() const noexcept;
  /// The shell's exit code once `pty_exited` has arrived.
  [[nodiscard]] std::optional<int> exit_code() const noexcept;

  /// Types bytes into the terminal (`pty_input`). Blocks while the send buffer is full, at most the
  /// client's request timeout. Throws Error `transport_error` when the session is disconnected;
  /// while it is reconnecting that is retryable(), and with queued_input_bytes the input is kept
  /// instead. Nothing of the call was sent when it throws before a first piece of 48 KiB.
  void send_input(std::string_view bytes) const;
  /// `pty_resize`. Cells; throws Error `invalid_request` outside 1 to 65535 before anything is
  /// sent. While the session is reconnecting the size is kept and sent afterwards.
  void resize(PtySize size) const;
  /// `pty_kill`: ends the shell; `pty_exited` follows with code 137.
  void kill() const;

  /// Reads until the session ends, delivering output. What follows `pty_exited` is delivered, too,
  /// until the server closes or is silent for 250 ms. Returns the exit code, or `timed_out` with
  /// code 124. After the end it returns the stored result at once. Throws Error: `transport_error`
  /// when the connection ended without `pty_exited` (that is never an exit code) and does not come
  /// back, `not_found` when the session ended meanwhile, `invalid_response`, `cancelled`.
  PtyResult wait(PtyWaitOptions options = {});

  /// The next piece of output, or nothing when the session has ended. Throws like wait(), and Error
  /// `timeout` when nothing came in time.
  [[nodiscard]] std::optional<std::string> read(PtyReadOptions options = {});

  /// Closes the socket; the session lives on. Idempotent. After it returns no callback runs.
  void disconnect() noexcept;

  /// Pieces of output until the end: `for (const std::string& bytes : session)`. Uses read() with
  /// its defaults.
  class NULLSPACE_EXPORT Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string*;
    using reference = const std::string&;

    Iterator() = default;
    explicit Iterator(PtySession& session);
    [[nodiscard]] const std::string& operator*() const noexcept { return *piece_; }
    [[nodiscard]] const std::string* operator->() const noexcept { return &*piece_; }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t /*end*/) noexcept {
      return !it.piece_;
    }

   private:
    PtySession* session_{nullptr};
    std::optional<std::string> piece_{};
  };
  [[nodiscard]] Iterator begin() { return Iterator(*this); }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

  /// For the SDK's own use.
  explicit PtySession(std::shared_ptr<detail::PtyCore> core) noexcept;

 private:
  std::shared_ptr<detail::PtyCore> core_;
};

/// The terminals of one sandbox; got from Sandbox::pty(). Cheap to copy, thread-safe.
class NULLSPACE_EXPORT Pty {
 public:
  /// Starts a shell in a new terminal (`pty_start`) and waits for `pty_started`, at most the
  /// client's timeouts.websocket_open. Throws Error: `invalid_request` (size, before any I/O),
  /// `timeout`, `transport_error`, `sandbox_not_found`, `invalid_response`, or the code the
  /// server's `error` frame carried (`pty_protocol_error` if none).
  [[nodiscard]] PtySession create_session(PtyCreateOptions options = {}) const;
  /// Attaches to a running session (`pty_connect`). Several viewers may be attached at once; all
  /// get the output, from now on. Throws like create_session(); code `not_found` when it is gone.
  [[nodiscard]] PtySession connect(std::string_view session_id,
                                   PtyConnectOptions options = {}) const;
  /// The same by the shell's pid.
  [[nodiscard]] PtySession connect(int pid, PtyConnectOptions options = {}) const;
  /// `GET .../pty`.
  [[nodiscard]] std::vector<PtySessionInfo> list_sessions() const;
  /// `GET .../pty/{session_id}`.
  [[nodiscard]] PtySessionInfo get_session_info(std::string_view session_id) const;
  /// `DELETE .../pty/{session_id}`.
  void kill_session(std::string_view session_id) const;
  /// `POST .../pty/{session_id}/resize`.
  void resize_session(std::string_view session_id, PtySize size) const;

  /// For the SDK's own use.
  explicit Pty(std::shared_ptr<detail::SandboxCore> sandbox) noexcept;

 private:
  std::shared_ptr<detail::SandboxCore> sandbox_;
};

}  // namespace nullspace::inline v0

// One attached terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include <nullspace/pty.hpp>

#include "api/live_stream.hpp"
#include "api/sandbox_core.hpp"
#include "support/result.hpp"
#include "wire/pty_messages.hpp"

namespace nullspace::inline v0::detail {

// Thread-safe.
class PtyCore final : public LiveStream {
 public:
  struct Callbacks {
    BytesCallback on_data{};
    std::function<void(const Error&)> on_error{};
    std::function<void(const StateChange&)> on_state_change{};
    std::function<void(const PtyGap&)> on_gap{};
    std::size_t queued_input_bytes{0};
  };

  // Opens a socket, sends the message and waits for `pty_started`.
  [[nodiscard]] static support::Result<std::shared_ptr<PtyCore>> open(
      std::shared_ptr<SandboxCore> sandbox,
      const std::variant<wire::PtyStart, wire::PtyConnect>& hello, Callbacks callbacks,
      const std::stop_token& stop);

  PtyCore(std::shared_ptr<SandboxCore> sandbox, std::shared_ptr<transport::MessageStream> stream,
          StreamTarget target, std::string id, PtySessionInfo info, Callbacks callbacks);

  [[nodiscard]] const std::string& session_id() const noexcept { return session_id_; }
  [[nodiscard]] PtySessionInfo info() const;
  [[nodiscard]] bool connected() const;
  [[nodiscard]] std::optional<int> exit_code() const;

  [[nodiscard]] support::Result<void> send_input(std::string_view bytes);
  [[nodiscard]] support::Result<void> resize(PtySize size);
  [[nodiscard]] support::Result<void> kill();

  [[nodiscard]] support::Result<PtyResult> wait(const PtyWaitOptions& options);
  [[nodiscard]] support::Result<std::optional<std::string>> read(const PtyReadOptions& options);

 private:
  using Sink = std::shared_ptr<const BytesCallback>;

  [[nodiscard]] std::optional<std::string> greeting() override;
  [[nodiscard]] Reply handle_reply(std::string message) override;
  void handle_connected(bool again) override;
  void handle_message(std::string message) override;
  void handle_lost(const ErrorInfo& cause) override;
  void handle_end(ErrorInfo cause) override;
  void handle_exception(std::exception_ptr thrown) override;

  void handle(wire::PtyServerMessage message);

  // A message that is worth nothing later.
  [[nodiscard]] support::Result<void> send_now(std::string_view message);
  // Sent, or kept for the next connection, or refused.
  [[nodiscard]] support::Result<void> send_or_queue(std::string message, std::size_t input_bytes);
  // What may be said while there is no connection: empty when there is one again.
  [[nodiscard]] std::optional<support::Result<void>> queue(std::string& message,
                                                           std::size_t input_bytes);
  // `pty_exited` or `error` has come, or the stream broke.
  [[nodiscard]] bool over() const;
  [[nodiscard]] ErrorInfo disconnected_error() const;
  [[nodiscard]] std::string size_message(PtySize size) const;
  void fail(ErrorInfo error);
  // After the end: delivers what the server sent behind it, until it closes or is silent.
  [[nodiscard]] Drive drain(support::Expiry expiry, const std::stop_token& stop,
                            const std::function<bool()>& enough);
  // The stored result, or the error the stream broke with.
  [[nodiscard]] support::Result<PtyResult> stored_result() const;
  // What an earlier read() left comes first.
  void deliver_unread(const BytesCallback& on_data, support::Expiry expiry,
                      const std::stop_token& stop);
  [[nodiscard]] std::optional<std::string> next_unread();
  // For the time of a wait or read, output goes to its own sink, on its own thread.
  class Attention;
  [[nodiscard]] Sink swap_sink(Sink sink);

  const std::shared_ptr<SandboxCore> sandbox_;
  const std::string id_;
  const std::string session_id_;
  const Callbacks callbacks_;
  // Only touched inside the gate.
  std::optional<std::chrono::steady_clock::time_point> lost_at_;

  mutable std::mutex mutex_;
  PtySessionInfo info_;
  Sink sink_;
  // Pieces that read() has not handed out yet.
  std::deque<std::string> unread_;
  std::uint64_t messages_{0};
  std::optional<int> exit_code_;
  std::optional<std::string> server_error_;
  std::optional<ErrorInfo> failure_;
  bool wait_timed_out_{false};

  // What waits for the next connection. Input goes through it as long as there is something in it,
  // so that nothing overtakes.
  std::mutex queue_mutex_;
  bool away_{false};
  struct Queued {
    std::string message;
    std::size_t input_bytes{0};
  };
  std::deque<Queued> queued_;
  std::size_t queued_bytes_{0};
  std::size_t queued_cost_{0};
  bool resized_{false};
};

}  // namespace nullspace::inline v0::detail

// A channel whose messages are handled in the background, or by a thread that waits for what they
// bring, and that comes back when its connection is lost.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <nullspace/client.hpp>
#include <nullspace/transport.hpp>

#include "api/client_core.hpp"
#include "api/open_stream.hpp"
#include "api/serial_steps.hpp"
#include "support/expiry.hpp"
#include "support/fork_generation.hpp"
#include "transport/channel_state.hpp"
#include "transport/message_stream.hpp"

namespace nullspace::inline v0 {

// Messages are handled in order, by one thread at a time. A waiting thread handles them itself, so
// that waiting inside a callback on the only dispatcher thread does not wait for that very thread.
//
// ChannelState decides when to connect again; this class does what it says. Everything that it says
// or hears happens inside the gate.
class LiveStream : public SerialSteps {
 public:
  using Wait = transport::MessageStream::Wait;
  enum class Drive { done, timed_out, cancelled, shut };

  ~LiveStream() override;

  // From now on messages are handled on the client's executor as they come.
  void run_in_background();

  // Handles messages on this thread until done() holds. done() is asked often and from this thread
  // only. What handle_message() throws comes out. Meanwhile the executor handles none.
  [[nodiscard]] Drive drive(support::Expiry expiry, const std::stop_token& stop,
                            const std::function<bool()>& done);

  // Closes the connection, and wakes who waits for it. Nothing is handled after it returns: waits
  // for a callback that is running, unless it runs on this very thread.
  void shut() noexcept;
  // Connected, and nobody has shut it.
  [[nodiscard]] bool attached() const;

  // To the present connection. Waits while its send queue is full.
  [[nodiscard]] Wait send(std::string_view message, support::Expiry expiry,
                          const std::stop_token& stop);
  // The same without waiting. A failure shows as the loss of the connection, or does not matter.
  void send_soon(std::string_view message);
  // Starts the closing handshake. What has come before is still handled.
  void close_connection() noexcept;

 protected:
  struct Channel {
    // Where to connect again.
    StreamTarget target{};
    // A new connection counts once the server has answered the greeting, within this time; 0: at
    // once.
    std::chrono::milliseconds answer_within{0};
    // For the log.
    std::string_view name{};
  };
  // What the first messages of a new connection say.
  struct Reply {
    enum class Verdict { taken, refused, not_one } verdict{Verdict::not_one};
    // When refused.
    ErrorInfo error{};
    // Asking again would be refused again.
    bool final{true};
  };

  // `stream` is open and greeted.
  LiveStream(std::shared_ptr<const detail::ClientCore> client,
             std::shared_ptr<transport::MessageStream> stream, Channel channel);

  // As long as it lives, messages are for the threads that wait, and the executor leaves them
  // alone: callbacks of a blocking call run on the thread that made it.
  class Driving {
   public:
    explicit Driving(LiveStream& stream) : stream_(stream) { ++stream_.drivers_; }
    Driving(const Driving&) = delete;
    Driving& operator=(const Driving&) = delete;
    ~Driving();

   private:
    LiveStream& stream_;
  };

  // The hooks may throw what a callback of the application throws, but for the last two.
  //
  // What a new connection starts with; none when the stream is not to come back.
  [[nodiscard]] virtual std::optional<std::string> greeting() = 0;
  // Before a new connection counts as connected. Never asked when Channel::answer_within is 0.
  [[nodiscard]] virtual Reply handle_reply(std::string message);
  // A connection counts; `again`: it is not the first.
  virtual void handle_connected(bool again);
  virtual void handle_message(std::string message) = 0;
  // The connection, or the attempt to make a new one, is lost. Another attempt follows.
  virtual void handle_lost(const ErrorInfo& cause);
  // The connection is over, does not come back, and every message has been handled. Called once.
  virtual void handle_end(ErrorInfo cause) = 0;
  // Somebody shuts the stream, and is going to wait until no hook runs. Called outside the gate.
  virtual void handle_shut() noexcept {}
  // A hook threw in the background, where nobody can catch it.
  virtual void handle_exception(std::exception_ptr thrown) = 0;

  // Inside the gate: nothing is handled any more, and the connection closes.
  void finish() noexcept;
  // Closed by either side, and every message handled.
  [[nodiscard]] bool exhausted() const;
  // Who waits looks again; the executor does, too.
  void nudge();
  [[nodiscard]] const detail::ClientCore& client() const noexcept { return *client_; }

 private:
  using Phase = transport::ChannelState::Phase;

  bool step() final;
  // One thing; false when there was nothing to do.
  bool handle_next();
  bool handle_opening(transport::MessageStream& stream);
  bool handle_greeting(transport::MessageStream& stream);
  bool handle_connected_stream(transport::MessageStream& stream);
  void connect();
  void count_as_connected();
  void lost(ErrorInfo cause, bool final);
  void arm(transport::ChannelState::Time at);
  // Events of the stream wake who waits.
  void listen();
  void listen_to(transport::MessageStream& stream);
  [[nodiscard]] std::shared_ptr<transport::MessageStream> current() const;
  [[nodiscard]] std::weak_ptr<LiveStream> weak_self();

  [[nodiscard]] std::uint64_t version() const;
  [[nodiscard]] Wait wait_change(std::uint64_t seen, support::Expiry expiry,
                                 const std::stop_token& stop);

  const support::OfThisProcess ours_{};
  // Kept alive: tasks that are on their way use its executor.
  const std::shared_ptr<const detail::ClientCore> client_;
  const Channel channel_;
  std::atomic<int> drivers_{0};
  std::atomic<bool> in_background_{false};
  std::atomic<bool> listening_{false};
  std::atomic<bool> connected_{true};

  // Only touched inside the gate.
  transport::ChannelState state_;
  bool first_announced_{false};
  bool heard_{false};

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::uint64_t version_{0};
  // Never null; the last one when there is none.
  std::shared_ptr<transport::MessageStream> stream_;
  std::optional<transport::Dispatcher::TimerId> timer_;
  bool shut_{false};
};

}  // namespace nullspace::inline v0

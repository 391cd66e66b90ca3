// A stream whose messages are handled in the background, or by a thread that waits for what they
// bring.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include <nullspace/client.hpp>
#include <nullspace/transport.hpp>

#include "api/client_core.hpp"
#include "api/serial_steps.hpp"
#include "support/expiry.hpp"
#include "transport/message_stream.hpp"

namespace nullspace::inline v0 {

// Messages are handled in order, by one thread at a time. A waiting thread handles them itself, so
// that waiting inside a callback on the only dispatcher thread does not wait for that very thread.
class LiveStream : public SerialSteps {
 public:
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
  // Open, and nobody has shut it.
  [[nodiscard]] bool attached() const;

  [[nodiscard]] transport::MessageStream& stream() const noexcept { return *stream_; }

 protected:
  LiveStream(std::shared_ptr<const detail::ClientCore> client,
             std::shared_ptr<transport::MessageStream> stream)
      : client_(std::move(client)), stream_(std::move(stream)) {}

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

  // One message. May throw what a callback of the application throws.
  virtual void handle_message(std::string message) = 0;
  // The connection is over and every message has been handled. Called once.
  virtual void handle_close(const TransportFailure& why) = 0;
  // handle_message() threw in the background, where nobody can catch it.
  virtual void handle_exception(std::exception_ptr thrown) = 0;

 private:
  bool step() final;
  // One message or the close; false when there was neither.
  bool handle_next();

  // Kept alive: tasks that are on their way use its executor.
  const std::shared_ptr<const detail::ClientCore> client_;
  const std::shared_ptr<transport::MessageStream> stream_;
  bool close_handled_{false};
  std::atomic<int> drivers_{0};
  std::atomic<bool> in_background_{false};
};

}  // namespace nullspace::inline v0

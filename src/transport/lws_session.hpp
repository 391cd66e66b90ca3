// One WebSocket connection, from the name lookup to its end.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/transport.hpp>

#include "transport/keepalive.hpp"
#include "transport/lws_loop.hpp"
#include "transport/lws_timer.hpp"
#include "transport/proxy.hpp"
#include "transport/send_queue.hpp"
#include "transport/url.hpp"

namespace nullspace::inline v0::transport {

// A request that has been checked and can be written down.
struct LwsTarget {
  WebSocketRequest request{};
  Url url{};
  std::optional<Proxy> proxy{};
  SslContext tls{};
  bool verify{true};
};

// Kept alive by its handle and, from start() to its end, by the loop. The listener is let go of
// once on_closed() has returned.
class LwsSession final : public LwsClient, public std::enable_shared_from_this<LwsSession> {
 public:
  LwsSession(std::shared_ptr<LwsIo> io, LwsTarget target,
             std::shared_ptr<WebSocketListener> listener);

  // Any thread, once. With a failure it only reports that.
  void start(std::optional<TransportFailure> failed);
  // Any thread.
  [[nodiscard]] SendStatus try_send(std::string_view message, MessageKind kind);
  void set_paused(bool paused);
  void close(std::uint16_t code, std::string_view reason);
  void abort();

  int on_event(lws* wsi, lws_callback_reasons reason, void* in, std::size_t size) noexcept override;
  void on_shutdown() noexcept override;
  void on_shutdown_now() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Stage {
    created,     // nothing has happened yet
    resolving,   // the name lookup, or between two addresses
    connecting,  // TCP
    connected,   // TCP is there: proxy and TLS
    requested,   // the upgrade is being or has been written
    open,
    closing,  // our close frame is with libwebsockets, which takes over
    ended
  };
  struct Farewell {
    std::uint16_t code;
    std::string reason;
    // What is queued goes out first.
    bool flush;
    TransportFailure report;
  };

  // Calls foreign or allocating code where nothing may be thrown; what is thrown ends the
  // connection.
  template <typename Body>
  void guarded(Body body) noexcept;

  void begin();
  void on_resolved(Resolution resolution);
  void connect_next();
  void on_attempt_failed(const TransportFailure& why);
  [[nodiscard]] TransportFailure describe_failed_attempt(lws* wsi) const;
  [[nodiscard]] int write_headers(lws* wsi, void* in, std::size_t room);
  void on_established();
  [[nodiscard]] int on_receive(lws* wsi, const char* data, std::size_t size);
  [[nodiscard]] int on_writable(lws* wsi);
  [[nodiscard]] int on_peer_close(const unsigned char* data, std::size_t size);
  void on_lost(lws* wsi);
  void on_keepalive_timer();
  void on_farewell_timer();
  void apply_pause();
  void apply_close();
  void request_writable();
  void say_farewell(Farewell farewell);
  // The wsi is ending by itself; nothing more about it is heard.
  void forget(lws* wsi) noexcept;
  // Ends the wsi and forgets it.
  void detach() noexcept;
  // The one end of every connection.
  void finish(const TransportFailure& why) noexcept;

  [[nodiscard]] bool is_ipv6_target() const;
  [[nodiscard]] std::string peer_name() const;

  const std::shared_ptr<LwsIo> io_;
  const LwsTarget target_;
  SendQueue queue_;
  std::atomic<bool> write_wanted_{false};

  // What other threads ask for.
  std::mutex mutex_;
  bool pause_wanted_{false};
  std::optional<Farewell> close_wanted_;

  // I/O thread only.
  std::shared_ptr<WebSocketListener> listener_;
  std::optional<TransportFailure> failed_at_start_;
  bool entered_{false};
  Stage stage_{Stage::created};
  lws* wsi_{nullptr};
  std::vector<std::string> addresses_;
  std::size_t next_address_{0};
  bool attempt_over_{false};
  std::optional<TransportFailure> attempt_failure_;
  Clock::time_point deadline_{};
  LwsTimer deadline_timer_;
  LwsTimer attempt_timer_;
  LwsTimer keepalive_timer_;
  LwsTimer farewell_timer_;
  std::optional<KeepAliveState> keepalive_;
  bool ping_due_{false};
  bool pong_due_{false};
  bool paused_{false};
  std::string message_;
  bool discarding_{false};
  std::optional<SendQueue::Frame> frame_;
  std::optional<Farewell> farewell_;
  std::optional<TransportFailure> peer_close_;
};

}  // namespace nullspace::inline v0::transport

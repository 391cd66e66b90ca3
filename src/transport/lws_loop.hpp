// The I/O thread: one libwebsockets context that serves all WebSockets of a Runtime.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <nullspace/client.hpp>

#include "support/result.hpp"
#include "transport/lws_compat.hpp"
#include "transport/lws_tls.hpp"
#include "transport/resolver.hpp"

namespace nullspace::inline v0::transport {

// One connection's state machine, as the loop sees it. Everything here happens on the I/O thread.
class LwsClient {
 public:
  LwsClient() = default;
  LwsClient(const LwsClient&) = delete;
  LwsClient& operator=(const LwsClient&) = delete;
  virtual ~LwsClient();
  // What libwebsockets reports about the wsi whose opaque pointer is this object; the answer is
  // what it wants back. Must not throw.
  virtual int on_event(lws* wsi, lws_callback_reasons reason, void* in,
                       std::size_t size) noexcept = 0;
  // The loop ends soon: say goodbye, then leave() it.
  virtual void on_shutdown() noexcept = 0;
  // It ends now: leave() before returning.
  virtual void on_shutdown_now() noexcept = 0;
};

// Where a connection goes out: libwebsockets keeps these per vhost.
struct LwsRoute {
  // Null for plain connections.
  SslContext tls{};
  // `address:port` of an HTTP proxy, with `user:password@` before it where it wants them; "" for
  // none.
  std::string proxy{};

  friend bool operator<(const LwsRoute& left, const LwsRoute& right) noexcept {
    return std::tie(left.tls, left.proxy) < std::tie(right.tls, right.proxy);
  }
};

// The name under which libwebsockets finds our callback.
[[nodiscard]] const char* lws_protocol_name() noexcept;
// Keeps libwebsockets from pinging, and from hanging up, by itself.
[[nodiscard]] const lws_retry_bo_t& lws_no_pings() noexcept;

// What the thread and the connections share. Of libwebsockets, other threads use nothing but
// lws_cancel_service(), and that only behind post().
class LwsIo : public std::enable_shared_from_this<LwsIo> {
 public:
  using Task = std::function<void()>;

  LwsIo() = default;
  LwsIo(const LwsIo&) = delete;
  LwsIo& operator=(const LwsIo&) = delete;

  // Any thread. Runs the task soon on the I/O thread, which the first task starts. false: the loop
  // is ending (or could not be started) and the task is dropped. Tasks must not throw.
  [[nodiscard]] bool post(Task task);
  [[nodiscard]] bool is_current_thread() const noexcept;
  // false in a child that was forked off: its copy of this is dead, and not even its mutexes may be
  // touched.
  [[nodiscard]] bool is_of_this_process() const noexcept;
  // Any thread. Made once for the same options.
  [[nodiscard]] support::Result<SslContext> tls_context(const TlsOptions& options);

  // I/O thread only. Null when libwebsockets cannot make them.
  [[nodiscard]] lws_context* context();
  [[nodiscard]] lws_vhost* vhost(const LwsRoute& route);
  [[nodiscard]] Resolver& resolver() { return resolver_; }
  // The loop keeps the client until it leaves.
  void enter(std::shared_ptr<LwsClient> client);
  void leave(const LwsClient* client);

  // Refuses further tasks, ends all connections and lets the thread return. Gives the thread to the
  // caller, who joins it.
  [[nodiscard]] std::thread stop();

 private:
  void run();
  void run_tasks();
  // With the mutex held.
  void wake();
  [[nodiscard]] bool is_stopping();
  void wait_for_events();
  void destroy_context();

  const pid_t owner_{::getpid()};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Task> tasks_;
  bool stopping_{false};
  std::thread thread_;
  // Written by the I/O thread under the mutex, so that others may wake it while it lives.
  lws_context* context_{nullptr};
  // Whether the thread has been told that there is something new since it last looked.
  bool woken_{false};
  std::atomic<std::thread::id> thread_id_{};

  std::mutex tls_mutex_;
  std::map<std::pair<std::string, std::string>, SslContext> tls_contexts_;

  // I/O thread only.
  std::map<const LwsClient*, std::shared_ptr<LwsClient>> clients_;
  std::map<LwsRoute, lws_vhost*> vhosts_;
  bool shutting_down_{false};
  Resolver resolver_;
};

// Owns the thread. Whoever destroys it waits for the thread, unless he is on it.
class LwsLoop {
 public:
  LwsLoop() : io_(std::make_shared<LwsIo>()) {}
  LwsLoop(const LwsLoop&) = delete;
  LwsLoop& operator=(const LwsLoop&) = delete;
  ~LwsLoop();

  [[nodiscard]] const std::shared_ptr<LwsIo>& io() const noexcept { return io_; }

 private:
  std::shared_ptr<LwsIo> io_;
};

}  // namespace nullspace::inline v0::transport

// A network made of memory: tests say what the server answers, and see what it was asked.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include <nullspace/transport.hpp>

namespace nullspace::tests {

// Nothing that a test waits for takes this long; whoever waits longer has lost a wake-up.
inline constexpr std::chrono::seconds kPatience{20};

[[nodiscard]] HttpResponse response(int status, std::string body = {}, HttpHeaders headers = {});
[[nodiscard]] TransportFailure failure(TransportFailureKind kind, std::string message = "scripted");
[[nodiscard]] std::optional<std::string> header(const HttpHeaders& headers, std::string_view name);

// Answers from a queue, and when that is empty from a function. Thread-safe.
class ScriptedHttp final : public HttpTransport {
 public:
  using Handler = std::function<HttpOutcome(const HttpRequest&)>;

  void push(HttpOutcome outcome);
  // A server that takes the request and says nothing: the answer is `cancelled` once the request's
  // stop_token is triggered, `timeout` once the test calls run_out_of_time().
  void push_silence();
  void answer_with(Handler handler);
  void run_out_of_time();

  [[nodiscard]] std::vector<HttpRequest> requests() const;
  [[nodiscard]] HttpRequest request(std::size_t index) const;
  [[nodiscard]] std::size_t count() const;
  // Empties the record.
  void forget();
  // False when they do not come.
  [[nodiscard]] bool wait_for_requests(std::size_t count) const;

  [[nodiscard]] HttpOutcome send(const HttpRequest& request) override;

 private:
  struct Silence {};
  using Reply = std::variant<HttpOutcome, Silence>;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::deque<Reply> replies_;
  Handler handler_;
  std::vector<HttpRequest> requests_;
  bool out_of_time_{false};
};

class ScriptedPeer;

// What the network and its peers share, because a peer may outlive the network's handle.
struct ScriptedNetworkState;

// The server's end of one connection. Thread-safe. What it does to the SDK happens on the
// transport's own thread, in order, as with a real one.
class ScriptedPeer : public std::enable_shared_from_this<ScriptedPeer> {
 public:
  ScriptedPeer(std::shared_ptr<ScriptedNetworkState> network, WebSocketRequest request,
               std::shared_ptr<WebSocketListener> listener);

  [[nodiscard]] const WebSocketRequest& request() const noexcept { return request_; }

  // The upgrade.
  void accept();
  void refuse(int http_status, std::string retry_after = {});
  void fail(TransportFailureKind kind, std::string message = "scripted");

  void push(std::string message);
  void close(int code = 1000, std::string reason = {});
  // From now on nothing is queued and try_send() answers `full`, until drain().
  void stop_taking();
  void drain();
  // A peer that never answers a close handshake; the SDK's close() ends nothing then.
  void ignore_close();

  [[nodiscard]] std::vector<std::string> sent() const;
  // The message with that index, once it was sent. Empty when it never comes.
  [[nodiscard]] std::string wait_sent(std::size_t index) const;
  [[nodiscard]] bool wait_paused(bool paused) const;
  [[nodiscard]] bool wait_closed() const;
  // What the SDK asked for: 0 = nothing yet.
  [[nodiscard]] int client_close_code() const;
  [[nodiscard]] bool aborted() const;
  [[nodiscard]] int pauses() const;
  [[nodiscard]] int resumes() const;

 private:
  friend class ScriptedConnection;

  // On the network's thread; nothing after the close is delivered.
  void deliver(const std::function<void(WebSocketListener&)>& event, bool last = false);
  void deliver_inbound();
  void finish(TransportFailure why);
  template <typename Condition>
  [[nodiscard]] bool wait_until(Condition condition) const;

  const std::shared_ptr<ScriptedNetworkState> network_;
  const WebSocketRequest request_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::shared_ptr<WebSocketListener> listener_;
  std::vector<std::string> sent_;
  // What waits while the SDK does not read: messages, and the peer's close behind them.
  std::deque<std::variant<std::string, TransportFailure>> inbound_;
  bool open_{false};
  bool taking_{true};
  bool paused_{false};
  bool finishing_{false};
  bool finished_{false};
  bool ignores_close_{false};
  bool aborted_{false};
  int client_close_code_{0};
  int pauses_{0};
  int resumes_{0};
};

class ScriptedWebSocket final : public WebSocketTransport {
 public:
  using PeerHandler = std::function<void(ScriptedPeer&)>;
  using MessageHandler = std::function<void(ScriptedPeer&, const std::string& message)>;

  ScriptedWebSocket();
  // The last owner may be a handle of the SDK that dies on the network's own thread.
  ~ScriptedWebSocket() override;

  // Called on the network's thread for every connection (and every message the SDK sends), so that
  // a server can be written as functions. Without a handler the test takes next_peer().
  void on_connect(PeerHandler handler);
  void on_message(MessageHandler handler);

  // The next connection that the SDK opens. Null when it opens none.
  [[nodiscard]] std::shared_ptr<ScriptedPeer> next_peer();
  [[nodiscard]] std::shared_ptr<ScriptedPeer> peer(std::size_t index) const;
  [[nodiscard]] std::size_t count() const;
  // Returns when everything that was asked of the network so far has happened.
  void settle();

  [[nodiscard]] std::shared_ptr<WebSocketConnection> open(
      WebSocketRequest request, std::shared_ptr<WebSocketListener> listener) override;

 private:
  const std::shared_ptr<ScriptedNetworkState> state_;
  std::size_t taken_{0};
  std::thread thread_;
};

}  // namespace nullspace::tests

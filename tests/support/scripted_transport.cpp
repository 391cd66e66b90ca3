#include "tests/support/scripted_transport.hpp"

#include <stdexcept>
#include <utility>

namespace nullspace::tests {

HttpResponse response(int status, std::string body, HttpHeaders headers) {
  return {.status = status, .headers = std::move(headers), .body = std::move(body)};
}

TransportFailure failure(TransportFailureKind kind, std::string message) {
  TransportFailure failure;
  failure.kind = kind;
  failure.message = std::move(message);
  return failure;
}

std::optional<std::string> header(const HttpHeaders& headers, std::string_view name) {
  const HttpResponse probe{.headers = headers};
  const auto value = probe.header(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

void ScriptedHttp::push(HttpOutcome outcome) {
  const std::lock_guard lock(mutex_);
  replies_.emplace_back(std::move(outcome));
}

void ScriptedHttp::push_silence() {
  const std::lock_guard lock(mutex_);
  replies_.emplace_back(Silence{});
}

void ScriptedHttp::answer_with(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void ScriptedHttp::run_out_of_time() {
  const std::lock_guard lock(mutex_);
  out_of_time_ = true;
  changed_.notify_all();
}

std::vector<HttpRequest> ScriptedHttp::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

HttpRequest ScriptedHttp::request(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  return requests_.at(index);
}

std::size_t ScriptedHttp::count() const {
  const std::lock_guard lock(mutex_);
  return requests_.size();
}

void ScriptedHttp::forget() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

bool ScriptedHttp::wait_for_requests(std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [this, count] { return requests_.size() >= count; });
}

HttpOutcome ScriptedHttp::send(const HttpRequest& request) {
  Handler handler;
  {
    std::unique_lock lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
    if (request.stop.stop_requested()) return failure(TransportFailureKind::cancelled);
    if (!replies_.empty()) {
      Reply reply = std::move(replies_.front());
      replies_.pop_front();
      if (auto* outcome = std::get_if<HttpOutcome>(&reply)) return std::move(*outcome);
      const bool timed_out = changed_.wait(lock, request.stop, [this] { return out_of_time_; });
      return failure(timed_out ? TransportFailureKind::timeout : TransportFailureKind::cancelled);
    }
    handler = handler_;
  }
  if (!handler) throw std::logic_error("unexpected request: " + request.method + " " + request.url);
  return handler(request);
}

struct ScriptedNetworkState {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> events;
  bool stopping{false};
  ScriptedWebSocket::PeerHandler connect_handler;
  ScriptedWebSocket::MessageHandler message_handler;
  std::vector<std::shared_ptr<ScriptedPeer>> peers;

  void post(std::function<void()> event) {
    {
      const std::lock_guard lock(mutex);
      events.push_back(std::move(event));
    }
    changed.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stopping || !events.empty(); });
      // What was asked for still happens.
      if (events.empty()) return;
      std::function<void()> event = std::move(events.front());
      events.pop_front();
      lock.unlock();
      event();
      event = nullptr;
      lock.lock();
    }
  }
};

// The client's end.
class ScriptedConnection final : public WebSocketConnection {
 public:
  explicit ScriptedConnection(std::shared_ptr<ScriptedPeer> peer) : peer_(std::move(peer)) {}

  SendStatus try_send(std::string_view message) override {
    ScriptedPeer& peer = *peer_;
    {
      const std::lock_guard lock(peer.mutex_);
      if (peer.finished_ || peer.finishing_ || peer.client_close_code_ != 0) {
        return SendStatus::closed;
      }
      if (!peer.taking_) return SendStatus::full;
      // Posted before anybody can know of the message: who has waited for it and then settles the
      // network has seen what the server did about it.
      peer.network_->post([this_peer = peer_, text = std::string(message)] {
        ScriptedWebSocket::MessageHandler handler;
        {
          const std::lock_guard network_lock(this_peer->network_->mutex);
          handler = this_peer->network_->message_handler;
        }
        if (handler) handler(*this_peer, text);
      });
      peer.sent_.emplace_back(message);
      peer.changed_.notify_all();
    }
    return SendStatus::queued;
  }

  void pause_reading() override {
    const std::lock_guard lock(peer_->mutex_);
    peer_->paused_ = true;
    ++peer_->pauses_;
    peer_->changed_.notify_all();
  }

  void resume_reading() override {
    {
      const std::lock_guard lock(peer_->mutex_);
      peer_->paused_ = false;
      ++peer_->resumes_;
      peer_->changed_.notify_all();
    }
    peer_->network_->post([peer = peer_] { peer->deliver_inbound(); });
  }

  void close(std::uint16_t code, std::string_view reason) override {
    {
      const std::lock_guard lock(peer_->mutex_);
      if (peer_->client_close_code_ == 0) peer_->client_close_code_ = code;
      peer_->changed_.notify_all();
      if (peer_->ignores_close_) return;
    }
    TransportFailure why = failure(TransportFailureKind::closed, "closed by this side");
    why.close_code = code;
    why.close_reason = std::string(reason);
    peer_->finish(std::move(why));
  }

  void abort() override {
    {
      const std::lock_guard lock(peer_->mutex_);
      peer_->aborted_ = true;
      peer_->changed_.notify_all();
    }
    peer_->finish(failure(TransportFailureKind::cancelled, "aborted"));
  }

 private:
  const std::shared_ptr<ScriptedPeer> peer_;
};

ScriptedPeer::ScriptedPeer(std::shared_ptr<ScriptedNetworkState> network, WebSocketRequest request,
                           std::shared_ptr<WebSocketListener> listener)
    : network_(std::move(network)), request_(std::move(request)), listener_(std::move(listener)) {}

void ScriptedPeer::deliver(const std::function<void(WebSocketListener&)>& event, bool last) {
  std::shared_ptr<WebSocketListener> listener;
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    listener = listener_;
    if (last) {
      finished_ = true;
      open_ = false;
    }
  }
  event(*listener);
  if (!last) return;
  // Let go of only now, as the contract has it.
  std::shared_ptr<WebSocketListener> gone;
  const std::lock_guard lock(mutex_);
  gone.swap(listener_);
  changed_.notify_all();
}

void ScriptedPeer::finish(TransportFailure why) {
  {
    const std::lock_guard lock(mutex_);
    if (finishing_) return;
    finishing_ = true;
  }
  network_->post([self = shared_from_this(), why = std::move(why)] {
    self->deliver([&why](WebSocketListener& listener) { listener.on_closed(why); }, true);
  });
}

void ScriptedPeer::accept() {
  network_->post([self = shared_from_this()] {
    {
      const std::lock_guard lock(self->mutex_);
      self->open_ = true;
    }
    self->deliver([](WebSocketListener& listener) { listener.on_open(); });
  });
}

void ScriptedPeer::refuse(int http_status, std::string retry_after) {
  TransportFailure why = failure(TransportFailureKind::upgrade_refused, "upgrade refused");
  why.http_status = http_status;
  why.retry_after = std::move(retry_after);
  finish(std::move(why));
}

void ScriptedPeer::fail(TransportFailureKind kind, std::string message) {
  finish(failure(kind, std::move(message)));
}

void ScriptedPeer::push(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    inbound_.emplace_back(std::move(message));
  }
  network_->post([self = shared_from_this()] { self->deliver_inbound(); });
}

void ScriptedPeer::close(int code, std::string reason) {
  TransportFailure why = failure(TransportFailureKind::closed, "closed by the peer");
  why.close_code = code;
  why.close_reason = std::move(reason);
  {
    const std::lock_guard lock(mutex_);
    inbound_.emplace_back(std::move(why));
  }
  network_->post([self = shared_from_this()] { self->deliver_inbound(); });
}

void ScriptedPeer::deliver_inbound() {
  while (true) {
    std::variant<std::string, TransportFailure> next;
    bool is_close = false;
    {
      const std::lock_guard lock(mutex_);
      if (paused_ || finished_ || inbound_.empty()) return;
      next = std::move(inbound_.front());
      inbound_.pop_front();
      is_close = std::holds_alternative<TransportFailure>(next);
      if (is_close) finishing_ = true;
    }
    deliver(
        [&next](WebSocketListener& listener) {
          if (auto* message = std::get_if<std::string>(&next)) {
            listener.on_message(std::move(*message));
          } else {
            listener.on_closed(std::get<TransportFailure>(next));
          }
        },
        is_close);
  }
}

void ScriptedPeer::stop_taking() {
  const std::lock_guard lock(mutex_);
  taking_ = false;
}

void ScriptedPeer::drain() {
  {
    const std::lock_guard lock(mutex_);
    taking_ = true;
  }
  network_->post([self = shared_from_this()] {
    self->deliver([](WebSocketListener& listener) { listener.on_drained(); });
  });
}

void ScriptedPeer::ignore_close() {
  const std::lock_guard lock(mutex_);
  ignores_close_ = true;
}

std::vector<std::string> ScriptedPeer::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}

template <typename Condition>
bool ScriptedPeer::wait_until(Condition condition) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, condition);
}

std::string ScriptedPeer::wait_sent(std::size_t index) const {
  if (!wait_until([this, index] { return sent_.size() > index; })) return {};
  const std::lock_guard lock(mutex_);
  return sent_[index];
}

bool ScriptedPeer::wait_paused(bool paused) const {
  return wait_until([this, paused] { return paused_ == paused; });
}

bool ScriptedPeer::wait_closed() const {
  return wait_until([this] { return listener_ == nullptr; });
}

int ScriptedPeer::client_close_code() const {
  const std::lock_guard lock(mutex_);
  return client_close_code_;
}

bool ScriptedPeer::aborted() const {
  const std::lock_guard lock(mutex_);
  return aborted_;
}

int ScriptedPeer::pauses() const {
  const std::lock_guard lock(mutex_);
  return pauses_;
}

int ScriptedPeer::resumes() const {
  const std::lock_guard lock(mutex_);
  return resumes_;
}

ScriptedWebSocket::ScriptedWebSocket()
    : state_(std::make_shared<ScriptedNetworkState>()),
      thread_([state = state_] { state->run(); }) {}

ScriptedWebSocket::~ScriptedWebSocket() {
  std::vector<std::shared_ptr<ScriptedPeer>> peers;
  {
    const std::lock_guard lock(state_->mutex);
    peers.swap(state_->peers);
    state_->connect_handler = nullptr;
    state_->message_handler = nullptr;
  }
  // Every listener is owed its on_closed().
  for (const auto& peer : peers)
    peer->fail(TransportFailureKind::receive, "the network is gone");
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();  // It ends with what it is just doing.
  } else {
    thread_.join();
  }
}

void ScriptedWebSocket::on_connect(PeerHandler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->connect_handler = std::move(handler);
}

void ScriptedWebSocket::on_message(MessageHandler handler) {
  const std::lock_guard lock(state_->mutex);
  state_->message_handler = std::move(handler);
}

std::shared_ptr<ScriptedPeer> ScriptedWebSocket::next_peer() {
  std::unique_lock lock(state_->mutex);
  const auto& peers = state_->peers;
  if (!state_->changed.wait_for(lock, kPatience, [&] { return peers.size() > taken_; })) return {};
  return peers[taken_++];
}

std::shared_ptr<ScriptedPeer> ScriptedWebSocket::peer(std::size_t index) const {
  const std::lock_guard lock(state_->mutex);
  return state_->peers.at(index);
}

std::size_t ScriptedWebSocket::count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->peers.size();
}

void ScriptedWebSocket::settle() {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  state_->post([&] {
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&done] { return done; });
}

std::shared_ptr<WebSocketConnection> ScriptedWebSocket::open(
    WebSocketRequest request, std::shared_ptr<WebSocketListener> listener) {
  auto peer = std::make_shared<ScriptedPeer>(state_, std::move(request), std::move(listener));
  PeerHandler handler;
  {
    const std::lock_guard lock(state_->mutex);
    state_->peers.push_back(peer);
    handler = state_->connect_handler;
  }
  state_->changed.notify_all();
  if (handler) state_->post([peer, handler = std::move(handler)] { handler(*peer); });
  return std::make_shared<ScriptedConnection>(peer);
}

}  // namespace nullspace::tests

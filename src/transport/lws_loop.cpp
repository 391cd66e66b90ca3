#include "transport/lws_loop.hpp"

#include <sys/resource.h>

#include <array>
#include <chrono>
#include <csignal>
#include <system_error>

#include "transport/lws_timer.hpp"
#include "transport/threads.hpp"

namespace nullspace::inline v0::transport {

namespace {

// One TLS record; every connection holds a buffer of this size.
constexpr std::size_t kReceiveBytes = 16384;
// Also the limit of the head of an upgrade request: a long token must fit.
constexpr unsigned kServiceBytes = 65536;
constexpr unsigned kAnswerHeadBytes = 16384;
// libwebsockets splits single writes above this and copies the rest aside.
constexpr std::size_t kWriteBytes = 131072;
// Its own deadlines must never be the ones that fire: it reports them late or not at all.
constexpr unsigned kNeverSeconds = 86'400;
// Tables for this many descriptors are touched at once; where a process may open a million, that
// would be 16 MiB.
constexpr rlim_t kDescriptorsWithoutLimit = 65'536;
constexpr unsigned kDescriptorLimit = 16'384;
// How long a shutdown waits for peers to answer a close frame.
constexpr std::chrono::milliseconds kGrace{50};

constexpr const char* kProtocolName = "nullspace";

// Our own pings replace those of libwebsockets, which without a policy come at 300 s and hang up at
// 310 s.
constexpr lws_retry_bo_t kNoPings = {
    .retry_ms_table = nullptr,
    .retry_ms_table_count = 0,
    .conceal_count = 0,
    .secs_since_valid_ping = 0xFFF0,
    .secs_since_valid_hangup = 0xFFF5,
    .jitter_percent = 0,
};

// A dead connection must end: libwebsockets still has it although nobody here wants it any more.
int on_orphan_event(lws_callback_reasons reason) noexcept {
  switch (reason) {
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      return -1;
    default:
      return 0;
  }
}

extern "C" {

static int nullspace_lws_event(lws* wsi, lws_callback_reasons reason, void* /*user*/, void* in,
                               size_t size) {
  switch (reason) {
    // With other reasons the wsi may be a stand-in that has no opaque pointer.
    case LWS_CALLBACK_WSI_CREATE:
    case LWS_CALLBACK_WSI_DESTROY:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLIENT_CLOSED:
      break;
    default:
      return 0;
  }
  const Errand errand;
  auto* const client = static_cast<LwsClient*>(lws_get_opaque_user_data(wsi));
  return client != nullptr ? client->on_event(wsi, reason, in, size) : on_orphan_event(reason);
}

static void nullspace_lws_log(int /*level*/, const char* /*line*/) {
  // What matters reaches the caller as a TransportFailure; the library prints nothing.
}

}  // extern "C"

const std::array<lws_protocols, 2> kProtocols{{
    {.name = kProtocolName,
     .callback = nullspace_lws_event,
     .per_session_data_size = 0,
     .rx_buffer_size = kReceiveBytes,
     .id = 0,
     .user = nullptr,
     .tx_packet_size = kWriteBytes},
    {},
}};

// Its log is process-wide and goes to stderr. An application that uses libwebsockets itself has set
// its own level, which is not ours to change.
void silence_untouched_log() {
  constexpr int kDefaultLevel = LLL_ERR | LLL_WARN | LLL_NOTICE;
  constexpr int kOther = LLL_INFO | LLL_DEBUG | LLL_PARSER | LLL_HEADER | LLL_CLIENT;
  if (lwsl_visible(LLL_ERR) != 0 && lwsl_visible(LLL_WARN) != 0 && lwsl_visible(LLL_NOTICE) != 0 &&
      lwsl_visible(kOther) == 0) {
    lws_set_log_level(kDefaultLevel & ~LLL_NOTICE, nullspace_lws_log);
  }
}

lws_context* make_context() {
  silence_untouched_log();
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                 LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
  keep_user_and_group(info);
  info.pt_serv_buf_size = kServiceBytes;
  info.max_http_header_data2 = kAnswerHeadBytes;
  info.timeout_secs = kNeverSeconds;
  info.connect_timeout_secs = kNeverSeconds;
  info.retry_and_idle_policy = &kNoPings;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > kDescriptorsWithoutLimit) {
    info.fd_limit_per_thread = kDescriptorLimit;
  }
  // It sets SIGPIPE to "ignore" for the whole process, which is the application's to decide. On the
  // I/O thread all signals are blocked, so nothing is lost by putting it back.
  struct sigaction disposition {};
  sigaction(SIGPIPE, nullptr, &disposition);
  lws_context* context = lws_create_context(&info);
  sigaction(SIGPIPE, &disposition, nullptr);
  return context;
}

}  // namespace

LwsClient::~LwsClient() = default;

const char* lws_protocol_name() noexcept {
  return kProtocolName;
}

const lws_retry_bo_t& lws_no_pings() noexcept {
  return kNoPings;
}

bool LwsIo::post(Task task) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (!thread_.joinable()) {
    try {
      thread_ = start_thread("ns-io", [self = shared_from_this()] { self->run(); });
    } catch (const std::system_error&) {
      return false;
    }
  }
  tasks_.push_back(std::move(task));
  wake();
  return true;
}

void LwsIo::wake() {
  if (std::exchange(woken_, true)) return;
  if (context_ != nullptr) {
    lws_cancel_service(context_);
  } else {
    changed_.notify_all();
  }
}

bool LwsIo::is_of_this_process() const noexcept {
  return owner_ == ::getpid();
}

bool LwsIo::is_current_thread() const noexcept {
  return thread_id_.load() == std::this_thread::get_id();
}

support::Result<SslContext> LwsIo::tls_context(const TlsOptions& options) {
  const std::lock_guard lock(tls_mutex_);
  const std::pair key(options.ca_file, options.ca_directory);
  if (const auto found = tls_contexts_.find(key); found != tls_contexts_.end())
    return found->second;
  // Even where nothing is verified now, the next user of these options may want it.
  auto made = make_ssl_context({.ca_file = options.ca_file, .ca_directory = options.ca_directory});
  if (made) tls_contexts_.emplace(key, *made);
  return made;
}

lws_context* LwsIo::context() {
  if (context_ != nullptr) return context_;
  lws_context* made = make_context();
  const std::lock_guard lock(mutex_);
  context_ = made;
  return made;
}

lws_vhost* LwsIo::vhost(const LwsRoute& route) {
  if (const auto found = vhosts_.find(route); found != vhosts_.end()) return found->second;
  lws_context* const owner = context();
  if (owner == nullptr) return nullptr;
  const std::string name = "nullspace-" + std::to_string(vhosts_.size());
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.vhost_name = name.c_str();
  info.protocols = kProtocols.data();
  keep_user_and_group(info);
  info.timeout_secs = kNeverSeconds;
  info.connect_timeout_secs = kNeverSeconds;
  info.retry_and_idle_policy = &kNoPings;
  // Never null: it would look for a proxy in the environment by itself, and by rules of its own.
  info.http_proxy_address = route.proxy.c_str();
  if (route.tls) {
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    info.provided_client_ssl_ctx = route.tls.get();
  }
  lws_vhost* const made = lws_create_vhost(owner, &info);
  if (made != nullptr) vhosts_.emplace(route, made);
  return made;
}

void LwsIo::enter(std::shared_ptr<LwsClient> client) {
  const LwsClient* const key = client.get();
  clients_.emplace(key, std::move(client));
}

void LwsIo::leave(const LwsClient* client) {
  clients_.erase(client);
}

std::thread LwsIo::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake();
  return std::exchange(thread_, std::thread());
}

void LwsIo::run() {
  thread_id_ = std::this_thread::get_id();
  while (!is_stopping()) {
    run_tasks();
    wait_for_events();
  }
  run_tasks();  // Those accepted before the end.

  shutting_down_ = true;
  bool grace_over = false;
  LwsTimer grace([this, &grace_over] {
    grace_over = true;
    lws_cancel_service(context_);
  });
  if (context_ != nullptr) grace.start(context_, kGrace);
  // Copies: they leave.
  for (const auto& [key, client] : std::map(clients_))
    client->on_shutdown();
  while (context_ != nullptr && !clients_.empty() && !grace_over)
    lws_service(context_, 0);
  grace.cancel();
  for (const auto& [key, client] : std::map(clients_))
    client->on_shutdown_now();
  destroy_context();
}

void LwsIo::run_tasks() {
  const Errand errand;
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) {
    task();
    // What it held goes with it, before the next one runs.
    task = nullptr;
  }
}

bool LwsIo::is_stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void LwsIo::wait_for_events() {
  if (context_ != nullptr) {
    // Returns after each round of events; lws_cancel_service() makes one.
    lws_service(context_, 0);
    return;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return woken_; });
}

void LwsIo::destroy_context() {
  lws_context* last = nullptr;
  {
    const std::lock_guard lock(mutex_);
    last = std::exchange(context_, nullptr);
  }
  vhosts_.clear();
  if (last != nullptr) lws_context_destroy(last);
}

LwsLoop::~LwsLoop() {
  // Joins itself to nobody when the last owner died inside one of the loop's own callbacks.
  join_or_hand_over(io_->stop());
}

}  // namespace nullspace::inline v0::transport

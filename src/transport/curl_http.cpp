#include "transport/curl_http.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "support/expiry.hpp"
#include "transport/curl_global.hpp"
#include "transport/header_check.hpp"
#include "transport/proxy.hpp"
#include "transport/sigpipe_guard.hpp"
#include "transport/url.hpp"

namespace nullspace::inline v0::transport {

namespace {

// libcurl's functions take void or C strings; these bring them under RAII.
struct EasyCleanup {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct ShareCleanup {
  void operator()(CURLSH* share) const noexcept { curl_share_cleanup(share); }
};
using EasyHandle = std::unique_ptr<CURL, EasyCleanup>;
using MultiHandle = std::unique_ptr<CURLM, MultiCleanup>;
using HeaderList = std::unique_ptr<curl_slist, ListCleanup>;
using ShareHandle = std::unique_ptr<CURLSH, ShareCleanup>;

// Connections one handle keeps: to the service, to its edge, to a store, one to spare.
constexpr long kConnectionsPerHandle = 4;
constexpr std::size_t kMaxHeaderBytes = std::size_t{256} << 10;

// libcurl takes functions with C linkage; a lambda without captures serves where its parameters are
// exact.
template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
  // Options fail only for lack of memory or for values that are wrong everywhere; the transfer then
  // fails by itself.
  (void)curl_easy_setopt(easy, option, value);
}

TransportFailure failure(TransportFailureKind kind, std::string message) {
  TransportFailure made;
  made.kind = kind;
  made.message = std::move(message);
  return made;
}

// What arrives for one request.
struct Answer {
  std::size_t max_body;
  HttpHeaders headers{};
  std::size_t header_bytes{0};
  // libcurl takes the end of the connection in the middle of the head for the end of the answer.
  bool head_complete{false};
  std::string body{};
  bool too_large{false};

  bool on_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaderBytes) {
      too_large = true;
      return false;
    }
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n'))
      line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {
      // An interim answer (1xx) came before; only the last head counts.
      headers.clear();
      head_complete = false;
    } else if (line.empty()) {
      head_complete = true;
    } else if ((line.starts_with(' ') || line.starts_with('\t')) && !headers.empty()) {
      headers.back().second += ' ';
      headers.back().second += trimmed(line);
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    }
    return true;
  }

  bool on_body(std::string_view bytes) {
    if (bytes.size() > max_body - body.size()) {
      too_large = true;
      return false;
    }
    body.append(bytes);
    return true;
  }

  static std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t";
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
  }
};

extern "C" {

static std::size_t nullspace_curl_header(char* data, std::size_t size, std::size_t count,
                                         void* answer) {
  return static_cast<Answer*>(answer)->on_header({data, size * count}) ? size * count : 0;
}

static std::size_t nullspace_curl_body(char* data, std::size_t size, std::size_t count,
                                       void* answer) {
  return static_cast<Answer*>(answer)->on_body({data, size * count}) ? size * count : 0;
}

// A process that the application starts meanwhile must not inherit the connection.
static curl_socket_t nullspace_curl_open_socket(void* /*unused*/, curlsocktype /*purpose*/,
                                                curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void nullspace_curl_lock(CURL* /*easy*/, curl_lock_data data, curl_lock_access /*access*/,
                                void* mutexes) {
  static_cast<std::mutex*>(mutexes)[data].lock();
}

static void nullspace_curl_unlock(CURL* /*easy*/, curl_lock_data data, void* mutexes) {
  static_cast<std::mutex*>(mutexes)[data].unlock();
}

}  // extern "C"

TransportFailureKind kind_of(CURLcode code, CURL* easy) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return TransportFailureKind::resolve;
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_INTERFACE_FAILED:
      return TransportFailureKind::connect;
    case CURLE_OPERATION_TIMEDOUT:
      // The total deadline is ours; libcurl only knows the one for the connection.
      return TransportFailureKind::connect_timeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_USE_SSL_FAILED:
      return TransportFailureKind::tls;
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      return TransportFailureKind::send;
    case CURLE_URL_MALFORMAT:
      return TransportFailureKind::invalid_request;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP3:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return TransportFailureKind::protocol;
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING: {
      // A proxy that refuses its tunnel looks like a broken answer, but nothing of the request was
      // sent.
      long tunnel_status = 0;
      curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &tunnel_status);
      return tunnel_status >= 300 ? TransportFailureKind::connect : TransportFailureKind::receive;
    }
    default:
      return TransportFailureKind::receive;
  }
}

HeaderList header_list(const HttpRequest& request) {
  HeaderList list;
  const auto append = [&list](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    (void)list.release();
    list.reset(longer);
  };
  bool has_content_type = false;
  for (const auto& [name, value] : request.headers) {
    has_content_type = has_content_type || equal_without_case(name, "Content-Type");
    // libcurl takes "Name:" as the wish to leave a header of its own out; this is how it sends one
    // without value.
    std::string line = name;
    line += value.empty() ? ";" : ": ";
    append(line += value);
  }
  // No waiting for "100 Continue", and no content type that nobody asked for.
  append("Expect:");
  if (!has_content_type) append("Content-Type:");
  return list;
}

std::string timeout_text(std::chrono::milliseconds timeout) {
  return "no complete answer within " + std::to_string(timeout.count()) + " ms";
}

}  // namespace

struct CurlHttpTransport::Settings {
  CurlHttpOptions options;
  Environment environment;
  bool initialized;
};

// Handles and what they share, in one process.
class CurlHttpTransport::Pool {
 public:
  struct Handle {
    // The multi handle owns the connections and goes last.
    MultiHandle multi{curl_multi_init()};
    EasyHandle easy{curl_easy_init()};
    std::array<char, CURL_ERROR_SIZE> error{};
  };

  Pool(std::size_t size, const Pool* inherited)
      : size_(size), inherited_(inherited), share_(curl_share_init()) {
    if (!share_) return;
    curl_share_setopt(share_.get(), CURLSHOPT_LOCKFUNC, nullspace_curl_lock);
    curl_share_setopt(share_.get(), CURLSHOPT_UNLOCKFUNC, nullspace_curl_unlock);
    curl_share_setopt(share_.get(), CURLSHOPT_USERDATA, share_mutexes_.data());
    // Never the connections: libcurl does not support that between threads.
    curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }

  [[nodiscard]] bool is_of_this_process() const noexcept { return owner_ == ::getpid(); }
  [[nodiscard]] CURLSH* share() const noexcept { return share_.get(); }

  // The one used last comes first: its connection is the warmest.
  [[nodiscard]] std::unique_ptr<Handle> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Handle> handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    auto handle = std::make_unique<Handle>();
    if (!handle->multi || !handle->easy) return nullptr;
    curl_multi_setopt(handle->multi.get(), CURLMOPT_MAXCONNECTS, kConnectionsPerHandle);
    curl_multi_setopt(handle->multi.get(), CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return handle;
  }

  void put_back(std::unique_ptr<Handle> handle) {
    // Everything that points into the request that is over.
    curl_easy_reset(handle->easy.get());
    const std::lock_guard lock(mutex_);
    if (idle_.size() < size_) idle_.push_back(std::move(handle));
  }

 private:
  const pid_t owner_{::getpid()};
  const std::size_t size_;
  // The parent's: kept in sight and never touched.
  [[maybe_unused]] const Pool* const inherited_;
  std::array<std::mutex, CURL_LOCK_DATA_LAST> share_mutexes_{};
  ShareHandle share_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
};

CurlHttpTransport::CurlHttpTransport(CurlHttpOptions options) {
  const bool initialized = !options.initialize_curl || initialize_curl_once();
  const std::size_t pool_size = options.pool_size;
  settings_ = std::make_unique<const Settings>(
      Settings{std::move(options), read_proxy_environment(), initialized});
  pool_ = new Pool(pool_size, nullptr);
}

CurlHttpTransport::~CurlHttpTransport() {
  // In a child, what was inherited stays: closing it would send the parent's peers a goodbye.
  Pool* pool = pool_.load();
  if (!pool->is_of_this_process()) return;
  const SigpipeGuard guard;
  delete pool;
}

CurlHttpTransport::Pool& CurlHttpTransport::pool() {
  Pool* current = pool_.load(std::memory_order_acquire);
  if (current->is_of_this_process()) return *current;
  auto fresh = std::make_unique<Pool>(settings_->options.pool_size, current);
  if (pool_.compare_exchange_strong(current, fresh.get())) return *fresh.release();
  return *current;
}

HttpOutcome CurlHttpTransport::send(const HttpRequest& request) {
  using support::Expiry;
  const Expiry deadline =
      request.timeout.count() > 0 ? Expiry::after(request.timeout) : Expiry::never();

  const auto url = parse_url(request.url);
  if (!url) return failure(TransportFailureKind::invalid_request, url.error().message);
  if (url->scheme != "http" && url->scheme != "https") {
    return failure(TransportFailureKind::invalid_request,
                   "invalid URL: the scheme must be http or https");
  }
  if (!is_token(request.method)) {
    return failure(TransportFailureKind::invalid_request, "the HTTP method is not a word");
  }
  if (auto fault = find_header_fault(request.headers)) {
    return failure(TransportFailureKind::invalid_request, *std::move(fault));
  }
  for (const auto& [name, value] : request.headers) {
    if (equal_without_case(name, "Content-Length") ||
        equal_without_case(name, "Transfer-Encoding")) {
      return failure(TransportFailureKind::invalid_request,
                     "the header " + name + " is the transport's own");
    }
  }
  Proxy proxy;
  const std::string proxy_text =
      choose_proxy(*url, settings_->options.proxy, settings_->environment);
  if (!proxy_text.empty()) {
    auto parsed = parse_proxy(proxy_text);
    if (!parsed) return failure(TransportFailureKind::invalid_request, parsed.error().message);
    proxy = std::move(*parsed);
  }
  if (request.stop.stop_requested()) {
    return failure(TransportFailureKind::cancelled, "cancelled before it was sent");
  }

  Pool& handles = pool();
  const SigpipeGuard guard;
  std::unique_ptr<Pool::Handle> handle = settings_->initialized ? handles.take() : nullptr;
  if (!handle) return failure(TransportFailureKind::connect, "libcurl could not be initialised");
  CURL* const easy = handle->easy.get();
  CURLM* const multi = handle->multi.get();

  Answer answer{.max_body = request.max_response_bytes};
  const HeaderList headers = header_list(request);
  const std::string normal_url = url->to_string();
  handle->error[0] = '\0';

  set(easy, CURLOPT_ERRORBUFFER, handle->error.data());
  set(easy, CURLOPT_SHARE, handles.share());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_ACCEPT_ENCODING, "");
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_MAXAGE_CONN, static_cast<long>(settings_->options.max_idle.count()));
  set(easy, CURLOPT_FRESH_CONNECT, request.fresh_connection ? 1L : 0L);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, nullspace_curl_open_socket);
#if LIBCURL_VERSION_NUM >= 0x075700
  // A name server that does not answer must not hold up the end of the call.
  set(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  const auto connect_timeout =
      std::clamp<std::chrono::milliseconds::rep>(request.connect_timeout.count(), 0, INT_MAX);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS,
      connect_timeout > 0 ? static_cast<long>(connect_timeout) : long{INT_MAX});

  const TlsOptions& tls = settings_->options.tls;
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(easy, CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  if (!tls.ca_file.empty() || !tls.ca_directory.empty()) {
    // Instead of the system's roots, not beside them.
    set(easy, CURLOPT_CAINFO, tls.ca_file.empty() ? nullptr : tls.ca_file.c_str());
    set(easy, CURLOPT_CAPATH, tls.ca_directory.empty() ? nullptr : tls.ca_directory.c_str());
  }

  // Said in every case, or libcurl reads the environment by itself.
  set(easy, CURLOPT_PROXY, proxy_text.empty() ? "" : proxy.address().c_str());
  set(easy, CURLOPT_NOPROXY, "");
  if (!proxy.user.empty()) {
    // Apart from the address, so that no error text repeats them.
    set(easy, CURLOPT_PROXYUSERNAME, proxy.user.c_str());
    set(easy, CURLOPT_PROXYPASSWORD, proxy.password.c_str());
  }

  set(easy, CURLOPT_URL, normal_url.c_str());
  set(easy, CURLOPT_HTTPHEADER, headers.get());
  set(easy, CURLOPT_HEADERFUNCTION, nullspace_curl_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(&answer));
  set(easy, CURLOPT_WRITEFUNCTION, nullspace_curl_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(&answer));
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "GET" && request.body.empty()) {
    set(easy, CURLOPT_HTTPGET, 1L);
  } else if (request.method == "DELETE" && request.body.empty()) {
    set(easy, CURLOPT_HTTPGET, 1L);
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else {
    // With an empty body this sends "Content-Length: 0".
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(easy, CURLOPT_POSTFIELDS, request.body.data());
    if (request.method != "POST") set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }

  HttpOutcome outcome = failure(TransportFailureKind::receive, "libcurl gave no result");
  if (curl_multi_add_handle(multi, easy) != CURLM_OK) {
    return failure(TransportFailureKind::connect, "libcurl refused the request");
  }
  {
    const std::stop_callback wake(request.stop, [multi] { (void)curl_multi_wakeup(multi); });
    while (true) {
      int running = 0;
      if (const CURLMcode code = curl_multi_perform(multi, &running); code != CURLM_OK) {
        outcome = failure(TransportFailureKind::receive, curl_multi_strerror(code));
        break;
      }
      int left = 0;
      if (const CURLMsg* message = curl_multi_info_read(multi, &left); message != nullptr) {
        const CURLcode code = message->data.result;
        if (code == CURLE_OK && !answer.head_complete) {
          outcome = failure(TransportFailureKind::receive,
                            "the connection ended in the middle of the answer's head");
        } else if (code == CURLE_OK) {
          long status = 0;
          curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
          HttpResponse response;
          response.status = static_cast<int>(status);
          response.headers = std::move(answer.headers);
          response.body = std::move(answer.body);
          outcome = std::move(response);
        } else if (answer.too_large) {
          outcome = failure(
              TransportFailureKind::too_large,
              "the answer is larger than " + std::to_string(request.max_response_bytes) + " bytes");
        } else {
          outcome =
              failure(kind_of(code, easy),
                      handle->error[0] != '\0' ? handle->error.data() : curl_easy_strerror(code));
        }
        break;
      }
      if (request.stop.stop_requested()) {
        outcome = failure(TransportFailureKind::cancelled, "cancelled while it was under way");
        break;
      }
      if (deadline.passed()) {
        outcome = failure(TransportFailureKind::timeout, timeout_text(request.timeout));
        break;
      }
      constexpr std::chrono::milliseconds kLongWait{60'000};
      const auto wait = std::min(deadline.remaining(kLongWait), kLongWait);
      (void)curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
  }
  // Closes the connection when the transfer was not complete.
  curl_multi_remove_handle(multi, easy);
  handles.put_back(std::move(handle));
  return outcome;
}

}  // namespace nullspace::inline v0::transport

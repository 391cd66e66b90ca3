#include "local/server/webhook_sender.hpp"

#include <string_view>
#include <utility>
#include <variant>

#include "local/server/blocked_signals.hpp"

namespace nullspace::local {

namespace {

constexpr auto kAttemptLimit = std::chrono::seconds(10);
constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20U;

std::string_view error_code_of(TransportFailureKind kind) {
  switch (kind) {
    case TransportFailureKind::resolve:
      return "resolve_failed";
    case TransportFailureKind::connect:
      return "connect_failed";
    case TransportFailureKind::tls:
      return "tls_failed";
    case TransportFailureKind::connect_timeout:
    case TransportFailureKind::timeout:
      return "timeout";
    default:
      return "connection_lost";
  }
}

}  // namespace

WebhookSender::WebhookSender(EventLoop& loop, std::shared_ptr<HttpTransport> transport)
    : loop_(loop), transport_(std::move(transport)) {}

WebhookSender::~WebhookSender() {
  stop();
  for (std::thread& thread : threads_)
    thread.join();
}

void WebhookSender::stop() {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  stop_.request_stop();
  wake_.notify_all();
}

void WebhookSender::post(WebhookPost post, Done done) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back({std::move(post), std::move(done)});
    if (idle_ < jobs_.size() && threads_.size() < kThreads) {
      const BlockedSignals blocked;
      threads_.emplace_back([this] { serve(); });
    }
  }
  wake_.notify_one();
}

void WebhookSender::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    WebhookPostResult result = perform(std::move(job.post));
    lock.lock();
    if (stopping_) return;
    loop_.post([done = std::move(job.done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }
}

WebhookPostResult WebhookSender::perform(WebhookPost post) const {
  nullspace::HttpRequest request;
  request.method = "POST";
  request.url = std::move(post.url);
  request.headers = std::move(post.headers);
  request.body = std::move(post.body);
  request.connect_timeout = kAttemptLimit;
  request.timeout = kAttemptLimit;
  request.max_response_bytes = kMaxAnswerBytes;
  // On a kept connection that dies under it libcurl would send it twice, and it is counted.
  request.fresh_connection = true;
  request.stop = stop_.get_token();
  const auto begin = Clock::now();
  const HttpOutcome outcome = transport_->send(request);
  WebhookPostResult result;
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  if (const auto* answer = std::get_if<nullspace::HttpResponse>(&outcome)) {
    result.status = answer->status;
  } else {
    const auto& failure = std::get<TransportFailure>(outcome);
    result.error_code = error_code_of(failure.kind);
    result.error_message = failure.message;
  }
  return result;
}

}  // namespace nullspace::local

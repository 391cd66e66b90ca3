#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <nullspace/transport.hpp>

#include "local/server/event_loop.hpp"

namespace nullspace::local {

// One POST to a receiver's URL, ready to go.
struct WebhookPost {
  std::string url;
  HttpHeaders headers;
  std::string body;
};

struct WebhookPostResult {
  // Absent when there was no answer: then the next two say why.
  std::optional<int> status;
  std::string error_code;
  std::string error_message;
  std::chrono::milliseconds duration{0};

  [[nodiscard]] bool delivered() const { return status && *status >= 200 && *status < 300; }
};

class WebhookPoster {
 public:
  using Done = std::function<void(WebhookPostResult)>;
  virtual ~WebhookPoster() = default;
  // Returns at once; `done` is called on the loop's thread, later.
  virtual void post(WebhookPost post, Done done) = 0;
  // How many posts may be under way at once; more than that wait their turn.
  [[nodiscard]] virtual std::size_t capacity() const = 0;
};

// Posts on threads of its own, which there are none of before the first post. It gives up after ten
// seconds, does not follow redirects and reads no more than a little of the answer.
class WebhookSender : public WebhookPoster {
 public:
  // The loop must outlive it.
  WebhookSender(EventLoop& loop, std::shared_ptr<HttpTransport> transport);
  // stop(), and waits for the threads: a moment.
  ~WebhookSender() override;
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  void post(WebhookPost post, Done done) override;
  [[nodiscard]] std::size_t capacity() const override { return kThreads; }
  // What is under way is broken off, what waits is forgotten; nothing is called any more.
  void stop();

 private:
  static constexpr std::size_t kThreads = 8;

  struct Job {
    WebhookPost post;
    Done done;
  };

  void serve();
  [[nodiscard]] WebhookPostResult perform(WebhookPost post) const;

  EventLoop& loop_;
  std::shared_ptr<HttpTransport> transport_;
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace nullspace::local

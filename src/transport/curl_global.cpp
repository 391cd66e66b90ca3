#include "transport/curl_global.hpp"

#include <curl/curl.h>
#include <pthread.h>

#include <mutex>
#include <optional>

namespace nullspace::inline v0::transport {

namespace {

// libcurl before 7.84 is not thread-safe here by itself. And a host may fork while one of its
// threads is inside: the fork waits until it is through, so that the child does not inherit a
// libcurl that is half made.
constinit std::mutex in_libcurl;

}  // namespace

bool initialize_curl_once() {
  static const int kForksWait = pthread_atfork(
      [] { in_libcurl.lock(); }, [] { in_libcurl.unlock(); }, [] { in_libcurl.unlock(); });
  static_cast<void>(kForksWait);
  static constinit std::optional<bool> initialized;
  const std::lock_guard lock(in_libcurl);
  if (!initialized) initialized = curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
  return *initialized;
}

}  // namespace nullspace::inline v0::transport

#include "transport/curl_global.hpp"

#include <curl/curl.h>

namespace nullspace::inline v0::transport {

bool initialize_curl_once() {
  // The compiler's once is ours; libcurl before 7.84 was not thread-safe here by itself.
  static const bool kInitialized = curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
  return kInitialized;
}

}  // namespace nullspace::inline v0::transport

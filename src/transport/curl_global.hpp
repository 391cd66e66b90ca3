// libcurl's process-wide initialisation.
#pragma once

namespace nullspace::inline v0::transport {

// Calls curl_global_init() once per process, whoever asks first. It is never undone: the host
// application, or another library in it, may be using libcurl, too. false when libcurl refused.
[[nodiscard]] bool initialize_curl_once();

}  // namespace nullspace::inline v0::transport

// Where the key and the address come from. The one place that knows the order.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <nullspace/client.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0 {

// What configuration is read from; a test brings its own.
struct ConfigSources {
  std::function<std::optional<std::string>(const char* name)> environment;
  // Nothing when the file is missing or cannot be read.
  std::function<std::optional<std::string>(const std::string& path)> read_file;

  [[nodiscard]] static ConfigSources of_process();
};

struct ResolvedConfig {
  Secret api_key;
  std::string base_url;
  Dialect dialect{Dialect::sandbox};
  // For people: "NULLSPACE_API_KEY", ".env", ...
  std::string key_source;
  std::string url_source;
};

// Checks everything that must hold before a key may be sent anywhere.
[[nodiscard]] support::Result<ResolvedConfig> resolve_config(const ClientOptions& options,
                                                             const ConfigSources& sources);

}  // namespace nullspace::inline v0

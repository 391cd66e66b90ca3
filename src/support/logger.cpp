#include "support/logger.hpp"

#include <utility>

namespace nullspace::inline v0::support {

void Logger::log(LogLevel level, std::string_view component, std::string message) const noexcept {
  if (!enabled(level)) return;
  try {
    sink_({.level = level, .component = component, .message = std::move(message)});
  } catch (...) {
    // A sink that throws must not take a stream or a request down with it, and there is nobody left
    // to tell.
    return;
  }
}

}  // namespace nullspace::inline v0::support

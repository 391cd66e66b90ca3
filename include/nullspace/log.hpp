/// @file
/// Where the SDK's log lines go. It prints nothing by itself.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace nullspace::inline v0 {

enum class LogLevel { trace, debug, info, warning, error };

/// One log line. Keys, tokens and signed URLs are redacted before it is made.
struct LogRecord {
  LogLevel level{LogLevel::info};
  /// The room that speaks: `http`, `websocket`, `monitor`, ...
  std::string_view component{};
  std::string message{};
};

/// Called from any thread of the application or the SDK, possibly at once from several; it must not
/// block and must not call the SDK. What it throws is swallowed.
using LogSink = std::function<void(const LogRecord&)>;

}  // namespace nullspace::inline v0

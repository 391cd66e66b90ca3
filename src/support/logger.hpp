// The application's log sink with its level; safe to call with no sink at all.
#pragma once

#include <string>
#include <string_view>

#include <nullspace/log.hpp>

namespace nullspace::inline v0::support {

class Logger {
 public:
  Logger() = default;
  Logger(LogSink sink, LogLevel level) : sink_(std::move(sink)), level_(level) {}

  // Ask before building a message that costs something.
  [[nodiscard]] bool enabled(LogLevel level) const noexcept { return sink_ && level >= level_; }
  void log(LogLevel level, std::string_view component, std::string message) const noexcept;

 private:
  LogSink sink_;
  LogLevel level_{LogLevel::info};
};

}  // namespace nullspace::inline v0::support

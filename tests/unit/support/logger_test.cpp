#include "support/logger.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using nullspace::LogLevel;
using nullspace::LogRecord;
using nullspace::support::Logger;

TEST_CASE("without a sink there is nothing to do") {
  const Logger logger;
  CHECK_FALSE(logger.enabled(LogLevel::error));
  logger.log(LogLevel::error, "room", "text");
}

TEST_CASE("the level is the lowest that is shown") {
  std::vector<std::string> lines;
  const Logger logger([&lines](const LogRecord& record) { lines.push_back(record.message); },
                      LogLevel::warning);
  CHECK_FALSE(logger.enabled(LogLevel::info));
  CHECK(logger.enabled(LogLevel::warning));
  logger.log(LogLevel::debug, "room", "hidden");
  logger.log(LogLevel::warning, "room", "shown");
  logger.log(LogLevel::error, "room", "shown, too");
  CHECK(lines == std::vector<std::string>{"shown", "shown, too"});
}

TEST_CASE("a sink that throws takes nothing down") {
  const Logger logger([](const LogRecord&) { throw std::runtime_error("full"); }, LogLevel::trace);
  logger.log(LogLevel::error, "room", "text");
  const Logger stranger([](const LogRecord&) { throw 7; }, LogLevel::trace);
  stranger.log(LogLevel::error, "room", "text");
  SUCCEED();
}

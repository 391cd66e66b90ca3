#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "local/guest/process_table.hpp"

namespace nullspace::local::guest {

// Signals exactly the process that was seen, or nobody: a pid can be somebody else's by now.
void signal_seen(const ProcessStat& process, int signo);

// Kills whatever `find` finds, again and again, until `settled` says that nobody is left: a look at
// the process table alone is no proof, since programs come and go while one looks. Everybody is
// stopped first, so that programs which fork faster than we kill stand still. False if some are
// left after `limit`.
bool kill_all(const std::function<std::vector<ProcessStat>()>& find,
              const std::function<bool()>& settled, std::chrono::milliseconds limit);

// The processes whose initial environment holds `entry` ("NAME=value").
std::vector<ProcessStat> find_by_environment(const std::string& entry);

}  // namespace nullspace::local::guest

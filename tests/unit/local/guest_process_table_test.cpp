#include "local/guest/process_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "local/guest/usage.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace guest = nullspace::local::guest;

std::string stat_line(std::string_view name) {
  return "4242 (" + std::string(name) +
         ") S 17 4240 4239 34816 4242 4194304 100 0 0 0 11 22 33 44 20 0 1 0 987654 10000000 321 "
         "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";
}

guest::ProcessStat process(pid_t pid, pid_t parent) {
  guest::ProcessStat stat;
  stat.pid = pid;
  stat.ppid = parent;
  return stat;
}

}  // namespace

TEST_CASE("a stat line is read whatever the process calls itself") {
  const auto name = GENERATE(as<std::string>(), "sleep", "a b", ")", "(", ") R 1 1 1 (", "x\ny", "",
                             "((sd-pam))");
  const auto stat = guest::parse_stat(stat_line(name));
  REQUIRE(stat);
  CHECK(stat->pid == 4242);
  CHECK(stat->name == name);
  CHECK(stat->state == 'S');
  CHECK(stat->ppid == 17);
  CHECK(stat->group == 4240);
  CHECK(stat->session == 4239);
  CHECK(stat->user_ticks == 11);
  CHECK(stat->system_ticks == 22);
  CHECK(stat->children_user_ticks == 33);
  CHECK(stat->children_system_ticks == 44);
  CHECK(stat->start_ticks == 987654);
  CHECK(stat->resident_pages == 321);
}

TEST_CASE("a stat line that is none is refused") {
  CHECK_FALSE(guest::parse_stat(""));
  CHECK_FALSE(guest::parse_stat("12"));
  CHECK_FALSE(guest::parse_stat("12 (x"));
  CHECK_FALSE(guest::parse_stat("12 x) S 1 1 1"));
  CHECK_FALSE(guest::parse_stat("(x) S 1 1 1"));
  CHECK_FALSE(guest::parse_stat(") ("));
  CHECK_FALSE(guest::parse_stat("abc (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"));
  const std::string whole = stat_line("x");
  CHECK_FALSE(guest::parse_stat(whole.substr(0, whole.find(" 987654"))));
}

TEST_CASE("command lines are shown on one line") {
  using namespace std::string_view_literals;
  CHECK(guest::command_text("sleep\0infinity\0"sv, "sleep") == "sleep infinity");
  CHECK(guest::command_text("sh\0-c\0echo  a b\0"sv, "sh") == "sh -c echo  a b");
  CHECK(guest::command_text("a\0\0b\0"sv, "a") == "a  b");
  CHECK(guest::command_text("a\n\x1b[31m\0"sv, "a") == "a??[31m");
  CHECK(guest::command_text(""sv, "kworker/0:1") == "[kworker/0:1]");
  CHECK(guest::command_text("\0\0"sv, "x") == "[x]");
  CHECK(guest::command_text(std::string(100'000, 'x'), "x").size() == 4096);
}

TEST_CASE("descendants are found through every generation, and only they") {
  std::vector<guest::ProcessStat> all{process(1, 0),   process(10, 1),  process(11, 10),
                                      process(12, 11), process(20, 1),  process(21, 20),
                                      process(30, 12), process(40, 41), process(41, 40)};
  std::vector<pid_t> pids;
  for (const auto& found : guest::descendants_of(all, 10))
    pids.push_back(found.pid);
  CHECK(pids == std::vector<pid_t>{11, 12, 30});
  CHECK(guest::descendants_of(all, 30).empty());
  // A loop, as a table read in a bad moment might hold one, comes to an end.
  CHECK(guest::descendants_of(all, 40).size() <= 2);
}

TEST_CASE("the real table holds this test") {
  const auto all = guest::scan_processes();
  const auto self = std::find_if(all.begin(), all.end(),
                                 [](const auto& entry) { return entry.pid == ::getpid(); });
  REQUIRE(self != all.end());
  CHECK(self->ppid == ::getppid());
  CHECK(self->resident_pages > 0);
  CHECK_FALSE(guest::read_command(*self).empty());
}

TEST_CASE("used time never falls") {
  guest::CpuAccount account;
  CHECK(account.update(100) == 100);
  CHECK(account.update(150) == 150);
  CHECK(account.update(20) == 150);  // a process ended whose time nobody inherited
  CHECK(account.update(30) == 160);
}

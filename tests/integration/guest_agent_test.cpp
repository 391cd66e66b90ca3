#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "local/guest/launcher.hpp"
#include "local/guest/link.hpp"
#include "tests/integration/guest_sandbox.hpp"
#include "tests/support/catch.hpp"

namespace {

namespace guest = nullspace::local::guest;
using namespace std::chrono_literals;

using test::guest_modes;
using test::GuestMode;
using test::GuestSandbox;

// Every case runs once per way to run a sandbox on this machine.
GuestMode each_mode() {
  const std::size_t index =
      static_cast<std::size_t>(GENERATE(range(0, static_cast<int>(guest_modes().size()))));
  return guest_modes()[index];
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write_file(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("guest: output, input and exit codes arrive") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);

  const auto echo = sandbox.run({"echo", "hello world"});
  CHECK(echo.out == "hello world\n");
  CHECK(echo.err.empty());
  CHECK(echo.exit_code == 0);

  CHECK(sandbox.shell("exit 7").exit_code == 7);
  CHECK(sandbox.shell("kill -TERM $$").exit_code == 128 + SIGTERM);
  CHECK(sandbox.shell("kill -KILL $$").exit_code == 128 + SIGKILL);

  const auto both = sandbox.shell("echo out; echo err >&2");
  CHECK(both.out == "out\n");
  CHECK(both.err == "err\n");

  test::RunOptions options;
  options.input = "12345";
  CHECK(sandbox.run({"wc", "-c"}, options).out == "5\n");

  const auto own = sandbox.shell("echo $$ $(ps -o pgid=,sid= -p $$)");
  const std::string pid = std::to_string(own.pid);
  CHECK(own.out == pid + " " + pid + " " + pid + "\n");
}

TEST_CASE("guest: what cannot be run is told apart") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);

  auto failure = sandbox.run({"no-such-program"}).failure;
  REQUIRE(failure);
  CHECK(failure->stage == guest::SpawnStage::exec);
  CHECK(failure->error == ENOENT);
  CHECK(guest::exit_code_of(*failure) == 127);

  failure = sandbox.run({"/no/such/program"}).failure;
  REQUIRE(failure);
  CHECK(guest::exit_code_of(*failure) == 127);

  write_file(sandbox.layout().workspace() / "data", "text", 0644);
  failure = sandbox.run({"./data"}).failure;
  REQUIRE(failure);
  CHECK(failure->error == EACCES);
  CHECK(guest::exit_code_of(*failure) == 126);

  failure = sandbox.run({"/usr"}).failure;
  REQUIRE(failure);
  CHECK(guest::exit_code_of(*failure) == 126);

  failure = sandbox.run({""}).failure;
  REQUIRE(failure);
  CHECK(guest::exit_code_of(*failure) == 127);

  test::RunOptions missing;
  missing.cwd = "/workspace/none";
  failure = sandbox.run({"true"}, missing).failure;
  REQUIRE(failure);
  CHECK(failure->stage == guest::SpawnStage::cwd);
  CHECK(failure->error == ENOENT);

  missing.cwd = "/workspace/data";
  failure = sandbox.run({"true"}, missing).failure;
  REQUIRE(failure);
  CHECK(failure->stage == guest::SpawnStage::cwd);
  CHECK(failure->error == ENOTDIR);

  failure = sandbox.run({std::string("a\0b", 3)}).failure;
  REQUIRE(failure);
  CHECK(failure->error == EINVAL);
  failure = sandbox.run({"echo", std::string(9U << 20U, 'x')}).failure;
  REQUIRE(failure);
  CHECK(failure->error == E2BIG);
  failure = sandbox.run({"echo", std::string(4U << 20U, 'x')}).failure;
  REQUIRE(failure);
  CHECK(failure->error == E2BIG);

  // A script without `#!` runs in a shell, as in every shell.
  write_file(sandbox.layout().workspace() / "script", "echo plain $1\n", 0755);
  CHECK(sandbox.run({"./script", "text"}).out == "plain text\n");
  CHECK(sandbox.run({"echo", "still there"}).out == "still there\n");
}

TEST_CASE("guest: programs find the sandbox's own directories") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  const auto& layout = sandbox.layout();

  const auto pwd = sandbox.run({"pwd"});
  CHECK(pwd.out == layout.to_process("/workspace") + "\n");
  CHECK(sandbox.shell("printf %s \"$HOME\"").out == layout.to_process("/home/user"));

  REQUIRE(sandbox.shell("echo w > file; echo h > ~/file; echo t > \"$TMPDIR/file\"").exit_code ==
          0);
  for (const char* path : {"/workspace/file", "/home/user/file", "/tmp/file"}) {
    CHECK(std::filesystem::exists(layout.to_host(path)));
  }
  CHECK(sandbox
            .shell("echo ok > /dev/shm/" + test::unique_mark() +
                   " && rm /dev/shm/guest-test-* && echo ok")
            .out == "ok\n");

  // The start-up files of whoever runs the server stay unread.
  write_file(layout.home() / ".bashrc", "echo sandbox-bashrc\n", 0644);
  const auto interactive = sandbox.run({"/bin/bash", "-i", "-c", "true"});
  CHECK(contains(interactive.out, "sandbox-bashrc"));
}

TEST_CASE("guest: a child has descriptors 0, 1 and 2 and default signals") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  // The fourth is that of ls itself.
  CHECK(sandbox.run({"ls", "/proc/self/fd"}).out == "0\n1\n2\n3\n");
  CHECK(sandbox.shell("grep -E '^Sig(Blk|Ign):' /proc/$$/status").out ==
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  CHECK(sandbox.run({"cat"}).exit_code == 0);  // its input ends
}

TEST_CASE("guest: an isolated sandbox sees itself and cannot touch the host") {
  const auto mode = each_mode();
  if (!mode.probe.isolated) {
    SUCCEED("only for isolated sandboxes");
    return;
  }
  INFO(mode.name);
  GuestSandbox sandbox(mode);

  CHECK(sandbox.run({"id", "-u"}).out == "1000\n");
  CHECK(sandbox.run({"id", "-un"}).out == "user\n");
  CHECK(sandbox.run({"hostname"}).out == "sb-test\n");
  CHECK(sandbox.shell("readlink /proc/1/exe || cat /proc/1/comm").out == "nullspace-guest\n");
  CHECK(std::stoi(sandbox.shell("ls -d /proc/[0-9]* | wc -l").out) < 8);
  CHECK(sandbox.run({"stat", "-c", "%U", "/workspace", "/home/user", "/tmp"}).out ==
        "user\nuser\nuser\n");

  for (const char* path : {"/usr/x", "/etc/x", "/x", "/var/x", "/opt/x", "/home/x", "/run/x/y"}) {
    CHECK(sandbox.run({"touch", path}).exit_code != 0);
  }
  CHECK(sandbox.shell("echo x >> /etc/passwd").exit_code != 0);
  CHECK(sandbox.run({"cat", "/etc/shadow"}).exit_code != 0);
  CHECK(sandbox.run({"ls", "/root"}).exit_code != 0);
  CHECK(sandbox.run({"ls", "/home"}).out == "user\n");
  CHECK(sandbox.shell("echo 1 > /proc/sys/vm/drop_caches").exit_code != 0);
  // Neither the host's temporary files nor the tree of other sandboxes are to be seen.
  CHECK_FALSE(contains(sandbox.run({"ls", "/tmp"}).out, "nullspace"));
  CHECK(sandbox.run({"ls", sandbox.layout().root.string()}).exit_code != 0);
  CHECK(sandbox.run({"mount", "-t", "tmpfs", "none", "/usr"}).exit_code != 0);
  CHECK(sandbox.run({"readlink", "/proc/1/fd/3"}).exit_code != 0);
  CHECK(sandbox.run({"head", "-c", "1", "/proc/1/environ"}).exit_code != 0);
}

TEST_CASE("guest: without internet access there is only the loopback") {
  const auto mode = each_mode();
  if (!mode.probe.isolated) {
    SUCCEED("only for isolated sandboxes");
    return;
  }
  INFO(mode.name);
  GuestSandbox sandbox(mode, false);
  CHECK(sandbox.shell("grep -c : /proc/net/dev").out == "1\n");
  CHECK(sandbox
            .shell("grep -q lo: /proc/net/dev && cat /proc/net/if_inet6 /proc/net/fib_trie 2>&1 | "
                   "grep -c 127.0.0.1")
            .exit_code == 0);
}

TEST_CASE("guest: a terminal is one, with a size") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);

  auto terminal = sandbox.start_terminal({"/bin/sh", "-c", "tty; stty size; exit 7"}, {101, 33});
  const auto text = sandbox.read_to_end(terminal);
  CHECK(contains(text, "/dev/pts/"));
  CHECK(contains(text, "33 101\r\n"));
  CHECK(sandbox.wait_exit(terminal.pid) == 7);

  // A later size reaches the program as a signal and as the size.
  auto resized = sandbox.start_terminal(
      {"/bin/bash", "-c", "trap 'stty size; exit 0' WINCH; echo set; while :; do sleep 0.01; done"},
      {80, 24});
  std::string shown;
  std::array<char, 256> buffer{};
  sandbox.pump([&] {
    const ssize_t got = ::read(resized.master.get(), buffer.data(), buffer.size());
    if (got > 0) shown.append(buffer.data(), static_cast<std::size_t>(got));
    return contains(shown, "set");
  });
  winsize size{};
  size.ws_col = 140;
  size.ws_row = 40;
  REQUIRE(::ioctl(resized.master.get(), TIOCSWINSZ, &size) == 0);
  CHECK(contains(sandbox.read_to_end(resized), "40 140"));
  CHECK(sandbox.wait_exit(resized.pid) == 0);

  // It controls its session: Ctrl-C is a signal to the foreground.
  auto interrupted = sandbox.start_terminal({"/bin/cat"}, {80, 24});
  REQUIRE(::write(interrupted.master.get(), "\x03", 1) == 1);
  CHECK(sandbox.wait_exit(interrupted.pid) == 128 + SIGINT);
}

TEST_CASE("guest: a closed terminal hangs up its program") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  auto terminal = sandbox.start_terminal({"/bin/cat"}, {80, 24});
  terminal.master.reset();
  CHECK(sandbox.wait_exit(terminal.pid) == 128 + SIGHUP);
}

TEST_CASE("guest: signals reach the process, its group or its session") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  const std::string mark = test::unique_mark();

  // Grandchildren of the same group go with it.
  const pid_t group =
      sandbox.start({"/bin/bash", "-c",
                     "(exec -a " + mark + " sleep 1000) & (sh -c 'exec -a " + mark +
                         "2 sleep 1000' & wait) & exec -a " + mark + " sleep 1000"});
  sandbox.pump([&] { return test::host_processes_with(mark).size() >= 2; });
  sandbox.link().signal(group, SIGKILL);
  CHECK(sandbox.wait_exit(group) == 137);
  CHECK(test::host_processes_become(mark, 0));

  // An interactive shell gives each job a group of its own.
  const std::string job_mark = test::unique_mark();
  const pid_t session = sandbox.start({"/bin/bash", "-c",
                                       "set -m; (exec -a " + job_mark + " sleep 1000) & (exec -a " +
                                           job_mark + " sleep 1000) & wait"});
  sandbox.pump([&] {
    const auto all = sandbox.processes();
    return std::count_if(all.begin(), all.end(), [&](const guest::ProcessEntry& process) {
             return process.command == job_mark + " 1000";
           }) == 2;
  });
  sandbox.link().signal(session, SIGKILL, guest::SignalScope::session);
  CHECK(sandbox.wait_exit(session) == 137);
  CHECK(test::host_processes_become(job_mark, 0));

  const pid_t lone = sandbox.start({"sleep", "1000"});
  sandbox.link().signal(lone, SIGTERM, guest::SignalScope::process);
  CHECK(sandbox.wait_exit(lone) == 128 + SIGTERM);
  sandbox.link().signal(lone, SIGTERM);  // nobody any more
  CHECK(sandbox.run({"echo", "fine"}).out == "fine\n");
}

TEST_CASE("guest: an unisolated guest signals nobody but its own processes") {
  GuestSandbox sandbox(guest_modes().front());
  const pid_t stranger = ::fork();
  REQUIRE(stranger >= 0);
  if (stranger == 0) {
    ::setsid();
    while (true)
      ::pause();
  }
  for (const auto scope :
       {guest::SignalScope::process, guest::SignalScope::group, guest::SignalScope::session}) {
    sandbox.link().signal(stranger, SIGKILL, scope);
  }
  sandbox.processes();  // the guest has seen all of them
  int status = 0;
  CHECK(::waitpid(stranger, &status, WNOHANG) == 0);
  ::kill(stranger, SIGKILL);
  CHECK(::waitpid(stranger, &status, 0) == stranger);
}

TEST_CASE("guest: the process list shows the sandbox and nothing else") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  CHECK(sandbox.processes().empty());
  const pid_t pid = sandbox.start({"sleep", "1234.5"});
  const auto list = sandbox.processes();
  REQUIRE(list.size() == 1);
  CHECK(list[0].pid == pid);
  CHECK(list[0].command == "sleep 1234.5");
  CHECK(list[0].start_ticks > 0);
}

TEST_CASE("guest: used time and memory are those of the sandbox") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  const auto before = sandbox.sample();
  CHECK(before.cpu_count >= 1);
  CHECK(before.mem_total_bytes > 0);
  CHECK(before.process_count == 0);

  // Ended processes count, and so do those that were never ours to wait for.
  const std::string burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
  REQUIRE(sandbox.shell("bash -c '" + burn + "'; " + burn).exit_code == 0);
  const auto after = sandbox.sample();
  CHECK(after.cpu_usec_total > before.cpu_usec_total + 50'000);

  const pid_t pid = sandbox.start({"sleep", "1000"});
  const auto running = sandbox.sample();
  CHECK(running.process_count == 1);
  CHECK(running.mem_used_bytes > 0);
  CHECK(running.mem_used_bytes < running.mem_total_bytes);
  CHECK(running.cpu_usec_total >= after.cpu_usec_total);
  sandbox.link().signal(pid, SIGKILL);
  sandbox.wait_exit(pid);
}

TEST_CASE("guest: shutdown leaves no process, daemons included") {
  const auto mode = each_mode();
  INFO(mode.name);
  const std::string mark = test::unique_mark();
  GuestSandbox sandbox(mode);
  // Forked twice, in a session of its own, deaf to what can be ignored, with an emptied
  // environment.
  sandbox.start({"/bin/bash", "-c",
                 "setsid bash -c \"trap '' TERM HUP INT; (env -i bash -c 'exec -a " + mark +
                     " sleep 1000' &) & exec -a " + mark + " sleep 1000\" & exec -a " + mark +
                     " sleep 1000"});
  sandbox.pump([&] {
    const auto list = sandbox.processes();
    return std::count_if(list.begin(), list.end(), [&](const guest::ProcessEntry& process) {
             return process.command == mark + " 1000";
           }) == 3;
  });
  CHECK(test::host_processes_with(mark).size() >= 3);
  sandbox.link().shutdown();
  sandbox.pump([&] { return sandbox.gone(); });
  REQUIRE(sandbox.process().wait_for(10s));
  CHECK(sandbox.process().diagnostics().empty());
  CHECK(test::host_processes_with(mark).empty());
}

TEST_CASE("guest: programs that keep replacing themselves do not survive their sandbox") {
  const auto mode = each_mode();
  INFO(mode.name);
  const std::string mark = test::unique_mark();
  GuestSandbox sandbox(mode);
  // Each lives for a moment and leaves a successor: whoever was seen is gone, whoever is there was
  // not seen.
  write_file(sandbox.layout().workspace() / "runner", "#!/bin/sh\n\"$0\" " + mark + " &\nexit\n",
             0755);
  for (int i = 0; i < 20; ++i)
    sandbox.start({"./runner", mark});
  CHECK_FALSE(sandbox.processes().empty());
  sandbox.link().shutdown();
  sandbox.pump([&] { return sandbox.gone(); });
  REQUIRE(sandbox.process().wait_for(20s));
  CHECK(test::host_processes_with(mark).empty());
}

TEST_CASE("guest: with the link goes the sandbox") {
  const auto mode = each_mode();
  INFO(mode.name);
  const std::string mark = test::unique_mark();
  GuestSandbox sandbox(mode);
  sandbox.start({"/bin/bash", "-c", "exec -a " + mark + " sleep 1000"});
  REQUIRE(test::host_processes_become(mark, 1));
  sandbox.drop_link();
  REQUIRE(sandbox.process().wait_for(10s));
  CHECK(test::host_processes_with(mark).empty());
}

TEST_CASE("guest: a killed server takes everything along") {
  const auto mode = each_mode();
  INFO(mode.name);
  const std::string mark = test::unique_mark();
  const test::TemporaryDirectory state;
  std::array<int, 2> report{};
  REQUIRE(::pipe2(report.data(), O_CLOEXEC) == 0);
  const pid_t server = ::fork();
  REQUIRE(server >= 0);
  if (server == 0) {
    GuestSandbox sandbox(mode, state.path());
    sandbox.start({"/bin/bash", "-c", "exec -a " + mark + " sleep 1000"});
    const char done = '!';
    if (::write(report[1], &done, 1) != 1) ::_exit(1);
    while (true)
      ::pause();
  }
  ::close(report[1]);
  const guest::UniqueFd reported(report[0]);
  char byte = 0;
  const bool started = ::read(reported.get(), &byte, 1) == 1;
  const bool seen = test::host_processes_become(mark, 1);
  ::kill(server, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(server, &status, 0) == server);
  REQUIRE(started);
  CHECK(seen);
  CHECK(test::host_processes_become(mark, 0));
}

TEST_CASE("guest: nothing inside can stop or end an isolated sandbox's first process") {
  const auto mode = each_mode();
  if (!mode.probe.isolated) {
    SUCCEED("only for isolated sandboxes");
    return;
  }
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  for (const char* name : {"STOP", "KILL", "TERM", "INT", "HUP", "TSTP", "QUIT", "CHLD", "SEGV"}) {
    sandbox.run({"/bin/kill", std::string("-") + name, "1"});
    CHECK(sandbox.run({"echo", name}).out == std::string(name) + "\n");
  }
  // Everybody who can be killed: the shell that asks for it is spared by kill(2) itself.
  sandbox.shell("kill -KILL -1");
  CHECK(sandbox.run({"echo", "alive"}).out == "alive\n");
}

TEST_CASE("guest: an unisolated guest that is killed leaves nothing") {
  const std::string mark = test::unique_mark();
  GuestSandbox sandbox(guest_modes().front());
  sandbox.start(
      {"/bin/bash", "-c",
       "(setsid bash -c 'exec -a " + mark + " sleep 1000' &); exec -a " + mark + " sleep 1000"});
  sandbox.pump([&] { return test::host_processes_with(mark + " 1000").size() >= 2; });
  sandbox.process().kill();
  sandbox.pump([&] { return sandbox.gone(); });
  REQUIRE(sandbox.process().wait_for(10s));
  CHECK(test::host_processes_with(mark).empty());
}

TEST_CASE("guest: the emergency exit ends an isolated sandbox") {
  const auto mode = each_mode();
  if (!mode.probe.isolated) {
    SUCCEED("only for isolated sandboxes");
    return;
  }
  INFO(mode.name);
  const std::string mark = test::unique_mark();
  GuestSandbox sandbox(mode);
  sandbox.start({"/bin/bash", "-c", "exec -a " + mark + " sleep 1000"});
  REQUIRE(test::host_processes_become(mark, 1));
  sandbox.process().kill();
  REQUIRE(sandbox.process().wait_for(10s));
  CHECK(test::host_processes_with(mark).empty());
}

TEST_CASE("guest: two hundred programs in a row and fifty at once") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  for (int i = 0; i < 200; ++i) {
    const auto result =
        sandbox.run({"/bin/sh", "-c", "echo $0; exit $(($0 % 100))", std::to_string(i)});
    REQUIRE(result.out == std::to_string(i) + "\n");
    REQUIRE(result.exit_code == i % 100);
  }
  std::vector<pid_t> pids;
  pids.reserve(50);
  for (int i = 0; i < 50; ++i)
    pids.push_back(sandbox.start({"sleep", "1000"}));
  CHECK(sandbox.processes().size() == 50);
  for (const pid_t pid : pids)
    sandbox.link().signal(pid, SIGTERM);
  for (const pid_t pid : pids)
    CHECK(sandbox.wait_exit(pid) == 128 + SIGTERM);
  CHECK(sandbox.processes().empty());
}

TEST_CASE("guest: what is pending when the guest goes is answered") {
  const auto mode = each_mode();
  INFO(mode.name);
  GuestSandbox sandbox(mode);
  int failed = 0;
  sandbox.link().shutdown();
  sandbox.link().list_processes([&](const guest::Processes* list) { failed += list == nullptr; });
  sandbox.link().sample([&](const guest::Sampled* sampled) { failed += sampled == nullptr; });
  sandbox.link().spawn_pty({{"/bin/sh"}, {}, "/"}, {80, 24}, [&](guest::SpawnOutcome&& outcome) {
    const auto* failure = std::get_if<guest::SpawnFailed>(&outcome);
    failed += failure != nullptr && failure->stage == guest::SpawnStage::gone;
  });
  sandbox.pump([&] { return sandbox.gone(); });
  CHECK(failed == 3);
  sandbox.link().sample([&](const guest::Sampled* sampled) { failed += sampled == nullptr; });
  CHECK(failed == 4);
}

TEST_CASE("guest: a link may be destroyed by its own callback") {
  GuestSandbox sandbox(guest_modes().front());
  sandbox.link().shutdown();
  sandbox.link().sample([&](const guest::Sampled*) { sandbox.drop_link(); });
  sandbox.pump_for([&] { return sandbox.process().try_reap(); }, 10s);
  CHECK(sandbox.process().try_reap());
}

TEST_CASE("guest: nonsense on the control socket ends the sandbox, not the machine") {
  const auto mode = guest_modes().back();
  const test::TemporaryDirectory state;
  guest::LaunchOptions options;
  options.sandbox_id = "sb-nonsense";
  options.root = state.path() / "sb";
  options.guest_executable = *guest::find_guest_executable();
  options.isolation = mode.probe;
  auto launched = guest::launch(options);
  auto* process = std::get_if<guest::GuestProcess>(&launched);
  REQUIRE(process != nullptr);
  const guest::UniqueFd control = process->take_control();
  REQUIRE(::write(control.get(), "GET / HTTP/1.1\r\n\r\n", 18) == 18);
  CHECK(process->wait_for(10s));
}

TEST_CASE("guest: what a broken launch printed can be read") {
  const auto& mode = guest_modes().back();
  if (!mode.probe.isolated) {
    SUCCEED("only for isolated sandboxes");
    return;
  }
  const test::TemporaryDirectory state;
  guest::LaunchOptions options;
  options.sandbox_id = "sb-broken";
  options.root = state.path() / "sb";
  options.guest_executable = state.path() / "missing";
  options.isolation = mode.probe;
  auto launched = guest::launch(options);
  auto* process = std::get_if<guest::GuestProcess>(&launched);
  REQUIRE(process != nullptr);
  CHECK(process->wait_for(10s));
  CHECK(contains(process->diagnostics(), "missing"));
}

TEST_CASE("isolation: the user can switch it off, insist on it, and is told about nonsense") {
  const test::TemporaryDirectory state;
  const guest::ProbeOptions options{*guest::find_guest_executable(), state.path()};
  struct Restore {
    ~Restore() { ::unsetenv("NULLSPACE_LOCAL_ISOLATION"); }
  } restore;
  ::setenv("NULLSPACE_LOCAL_ISOLATION", "none", 1);
  const auto none = guest::probe_isolation(options);
  CHECK_FALSE(none.isolated);
  CHECK_FALSE(none.refused);
  ::setenv("NULLSPACE_LOCAL_ISOLATION", "maybe", 1);
  CHECK(guest::probe_isolation(options).refused);
  ::setenv("NULLSPACE_LOCAL_ISOLATION", "bubblewrap", 1);
  const auto wanted = guest::probe_isolation(options);
  CHECK(wanted.refused == !wanted.isolated);
  const auto impossible = guest::probe_isolation({state.path() / "no-guest", state.path()});
  CHECK(impossible.refused);
  CHECK_FALSE(impossible.reason.empty());
  // Nothing of the probes stays behind.
  CHECK(std::filesystem::is_empty(state.path()));
}

TEST_CASE("isolation: the guest's program is found where it is said to be, or not at all") {
  struct Restore {
    ~Restore() { ::unsetenv("NULLSPACE_LOCAL_GUEST"); }
  } restore;
  const auto found = guest::find_guest_executable();
  REQUIRE(found);
  CHECK(guest::find_guest_executable("/bin/sh"));
  CHECK_FALSE(guest::find_guest_executable("/no/such/guest"));
  CHECK_FALSE(guest::find_guest_executable("/etc/passwd"));
  ::setenv("NULLSPACE_LOCAL_GUEST", "/no/such/guest", 1);
  CHECK_FALSE(guest::find_guest_executable());
  ::setenv("NULLSPACE_LOCAL_GUEST", found->c_str(), 1);
  CHECK(guest::find_guest_executable() == found);
}

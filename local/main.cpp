// nullspace-local: the local server with a command line.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <nullspace/version.hpp>

#include "local/local.hpp"

namespace {

using nullspace::local::ClockMode;
using nullspace::local::IsolationMode;
using nullspace::local::Server;
using nullspace::local::ServerOptions;
using nullspace::local::StartError;

constexpr std::uint16_t kDefaultPort = 3000;

constexpr const char* kExamples = R"text(Examples:
  nullspace-local
      Serves on http://127.0.0.1:3000 and prints the API key to use.
  eval "$(nullspace-local --port 0 --print-env &)"
      Serves in the background on a free port and sets NULLSPACE_API_URL and NULLSPACE_API_KEY in this shell.
      Ctrl-C at the prompt ends the server. Started like this by a script it outlives the script: there start it
      with & yourself, keep $! and kill that in the end.
  nullspace-local --api-key dev --api-key other --log
      Two accounts with keys of your own, and a line for each request.
  nullspace-local --faults --clock manual
      For tests of clients: connections break and time passes when told to.

Sandboxes and everything in them end with the server (Ctrl-C).)text";

struct Arguments {
  ServerOptions server;
  std::vector<std::string> api_keys;
  double ping_seconds = 15;
  std::vector<double> webhook_delays{30, 120, 600, 3600};
  bool log = false;
  bool print_env = false;
};

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

void add_options(CLI::App& app, Arguments& arguments) {
  ServerOptions& server = arguments.server;
  server.port = kDefaultPort;
  app.add_option("--host", server.host, "Address to listen on; loopback unless --allow-remote")
      ->capture_default_str();
  app.add_option("--port", server.port, "Port to listen on; 0 takes a free one")
      ->capture_default_str();
  app.add_flag("--allow-remote", server.allow_remote,
               "Allow --host to be any address and clients to come from anywhere");
  app.add_option("--api-key", arguments.api_keys,
                 "A key that clients may use; repeatable, each is an account of its own "
                 "(default: a new one at each start)")
      ->allow_extra_args(false);
  app.add_option("--state-dir", server.state_dir,
                 "Where the sandboxes' files are while the server runs (default: a new directory "
                 "below $TMPDIR)");
  app.add_option("--ping-interval", arguments.ping_seconds,
                 "Seconds between WebSocket pings; 0 switches them off")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--webhook-retry-delays", arguments.webhook_delays,
                 "Seconds that a webhook delivery waits after each failed attempt; when there is "
                 "no more delay it is given up")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.0, 31'536'000.0))
      ->type_name("SECONDS,...")
      ->capture_default_str();
  app.add_option("--isolation", server.isolation,
                 "auto: bubblewrap where possible; required: not without; none: never")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, IsolationMode>{{"auto", IsolationMode::automatic},
                                               {"required", IsolationMode::required},
                                               {"none", IsolationMode::none}}))
      ->type_name("auto|required|none");
  app.add_option("--guest", server.guest_executable,
                 "The guest agent (default: beside this program)");
  app.add_flag("--faults", server.faults,
               "Let clients with a key ask for faults, below /_emu and by the header "
               "x-nullspace-fault; see docs/local-server-faults.md");
  app.add_option("--clock", server.clock,
                 "manual: time stands still for sandboxes, pings and samples until POST "
                 "/_emu/clock/advance moves it")
      ->transform(CLI::CheckedTransformer(std::map<std::string, ClockMode>{
          {"real", ClockMode::real}, {"manual", ClockMode::manual}}))
      ->type_name("real|manual");
  app.add_flag("--log", arguments.log, "Write a line for each request to standard error");
  app.add_flag("--print-env", arguments.print_env,
               "Print lines for the shell's `eval` and nothing else to standard output");
  app.set_version_flag("--version", "nullspace-local " + std::to_string(nullspace::kVersionMajor) +
                                        "." + std::to_string(nullspace::kVersionMinor) + "." +
                                        std::to_string(nullspace::kVersionPatch));
  app.footer(kExamples);
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

void announce(const Server& server, const Arguments& arguments) {
  if (arguments.print_env) {
    std::cout << "export NULLSPACE_API_URL=" << shell_quoted(server.url()) << "\n"
              << "export NULLSPACE_API_KEY=" << shell_quoted(server.api_key().reveal()) << "\n"
              << std::flush;
    // A shell that reads these lines waits for the end of them, and we go on.
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) ::dup2(null, STDOUT_FILENO);
    if (null >= 0) ::close(null);
  } else {
    std::cout << "nullspace-local is ready at " << server.url() << "\n"
              << "API key: " << server.api_key().reveal() << "\n"
              << std::flush;
  }
  if (!server.isolated()) {
    std::cerr << "warning: sandboxes are NOT isolated from this machine ("
              << server.isolation_reason() << ")\n";
  }
}

// Terminals and sockets cost descriptors; the usual soft limit is for programs that use select().
void raise_descriptor_limit() {
  constexpr rlim_t kWanted = 65'536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(const Arguments& arguments) {
  raise_descriptor_limit();
  // Blocked before any thread starts, so that only sigwait() below sees them.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Server server(arguments.server);
  try {
    server.start();
  } catch (const StartError& error) {
    std::cerr << "nullspace-local: " << error.what() << "\n";
    if (error.reason() == StartError::Reason::address_in_use) {
      std::cerr << "Choose another port with --port; --port 0 takes a free one.\n";
    }
    return 1;
  }
  announce(server, arguments);
  int received = 0;
  sigwait(&ends, &received);
  server.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A Nullspace server on this machine, for development and tests.", "nullspace-local");
  Arguments arguments;
  add_options(app, arguments);
  CLI11_PARSE(app, argc, argv);
  for (const std::string& key : arguments.api_keys)
    arguments.server.api_keys.emplace_back(key);
  arguments.server.ping_interval = milliseconds(arguments.ping_seconds);
  arguments.server.webhook_retry_delays.clear();
  for (const double delay : arguments.webhook_delays)
    arguments.server.webhook_retry_delays.push_back(milliseconds(delay));
  if (arguments.log) {
    arguments.server.log = [](std::string_view line) {
      std::cerr << std::string(line) + "\n" << std::flush;
    };
  }
  return serve(arguments);
}

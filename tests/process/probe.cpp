// Programs of applications that end, fork and hold the SDK in unusual ways. Each is one scenario;
// its exit code says how it went.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

namespace {

// Constructed before main() and destroyed after everything that main() has made.
std::optional<ns::Client> static_client;
std::optional<ns::Subscription> static_subscription;

// Counts events; anybody may wait for more of them.
struct Events {
  std::mutex mutex;
  std::condition_variable changed;
  int count{0};

  void add() {
    const std::lock_guard lock(mutex);
    ++count;
    changed.notify_all();
  }
  bool wait_for_more(int more) {
    std::unique_lock lock(mutex);
    const int wanted = count + more;
    return changed.wait_for(lock, std::chrono::seconds{15}, [&] { return count >= wanted; });
  }
};

// Outlives every callback, also those that come while static objects die.
Events& events() {
  static Events* const instance = new Events;
  return *instance;
}

ns::Client make_client(const std::string& url) {
  return ns::Client({.api_key = "k", .base_url = url, .proxy = ""});
}

ns::Subscription subscribe(const ns::Client& client, std::function<void()> on_event = {}) {
  return ns::Monitor(client).subscribe(
      {.on_metrics = [on_event = std::move(on_event)](const ns::MonitorMetricsEvent&) {
        events().add();
        if (on_event) on_event();
      }});
}

int flowing() {
  return events().wait_for_more(3) ? 0 : 1;
}

// --- ends ---

int return_with_handles(const std::string& url) {
  const ns::Client client = make_client(url);
  const ns::Subscription live = subscribe(client);
  return flowing();
}

int exit_with_handles(const std::string& url) {
  const ns::Client client = make_client(url);
  const ns::Subscription live = subscribe(client);
  const int code = flowing();
  // Destroys no local object: the threads run on while static objects die.
  std::exit(code);
}

int leak_handles(const std::string& url) {
  static std::unique_ptr<ns::Client>* const client =
      new std::unique_ptr<ns::Client>(std::make_unique<ns::Client>(make_client(url)));
  static auto* const live = new ns::Subscription(subscribe(**client));
  (void)live;
  return flowing();
}

int keep_in_statics(const std::string& url) {
  static_client = make_client(url);
  static_subscription = subscribe(*static_client);
  return flowing();
}

int keep_client_in_static(const std::string& url) {
  static_client = make_client(url);
  if (!static_client->is_healthy()) return 2;
  const ns::Subscription live = subscribe(*static_client);
  return flowing();
}

int exit_in_callback(const std::string& url) {
  static_client = make_client(url);
  static std::atomic<bool> assigned{false};
  static std::atomic<bool> exiting{false};
  static_subscription = subscribe(*static_client, [] {
    if (assigned && !exiting.exchange(true)) std::exit(0);
  });
  assigned = true;
  std::this_thread::sleep_for(std::chrono::minutes{1});
  return 3;
}

int exit_in_callback_after_the_last_handle(const std::string& url) {
  static std::atomic<bool> assigned{false};
  static_subscription = subscribe(make_client(url), [] {
    if (!assigned) return;
    static_subscription.reset();
    std::exit(0);
  });
  assigned = true;
  std::this_thread::sleep_for(std::chrono::minutes{1});
  return 3;
}

int end_in_callback_and_go_on(const std::string& url) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> assigned{false};
    std::atomic<bool> gone{false};
    std::optional<ns::Subscription> live;
    live = subscribe(make_client(url), [&] {
      if (!assigned || gone) return;
      live.reset();
      gone = true;
      gone.notify_all();
    });
    assigned = true;
    gone.wait(false);
  }
  return 0;
}

// --- forks ---

int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 20;
  return WEXITSTATUS(status);
}

// What a child does with the SDK.
int use_it(const std::string& url) {
  events().count = 0;
  const ns::Client client = make_client(url);
  if (!client.is_healthy()) return 11;
  ns::Subscription live = subscribe(client);
  if (flowing() != 0) return 12;
  live.stop();
  return 0;
}

int fork_with_live_handles(const std::string& url) {
  const ns::Client client = make_client(url);
  if (!client.is_healthy()) return 2;
  const ns::Subscription live = subscribe(client);
  if (flowing() != 0) return 1;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(use_it(url));
    if (const int code = wait_for(child); code != 0) return code;
    // The parent goes on as if nothing had happened.
    if (flowing() != 0) return 3;
    if (!client.is_healthy()) return 4;
  }
  return 0;
}

// The child runs the destructors of what it has inherited.
int fork_and_exit_normally(const std::string& url) {
  static_client = make_client(url);
  static_subscription = subscribe(*static_client);
  if (flowing() != 0) return 1;
  const pid_t child = ::fork();
  if (child == 0) std::exit(use_it(url));
  if (const int code = wait_for(child); code != 0) return code;
  return flowing();
}

// The child goes on with the client of its parent.
int fork_and_use_the_inherited_client(const std::string& url) {
  const ns::Client client = make_client(url);
  if (!client.is_healthy()) return 2;
  const ns::Subscription live = subscribe(client);
  if (flowing() != 0) return 1;
  const pid_t child = ::fork();
  if (child == 0) {
    events().count = 0;
    const ns::Subscription own = subscribe(client);
    ::_exit(client.is_healthy() && flowing() == 0 ? 0 : 13);
  }
  if (const int code = wait_for(child); code != 0) return code;
  return flowing();
}

// Threads of the host fork while others use the SDK: whatever lock was held, the child must not
// hang.
int fork_in_the_middle(const std::string& url) {
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      const ns::Client client = make_client(url);
      ns::Subscription live = subscribe(client);
      live.stop();
    }
  });
  int worst = 0;
  for (int i = 0; i < 15; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const ns::Client client = make_client(url);
      ns::Subscription live = subscribe(client);
      live.stop();
      ::_exit(0);
    }
    worst = std::max(worst, wait_for(child));
  }
  stop = true;
  busy.join();
  return worst;
}

// --- nobody there ---

int closed_port(const std::string& /*url*/) {
  // Port 1 of this machine: refused at once.
  const ns::Client client({.api_key = "k",
                           .base_url = "http://127.0.0.1:1",
                           .retry = {.websocket_open_retries = 0},
                           .proxy = ""});
  if (client.is_healthy()) return 1;
  try {
    (void)ns::Monitor(client).subscribe();
    return 2;
  } catch (const ns::Error& error) {
    return error.kind() == ns::ErrorKind::transport ? 0 : 3;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, int (*)(const std::string&)> scenarios{
      {"return_with_handles", return_with_handles},
      {"exit_with_handles", exit_with_handles},
      {"leak_handles", leak_handles},
      {"keep_in_statics", keep_in_statics},
      {"keep_client_in_static", keep_client_in_static},
      {"exit_in_callback", exit_in_callback},
      {"exit_in_callback_after_the_last_handle", exit_in_callback_after_the_last_handle},
      {"end_in_callback_and_go_on", end_in_callback_and_go_on},
      {"fork_with_live_handles", fork_with_live_handles},
      {"fork_and_exit_normally", fork_and_exit_normally},
      {"fork_and_use_the_inherited_client", fork_and_use_the_inherited_client},
      {"fork_in_the_middle", fork_in_the_middle},
      {"closed_port", closed_port},
  };
  const auto found = argc == 3 ? scenarios.find(argv[1]) : scenarios.end();
  if (found == scenarios.end()) return 64;
  try {
    return found->second(argv[2]);
  } catch (const ns::Error& error) {
    std::cerr << error.what() << '\n';
    return 65;
  }
}

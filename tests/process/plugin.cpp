// A shared object of an application that uses the SDK and may be unloaded.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

// 0 when the SDK did its work.
extern "C" __attribute__((visibility("default"))) int plugin_run(const char* url) {
  try {
    std::mutex mutex;
    std::condition_variable changed;
    int events = 0;
    std::optional<ns::Client> client(
        ns::ClientOptions{.api_key = "k", .base_url = url, .proxy = ""});
    if (!client->is_healthy()) return 1;
    ns::Subscription live =
        ns::Monitor(*client).subscribe({.on_metrics = [&](const ns::MonitorMetricsEvent&) {
          const std::lock_guard lock(mutex);
          ++events;
          changed.notify_all();
        }});
    client.reset();
    std::unique_lock lock(mutex);
    const bool flowed =
        changed.wait_for(lock, std::chrono::seconds{15}, [&] { return events >= 3; });
    lock.unlock();
    live.stop();
    return flowed ? 0 : 2;
  } catch (const ns::Error&) {
    return 3;
  }
}

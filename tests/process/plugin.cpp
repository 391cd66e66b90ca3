// A shared object of an application that uses the SDK and may be unloaded.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

// 0 when the SDK did its work. With `end_in_callback` the last handle dies on the callback thread.
extern "C" __attribute__((visibility("default"))) int plugin_run(const char* url,
                                                                 int end_in_callback) {
  try {
    std::mutex mutex;
    std::condition_variable changed;
    int events = 0;
    bool assigned = false;
    bool ended = false;
    std::optional<ns::Client> client(
        ns::ClientOptions{.api_key = "k", .base_url = url, .proxy = ""});
    if (!client->is_healthy()) return 1;
    std::optional<ns::Subscription> live;
    live = ns::Monitor(*client).subscribe({.on_metrics = [&](const ns::MonitorMetricsEvent&) {
      std::unique_lock lock(mutex);
      if (!assigned || ended) return;
      if (++events == 3 && end_in_callback != 0) {
        lock.unlock();
        live.reset();
        lock.lock();
        ended = true;
      }
      changed.notify_all();
    }});
    client.reset();
    std::unique_lock lock(mutex);
    assigned = true;
    const bool flowed = changed.wait_for(
        lock, std::chrono::seconds{15}, [&] { return end_in_callback != 0 ? ended : events >= 3; });
    lock.unlock();
    live.reset();
    return flowed ? 0 : 2;
  } catch (const ns::Error&) {
    return 3;
  }
}

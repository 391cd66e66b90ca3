// Prints what happens to the sandboxes of the account, one line per event, until Ctrl-C.
//
//   lifecycle              the last events, then live ones
//   lifecycle <event id>   everything after that event, then live events
//
// The connection may come and go: the stream goes on after the last event it delivered.
#include <csignal>
#include <ctime>
#include <iostream>
#include <string>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

namespace {

void print(const ns::LifecycleEvent& event) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(event.occurred_at);
  fmt::print("{:%Y-%m-%d %H:%M:%S}  {:<20} {:<9} {} {} {}\n", fmt::gmtime(seconds),
             event.operation_text, event.status_text, event.sandbox_id, event.reason, event.id);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  // Blocked before any thread is started, so that only sigtimedwait() below sees them.
  sigset_t endings;
  sigemptyset(&endings);
  sigaddset(&endings, SIGINT);
  sigaddset(&endings, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &endings, nullptr);

  try {
    const ns::Lifecycle lifecycle;
    ns::Subscription live = lifecycle.subscribe({
        .after_event_id = argc > 1 ? argv[1] : "",
        .on_event = print,
        // Only when the service has forgotten where this stream was.
        .on_gap =
            [](const ns::LifecycleGap& gap) {
              std::cerr << "lifecycle: events after " << gap.after_event_id
                        << " were missed: " << gap.cause.message() << '\n';
            },
        .on_error = [](const ns::Error& e) { std::cerr << "lifecycle: " << e.what() << '\n'; },
        .on_state_change =
            [](const ns::StateChange& change) {
              std::cerr << "lifecycle: " << ns::to_string(change.state) << '\n';
            },
    });
    constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 200'000'000};
    while (live.active() && sigtimedwait(&endings, nullptr, &kTick) < 0) {
    }
    live.stop();  // When it returns, no callback runs any more.
    return live.last_error() ? 1 : 0;
  } catch (const ns::Error& error) {
    std::cerr << "lifecycle: " << error.what() << '\n';
    return 1;
  }
}

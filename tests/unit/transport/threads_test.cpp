#include "transport/threads.hpp"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/unit/api/scripted_client.hpp"

using nullspace::tests::Door;
using nullspace::transport::join_or_hand_over;
using nullspace::transport::start_thread;

TEST_CASE("a thread of the SDK takes no signals and has a name") {
  sigset_t mask;
  std::string name(16, '\0');
  Door named;
  std::thread thread = start_thread("ns-some-test", [&] {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    (void)named.wait();
    pthread_getname_np(pthread_self(), name.data(), name.size());
  });
  named.open();
  join_or_hand_over(std::move(thread));
  CHECK(name.c_str() == std::string("ns-some-test"));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGALRM, SIGWINCH}) {
    CAPTURE(signal);
    CHECK(sigismember(&mask, signal) == 1);
  }
}

TEST_CASE("the thread that starts it keeps its own signals") {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::thread thread = start_thread("ns-test", [] {});
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal < 32; ++signal)
    CHECK(sigismember(&before, signal) == sigismember(&after, signal));
  thread.join();
}

TEST_CASE("joining no thread does nothing") {
  join_or_hand_over(std::thread());
  SUCCEED();
}

TEST_CASE("a thread that lets go of itself is joined later, by whoever comes") {
  std::thread own;
  Door assigned;
  Door done;
  own = start_thread("ns-own", [&] {
    if (!assigned.wait()) return;
    join_or_hand_over(std::move(own));
    done.open();
  });
  assigned.open();
  REQUIRE(done.wait());
  CHECK_FALSE(own.joinable());
  // Whether it has returned by now or not, neither of these may wait for long, or crash.
  join_or_hand_over(std::thread());
  start_thread("ns-next", [] {}).join();
}

TEST_CASE("nobody waits for a thread that let go of itself and goes on for a while") {
  std::thread own;
  Door assigned;
  Door handed_over;
  Door may_end;
  Door ended;
  own = start_thread("ns-own", [&] {
    if (!assigned.wait()) return;
    join_or_hand_over(std::move(own));
    handed_over.open();
    // A callback that destroyed the last handle and then waits for somebody else of the process.
    if (may_end.wait()) ended.open();
  });
  assigned.open();
  REQUIRE(handed_over.wait());
  start_thread("ns-other", [] {}).join();
  join_or_hand_over(std::thread());
  CHECK_FALSE(ended.is_open());
  may_end.open();
  CHECK(ended.wait());
}

TEST_CASE("a thread that let go of itself may start and end others") {
  std::thread own;
  Door assigned;
  Door done;
  own = start_thread("ns-own", [&] {
    if (!assigned.wait()) return;
    join_or_hand_over(std::move(own));
    join_or_hand_over(start_thread("ns-child", [] {}));
    done.open();
  });
  assigned.open();
  CHECK(done.wait());
}

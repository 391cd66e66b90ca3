// Terminals and commands over a network that cuts their connections.
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "tests/resilience/bad_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/eventually.hpp"

using namespace std::chrono_literals;
using nullspace::tests::Cut;
using nullspace::tests::Direction;
using nullspace::tests::RandomCuts;
using test::BadNetwork;
namespace ns = nullspace;

namespace {

constexpr std::uint64_t kCuts = 1000;

// Reads the output of a terminal that counts, `<1>`, `<2>`, ... one a line, and looks for numbers
// that are missing, come twice or are broken without a gap having been reported.
class Counting {
 public:
  void on_data(std::string_view bytes) {
    for (const char byte : bytes) {
      if (byte == '\n') {
        end_line();
      } else {
        line_ += byte;
      }
    }
  }
  // What was under way is lost, and what comes next may begin anywhere in a line.
  void on_gap() {
    line_.clear();
    within_line_ = true;
    after_gap_ = true;
    ++gaps;
  }

  std::atomic<int> lines{0};
  std::atomic<int> gaps{0};
  std::atomic<int> wrong{0};

 private:
  void end_line() {
    if (line_.starts_with('<') && line_.ends_with('>')) {
      std::int64_t number = 0;
      std::from_chars(line_.data() + 1, line_.data() + line_.size() - 1, number);
      const bool fits = after_gap_ || last_ == 0 ? number > last_ : number == last_ + 1;
      if (!fits) ++wrong;
      last_ = number;
      after_gap_ = false;
      ++lines;
    } else if (!within_line_ && last_ > 0) {
      ++wrong;
    }
    within_line_ = false;
    line_.clear();
  }

  std::string line_;
  std::int64_t last_{0};
  bool after_gap_{false};
  bool within_line_{false};
};

}  // namespace

TEST_CASE("a terminal survives 1,000 random cuts: while attached, no line is lost or repeated") {
  const std::uint64_t seed = 20260102;
  CAPTURE(seed);
  BadNetwork network(seed);
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  const ns::Client client(network.options());
  Counting counting;
  std::atomic<bool> failed{false};
  ns::PtySession session =
      ns::Sandbox::find(client, sandbox->id())
          ->pty()
          .create_session({.on_data = [&](std::string_view bytes) { counting.on_data(bytes); },
                           .on_error = [&](const ns::Error&) { failed = true; },
                           .on_gap = [&](const ns::PtyGap&) { counting.on_gap(); }});
  session.send_input("stty raw -echo; i=0; while :; do i=$((i+1)); echo \"<$i>\"; done\n");
  REQUIRE(test::eventually([&] { return counting.lines > 0; }));
  network.proxy().cut_randomly(RandomCuts{.min_bytes = 0, .max_bytes = 20'000, .how = Cut::either});
  CHECK(test::eventually([&] { return failed || network.proxy().counters().cuts >= kCuts; }, 400s));
  network.proxy().cut_randomly(std::nullopt);
  const int so_far = counting.lines;
  CHECK(test::eventually([&] { return counting.lines > so_far + 100; }));
  CHECK_FALSE(failed);
  CHECK(counting.wrong == 0);
  CHECK(counting.gaps > 100);
  sandbox->pty().kill_session(session.session_id());
  CHECK(session.wait({.timeout = 60s}).exit_code == 137);
}

TEST_CASE("a streamed command that is cut off anywhere is never a success") {
  BadNetwork network;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  ns::ClientOptions options = network.options();
  options.reconnect.enabled = false;
  options.retry.websocket_open_retries = 0;
  const ns::Client client(options);
  const ns::Commands commands = ns::Sandbox::find(client, sandbox->id())->commands();
  std::string expected;
  for (int i = 1; i <= 200; ++i)
    expected += std::to_string(i) + '\n';

  int cut_off = 0;
  int with_output = 0;
  int whole = 0;
  for (std::uint64_t offset = 1; whole < 5; offset += 7) {
    CAPTURE(offset);
    // In every direction and in turns: what is cut is the request, the answer, or the goodbye.
    const bool upstream = offset % 2 == 0;
    network.proxy().clear_toxics();
    network.proxy().set_toxics(upstream ? Direction::upstream : Direction::downstream,
                               {.limit_data = offset});
    try {
      const ns::CommandResult result =
          commands.run("seq 1 200; exit 6", {.shell = true, .on_stdout = [](std::string_view) {}});
      REQUIRE(result.exit_code == 6);
      REQUIRE(result.stdout_text == expected);
      whole += upstream ? 0 : 1;
    } catch (const ns::Error& error) {
      // Half of the upgrade's answer cannot be told from one that is no HTTP.
      REQUIRE((error.kind() == ns::ErrorKind::transport ||
               (error.kind() == ns::ErrorKind::invalid_response &&
                error.info().partial_stdout.empty())));
      REQUIRE(expected.starts_with(error.info().partial_stdout));
      ++cut_off;
      with_output += error.info().partial_stdout.empty() ? 0 : 1;
    }
    REQUIRE(offset < 20'000);
  }
  CHECK(cut_off > 20);
  CHECK(with_output > 0);
}

TEST_CASE("a streamed command that is cut again and again ends with its whole output") {
  const std::uint64_t seed = 20260103;
  CAPTURE(seed);
  BadNetwork network(seed);
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(network.direct());
  const ns::Client client(network.options());
  std::string expected;
  for (int i = 1; i <= 4000; ++i)
    expected += std::to_string(i) + '\n';
  int cuts = 0;
  const ns::CommandResult result =
      ns::Sandbox::find(client, sandbox->id())
          ->commands()
          .run(
              "i=1; while [ $i -le 4000 ]; do seq $i $((i+99)); i=$((i+100)); sleep 0.02; done; "
              "exit 3",
              {.shell = true, .timeout = 300s, .on_stdout = [&](std::string_view) {
                 network.proxy().cut_all(Cut::either);
                 ++cuts;
               }});
  CHECK(result.exit_code == 3);
  CHECK(result.stdout_text == expected);
  CHECK(cuts > 3);
}

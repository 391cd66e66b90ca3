// Much output arrives whole, in order and in bounded memory.
#include <chrono>
#include <cstdint>
#include <thread>

#include <fmt/format.h>

#include "tests/integration/local_service.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using test::LocalService;
namespace ns = nullspace;

namespace {

// Lines "00000000\n", "00000001\n", ...: any loss, repeat or swap shows at once.
constexpr std::int64_t kLines = (std::int64_t{200} << 20) / 9;

std::string producer(std::int64_t lines) {
  return fmt::format("seq -f %08.0f 0 {}", lines - 1);
}

// Checks the lines as they come, without keeping them.
class LineCheck {
 public:
  void feed(std::string_view bytes) {
    for (const char c : bytes) {
      if (c == '\n') {
        if (digits_ != 8 || number_ != next_++) ++wrong_;
        number_ = 0;
        digits_ = 0;
      } else {
        number_ = number_ * 10 + (c - '0');
        ++digits_;
      }
    }
  }
  [[nodiscard]] std::int64_t lines() const { return next_; }
  [[nodiscard]] std::int64_t wrong() const { return wrong_; }

 private:
  std::int64_t next_{0};
  std::int64_t number_{0};
  int digits_{0};
  std::int64_t wrong_{0};
};

// Sanitizers keep freed memory and slow everything down by an order of magnitude: there the amount
// shrinks, and memory says nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr std::int64_t lines_to_send() {
  return kSanitized ? kLines / 20 : kLines;
}

}  // namespace

TEST_CASE("large output: 200 MiB through a streamed command") {
  const LocalService service;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(service.client());
  LineCheck check;
  double most = 0;
  const double before = test::resident_mib();
  const ns::CommandResult result = sandbox->commands().run(
      producer(lines_to_send()), {.shell = true,
                                  .timeout = 100s,
                                  .on_stdout =
                                      [&](std::string_view text) {
                                        check.feed(text);
                                        most = std::max(most, test::resident_mib());
                                      },
                                  .capture_limit = std::size_t{1} << 20});
  CHECK(result.exit_code == 0);
  CHECK(check.lines() == lines_to_send());
  CHECK(check.wrong() == 0);
  CHECK(result.stdout_text.size() <= (std::size_t{1} << 20));
  CHECK(result.stdout_text.size() + result.stdout_omitted_bytes ==
        static_cast<std::size_t>(lines_to_send()) * 9);
  // Server and client share this process.
  if (!kSanitized) {
    CHECK(most - before < 64);
  }
}

TEST_CASE("large output: 200 MiB through a terminal") {
  const LocalService service;
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(service.client());
  ns::PtySession session = sandbox->pty().create_session();
  session.send_input("stty raw -echo; echo; echo START; exec " + producer(lines_to_send()) + "\n");
  LineCheck check;
  std::string head;
  bool started = false;
  double most = 0;
  const double before = test::resident_mib();
  const ns::PtyResult result =
      session.wait({.on_data =
                        [&](std::string_view bytes) {
                          most = std::max(most, test::resident_mib());
                          if (started) return check.feed(bytes);
                          head += bytes;
                          const std::size_t at = head.find("\nSTART\n");
                          if (at == std::string::npos) return;
                          started = true;
                          check.feed(std::string_view(head).substr(at + 7));
                        },
                    .timeout = 100s});
  CHECK(result.exit_code == 0);
  CHECK(check.lines() == lines_to_send());
  CHECK(check.wrong() == 0);
  if (!kSanitized) {
    CHECK(most - before < 64);
  }
}

TEST_CASE("large output: a slow reader slows the terminal and nothing else") {
  const LocalService service;
  ns::ClientOptions options = service.options();
  options.receive_buffer_bytes = std::size_t{64} << 10;
  const ns::Client client(options);
  const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);
  ns::PtySession flood = sandbox->pty().create_session();
  flood.send_input("stty raw -echo; seq 1 3000000; exit 0\n");
  // Nobody reads the flood; commands and other terminals do not notice.
  ns::PtySession other = sandbox->pty().create_session();
  other.send_input("exit 9\n");
  CHECK(other.wait({.timeout = 60s}).exit_code == 9);
  CHECK(sandbox->commands().run("echo", {.args = {"fine"}}).stdout_text == "fine\n");
  std::size_t bytes = 0;
  CHECK(flood
            .wait({.on_data = [&](std::string_view piece) { bytes += piece.size(); },
                   .timeout = 100s})
            .exit_code == 0);
  CHECK(bytes > 22'000'000);
}

// A shell in a sandbox's terminal: yours when stdin is a terminal, scripted otherwise.
//
//   pty                      interactive, in raw mode; `exit` or Ctrl-D ends it
//   echo 'ls; exit 7' | pty  types stdin, prints the output; the exit code is the shell's
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

namespace {

volatile std::sig_atomic_t window_changed = 0;

ns::PtySize window_size() {
  winsize size{};
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return {};
  return {.cols = size.ws_col, .rows = size.ws_row};
}

void print(std::string_view bytes) {
  std::cout << bytes << std::flush;
}

// Puts the terminal into raw mode and back, however the scope is left.
struct RawMode {
  RawMode() {
    tcgetattr(STDIN_FILENO, &before);
    termios raw = before;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawMode() { tcsetattr(STDIN_FILENO, TCSANOW, &before); }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  termios before{};
};

// Sends keystrokes and window changes until the session is over; its output comes by callback.
void type_into(const ns::PtySession& session) try {
  std::signal(SIGWINCH, [](int) { window_changed = 1; });
  std::array<char, 4096> keys{};
  while (session.connected()) {
    if (std::exchange(window_changed, 0) != 0) session.resize(window_size());
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, 50) <= 0) continue;
    const ssize_t count = read(STDIN_FILENO, keys.data(), keys.size());
    if (count <= 0) return;
    session.send_input({keys.data(), static_cast<std::size_t>(count)});
  }
} catch (const ns::Error&) {
  return;  // The session ended under our fingers; wait() says how.
}

}  // namespace

int main() {
  try {
    const bool terminal = isatty(STDIN_FILENO) == 1;
    const ns::PtySize size = window_size();
    const ns::ScopedSandbox sandbox = ns::Sandbox::create();
    ns::PtySession session =
        sandbox->pty().create_session({.cols = size.cols, .rows = size.rows, .on_data = print});
    if (terminal) {
      const RawMode raw;
      type_into(session);
    } else {
      const std::string script(std::istreambuf_iterator<char>(std::cin), {});
      session.send_input(script + "\x04");  // Ctrl-D: a script without `exit` ends, too.
    }
    const ns::PtyResult result = session.wait();
    if (!result.error.empty()) std::cerr << "pty: " << result.error << '\n';
    return result.exit_code;
  } catch (const ns::Error& error) {
    std::cerr << "pty: " << error.what() << '\n';
    return 1;
  }
}

// What can go wrong, and what to ask the error. Every failure is a nullspace::Error; ordinary
// outcomes are values.
#include <chrono>
#include <iostream>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;
using namespace std::chrono_literals;

int main() {
  try {
    const ns::Client client;
    const ns::ScopedSandbox sandbox = ns::Sandbox::create(client);

    // A command that fails is a result.
    const ns::CommandResult result = sandbox->commands().run("exit 3", {.shell = true});
    std::cout << "exit code: " << result.exit_code << '\n';

    // So is a sandbox that does not exist, when you ask whether it does.
    std::cout << "found: " << (ns::Sandbox::find(client, "sb_gone") ? "yes" : "no") << '\n';

    // Asking for what must be there throws. kind() is for decisions, code() is the server's own
    // word.
    try {
      (void)ns::Sandbox::connect(client, "sb_gone");
    } catch (const ns::Error& error) {
      std::cout << "kind: " << ns::to_string(error.kind()) << ", code: " << error.code()
                << ", try again: " << (error.retryable() ? "yes" : "no") << '\n';
    }

    // A wrong argument never reaches the network.
    try {
      (void)sandbox->pty().create_session({.cols = 0});
    } catch (const ns::Error& error) {
      std::cout << "refused: " << error.message() << '\n';
    }

    // Three times can run out, and the error says which: here the server killed the command.
    try {
      sandbox->commands().run("sleep 30", {.shell = true, .timeout = 1s});
    } catch (const ns::Error& error) {
      std::cout << "time is up: " << error.code()
                << ", deadline: " << (error.deadline() ? ns::to_string(*error.deadline()) : "none")
                << '\n';
    }
    return 0;
  } catch (const ns::Error& error) {
    std::cerr << "errors: " << error.what() << '\n';
    if (error.retryable()) std::cerr << "(trying again later may help)\n";
    return 1;
  }
}

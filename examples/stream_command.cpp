// Runs a command in a fresh sandbox and prints its output as it arrives.
//
//   stream_command [shell command]
#include <iostream>
#include <string>

#include <nullspace/nullspace.hpp>

namespace ns = nullspace;

int main(int argc, char** argv) {
  const std::string command =
      argc > 1 ? argv[1] : "for i in 1 2 3; do echo \"line $i\"; sleep 0.2; done; uname -s";
  try {
    // The address and the key come from NULLSPACE_API_URL and NULLSPACE_API_KEY. The sandbox ends
    // with this scope.
    const ns::ScopedSandbox sandbox =
        ns::Sandbox::create({.metadata = {{"example", "stream_command"}}});
    std::cerr << "sandbox " << sandbox->id() << '\n';

    const ns::CommandResult result = sandbox->commands().run(
        command, {.shell = true,
                  .on_stdout = [](std::string_view text) { std::cout << text << std::flush; },
                  .on_stderr = [](std::string_view text) { std::cerr << text << std::flush; }});

    std::cerr << "exit code " << result.exit_code << '\n';
    return result.exit_code;
  } catch (const ns::Error& error) {
    std::cerr << "stream_command: " << error.what() << '\n';
    return 1;
  }
}

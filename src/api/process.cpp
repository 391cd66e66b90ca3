#include <nullspace/commands.hpp>

#include <array>
#include <string>
#include <utility>

namespace nullspace::inline v0 {

namespace {

struct Interpreter {
  std::string_view language;
  std::string_view program;
  std::string_view flag;
};

constexpr std::array<Interpreter, 5> kInterpreters{{{"python", "python3", "-c"},
                                                    {"javascript", "node", "-e"},
                                                    {"ruby", "ruby", "-e"},
                                                    {"bash", "bash", "-c"},
                                                    {"sh", "sh", "-c"}}};

// Any other name is the interpreter itself.
Interpreter interpreter_of(std::string_view language) {
  for (const Interpreter& known : kInterpreters) {
    if (known.language == language) return known;
  }
  return {language, language, "-c"};
}

}  // namespace

Process::Process(std::shared_ptr<detail::SandboxCore> sandbox) noexcept
    : sandbox_(std::move(sandbox)) {}

CommandResult Process::code_run(std::string_view code, CodeRunOptions options) const {
  const Interpreter interpreter = interpreter_of(options.language);
  return Commands(sandbox_).run(interpreter.program,
                                {.args = {std::string(interpreter.flag), std::string(code)},
                                 .cwd = options.cwd,
                                 .envs = options.envs,
                                 .timeout = options.timeout,
                                 .stop = options.stop});
}

}  // namespace nullspace::inline v0

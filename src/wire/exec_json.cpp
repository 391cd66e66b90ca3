#include "wire/exec_json.hpp"

namespace nullspace::inline v0::wire {

namespace {

bool has_nul(std::string_view text) noexcept {
  return text.find('\0') != std::string_view::npos;
}

}  // namespace

std::string_view problem_of(const EnvMap& envs) noexcept {
  for (const auto& [name, value] : envs) {
    if (name.empty()) return "a name must not be empty";
    if (has_nul(name) || name.find('=') != std::string::npos)
      return "a name must not contain '=' or NUL";
    if (has_nul(value)) return "a value must not contain NUL";
  }
  return {};
}

EnvMap read_envs(ObjectReader& reader, std::string_view key) {
  EnvMap envs = reader.text_map(key);
  if (const std::string_view problem = problem_of(envs); !problem.empty())
    reader.refuse(key, problem);
  return envs;
}

std::string read_directory(ObjectReader& reader, std::string_view key) {
  std::string directory = reader.text_or_empty(key);
  const bool is_good = directory.empty() || (directory.front() == '/' && !has_nul(directory));
  if (!is_good) reader.refuse(key, "expected an absolute path");
  return directory;
}

ExecRequest read_exec_request(ObjectReader& reader) {
  ExecRequest request;
  request.command = reader.required_name("command");
  if (has_nul(request.command)) reader.refuse("command", "must not contain NUL");
  request.args = reader.texts("args");
  for (const std::string& arg : request.args) {
    if (has_nul(arg)) reader.refuse("args", "must not contain NUL");
  }
  request.shell = reader.flag("shell").value_or(false);
  if (request.shell && !request.args.empty()) {
    reader.refuse("args", "cannot be used together with shell");
  }
  request.cwd = read_directory(reader, "cwd");
  request.envs = read_envs(reader, "envs");
  request.timeout_secs =
      reader.integer("timeout_secs", 1, kMaxTimeoutSecs).value_or(request.timeout_secs);
  return request;
}

void write_directory_and_envs(JsonWriter& writer, std::string_view cwd, const EnvMap& envs) {
  if (!cwd.empty()) writer.text("cwd", cwd);
  if (!envs.empty()) {
    writer.key("envs");
    writer.text_map(envs);
  }
}

}  // namespace nullspace::inline v0::wire

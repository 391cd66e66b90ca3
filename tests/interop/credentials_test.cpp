// The key goes to whom the user chose, and to nobody else.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "tests/interop/stage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/child_process.hpp"

using test::ChildProcess;
using test::error_of;
using test::options_for;
using test::PythonPeer;
using test::Stage;
namespace ns = nullspace;

namespace {

constexpr const char* kUsersKey = "ns_live_the_users_own_key";

// A directory that somebody else prepared.
class HostileDirectory {
 public:
  explicit HostileDirectory(const std::string& dotenv) {
    std::string pattern = (std::filesystem::temp_directory_path() / "hostile-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
    std::ofstream(path_ / ".env") << dotenv;
  }
  HostileDirectory(const HostileDirectory&) = delete;
  HostileDirectory& operator=(const HostileDirectory&) = delete;
  ~HostileDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int exit_code{0};
  std::string output{};
};

// Runs the probe in a directory with that .env, with nothing of our own configuration around.
Outcome probe_with(const std::string& dotenv, std::map<std::string, std::string> environment) {
  const char* program = std::getenv("NULLSPACE_TEST_PROBE");
  REQUIRE(program != nullptr);
  const HostileDirectory directory(dotenv);
  for (const char* name : {"NULLSPACE_API_KEY", "NULLSPACE_API_URL", "NULLSPACE_BASE_URL",
                           "NULLSPACE_DIALECT", "XDG_CONFIG_HOME", "http_proxy", "https_proxy",
                           "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}) {
    environment.try_emplace(name, "");
  }
  environment.try_emplace("HOME", directory.path().string());
  ChildProcess child(
      {.command = {program}, .environment = environment, .directory = directory.path().string()});
  Outcome outcome;
  outcome.output = child.read_all();
  outcome.exit_code = child.wait();
  return outcome;
}

// An address that reaches the peer and is none of the loopback names.
std::string elsewhere(const PythonPeer& peer) {
  return peer.url_at("0.0.0.0");
}

}  // namespace

TEST_CASE("a base URL from .env never gets a key from elsewhere") {
  PythonPeer peer({"--host", "0.0.0.0"});
  for (const char* name : {"NULLSPACE_API_URL", "NULLSPACE_BASE_URL"}) {
    CAPTURE(name);
    const std::string dotenv = std::string(name) + "=" + elsewhere(peer) + "\n";

    const Outcome outcome = probe_with(dotenv, {{"NULLSPACE_API_KEY", kUsersKey}});
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.output.starts_with("invalid_request\n"));
    CHECK(outcome.output.find(".env") != std::string::npos);
    CHECK(outcome.output.find(kUsersKey) == std::string::npos);
  }
  // Nothing was even connected.
  CHECK(peer.count("connection") == 0);

  // The same address works when the user chose it: it was refused for its origin alone.
  const Outcome chosen = probe_with(
      "", {{"NULLSPACE_API_KEY", PythonPeer::key()}, {"NULLSPACE_API_URL", elsewhere(peer)}});
  CAPTURE(chosen.output);
  CHECK(chosen.exit_code == 0);
  CHECK(peer.count("connection") > 0);
}

TEST_CASE("a base URL from .env never gets a key from a config file") {
  PythonPeer peer({"--host", "0.0.0.0"});
  const HostileDirectory home("");
  std::filesystem::create_directories(home.path() / "nullspace");
  std::ofstream(home.path() / "nullspace" / "config.json")
      << R"({"api_key": ")" << kUsersKey << R"("})";
  const Outcome outcome = probe_with("NULLSPACE_API_URL=" + elsewhere(peer) + "\n",
                                     {{"XDG_CONFIG_HOME", home.path().string()}});
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.output.starts_with("invalid_request\n"));
  CHECK(peer.count("connection") == 0);
}

TEST_CASE("a base URL from .env counts with its own key, or for this machine") {
  PythonPeer peer({"--host", "0.0.0.0"});
  const Outcome own_key = probe_with("NULLSPACE_API_KEY='" + PythonPeer::key() + "'\n" +
                                         "NULLSPACE_API_URL=\"" + elsewhere(peer) + "\"\n",
                                     {});
  CAPTURE(own_key.output);
  CHECK(own_key.exit_code == 0);
  CHECK(own_key.output.find("not found") != std::string::npos);

  const Outcome loopback = probe_with("NULLSPACE_API_URL=" + peer.url() + "\n",
                                      {{"NULLSPACE_API_KEY", PythonPeer::key()}});
  CAPTURE(loopback.output);
  CHECK(loopback.exit_code == 0);

  // A key of the environment goes before the one of .env, and then the address no longer counts.
  const int before = peer.count("connection");
  const Outcome mixed = probe_with(
      "NULLSPACE_API_KEY=ns_of_the_directory\nNULLSPACE_API_URL=" + elsewhere(peer) + "\n",
      {{"NULLSPACE_API_KEY", kUsersKey}});
  CHECK(mixed.exit_code == 1);
  CHECK(peer.count("connection") == before);
}

TEST_CASE("the key does not follow a redirect") {
  Stage stage;
  PythonPeer other;
  stage.peer.redirect_to(other.url());
  stage.peer.always_play_rest("redirect");
  stage.peer.always_play_upgrade("redirect");

  CHECK(error_of([&] { return stage.sandbox.get_info(); }).code() == "invalid_response");
  CHECK(error_of([&] { return ns::Sandbox::create(stage.client); }).code() == "invalid_response");
  CHECK(error_of([&] { return stage.sandbox.commands().run("say x"); }).code() ==
        "invalid_response");
  CHECK(error_of([&] { return ns::Monitor(stage.client).subscribe(); }).kind() ==
        ns::ErrorKind::transport);
  CHECK(other.count("connection") == 0);
}

TEST_CASE("what the server sends is never a way to have the key printed") {
  PythonPeer peer;
  std::mutex mutex;
  std::vector<std::string> lines;
  ns::ClientOptions options = options_for(peer);
  options.log_level = ns::LogLevel::trace;
  options.log_sink = [&](const ns::LogRecord& record) {
    const std::lock_guard lock(mutex);
    lines.push_back(record.message);
  };
  std::vector<std::string> texts;
  {
    const ns::Client client(options);
    const ns::Sandbox sandbox = ns::Sandbox::create(client);
    (void)sandbox.commands().run("say x", {.on_stdout = [](std::string_view) {}});
    peer.play_rest({"html-502"});
    texts.emplace_back(error_of([&] { return sandbox.get_info(); }).what());
    peer.always_play_upgrade("401");
    texts.emplace_back(error_of([&] { return sandbox.pty().create_session(); }).what());
    texts.push_back(client.describe());
  }
  CHECK_FALSE(lines.empty());
  lines.insert(lines.end(), texts.begin(), texts.end());
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(line.find(PythonPeer::key()) == std::string::npos);
    CHECK(line.find("nst_peer_token") == std::string::npos);
  }
}

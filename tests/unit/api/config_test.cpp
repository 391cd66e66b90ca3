#include "api/config.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/random.hpp"
#include "tests/support/catch.hpp"

using nullspace::ClientOptions;
using nullspace::ConfigSources;
using nullspace::Dialect;
using nullspace::ErrorInfo;
using nullspace::ErrorKind;
using nullspace::resolve_config;
using nullspace::ResolvedConfig;
using nullspace::Secret;

namespace {

// A machine: its environment, its files, and what was read of them.
struct Machine {
  std::map<std::string, std::string> environment{{"HOME", "/home/ada"}};
  std::map<std::string, std::string> files{};
  mutable std::vector<std::string> read{};

  [[nodiscard]] ConfigSources sources() const {
    return {.environment = [this](const char* name) -> std::optional<std::string> {
              const auto found = environment.find(name);
              return found == environment.end() ? std::nullopt
                                                : std::optional<std::string>(found->second);
            },
            .read_file = [this](const std::string& path) -> std::optional<std::string> {
              read.push_back(path);
              const auto found = files.find(path);
              return found == files.end() ? std::nullopt
                                          : std::optional<std::string>(found->second);
            }};
  }
  [[nodiscard]] ResolvedConfig resolve(const ClientOptions& options = {}) const {
    auto config = resolve_config(options, sources());
    if (!config.ok()) FAIL(config.error().message);
    return *config;
  }
  [[nodiscard]] ErrorInfo refusal(const ClientOptions& options = {}) const {
    auto config = resolve_config(options, sources());
    if (config.ok()) FAIL("was accepted: " + config->base_url);
    return config.error();
  }
};

constexpr const char* kXdgFile = "/home/ada/.config/nullspace/config.json";
constexpr const char* kLegacyFile = "/home/ada/.nullspace/config.json";

}  // namespace

TEST_CASE("the key is taken from the first place that has one") {
  Machine machine;
  machine.environment["NULLSPACE_API_KEY"] = " from_env\n";
  machine.files[".env"] = "NULLSPACE_API_KEY=from_dotenv";
  machine.files[kXdgFile] = R"({"api_key": "from_xdg"})";
  machine.files[kLegacyFile] = R"({"api_key": "from_legacy"})";

  CHECK(machine.resolve({.api_key = "  given  "}).api_key.reveal() == "given");
  CHECK(machine.resolve().api_key.reveal() == "from_env");
  CHECK(machine.resolve().key_source == "NULLSPACE_API_KEY");
  machine.environment.erase("NULLSPACE_API_KEY");
  CHECK(machine.resolve().api_key.reveal() == "from_dotenv");
  machine.files.erase(".env");
  CHECK(machine.resolve().api_key.reveal() == "from_xdg");
  CHECK(machine.resolve().key_source == kXdgFile);
  machine.files.erase(kXdgFile);
  CHECK(machine.resolve().api_key.reveal() == "from_legacy");
  machine.files.erase(kLegacyFile);
  const ErrorInfo missing = machine.refusal();
  CHECK(missing.code == "missing_api_key");
  CHECK(missing.kind == ErrorKind::authentication);
  CHECK_FALSE(missing.suggested_action.empty());
}

TEST_CASE("a key that was given ends the search, blank or not") {
  Machine machine;
  machine.environment["NULLSPACE_API_KEY"] = "from_env";
  for (const char* blank : {"", "  ", "\t\n"}) {
    CHECK(machine.refusal({.api_key = blank}).code == "missing_api_key");
  }
  CHECK(machine.read.empty());
}

TEST_CASE("blank values elsewhere count as not there") {
  Machine machine;
  machine.environment["NULLSPACE_API_KEY"] = " \t ";
  machine.files[".env"] = "NULLSPACE_API_KEY='  '";
  machine.files[kXdgFile] = R"({"api_key": "  "})";
  machine.files[kLegacyFile] = R"({"api_key": "from_legacy"})";
  CHECK(machine.resolve().api_key.reveal() == "from_legacy");
}

TEST_CASE("the base URL is taken from the first place that has one") {
  Machine machine;
  machine.environment["NULLSPACE_API_URL"] = "https://env-api.test";
  machine.environment["NULLSPACE_BASE_URL"] = "https://env-base.test";
  machine.files[".env"] =
      "NULLSPACE_API_KEY=k\nNULLSPACE_BASE_URL=https://dotenv-base.test\n"
      "NULLSPACE_API_URL=https://dotenv-api.test";
  machine.files[kXdgFile] = R"({"api_url": "https://xdg-api.test"})";
  machine.files[kLegacyFile] =
      R"({"base_url": "https://legacy-base.test", "api_url": "https://legacy-api.test"})";

  CHECK(machine.resolve({.base_url = " https://given.test "}).base_url == "https://given.test");
  CHECK(machine.resolve().base_url == "https://env-api.test");
  machine.environment.erase("NULLSPACE_API_URL");
  CHECK(machine.resolve().base_url == "https://env-base.test");
  CHECK(machine.resolve().url_source == "NULLSPACE_BASE_URL");
  machine.environment.erase("NULLSPACE_BASE_URL");
  CHECK(machine.resolve().base_url == "https://dotenv-api.test");
  machine.files[".env"] = "NULLSPACE_API_KEY=k\nNULLSPACE_BASE_URL=https://dotenv-base.test\n";
  CHECK(machine.resolve().base_url == "https://dotenv-base.test");
  machine.files[".env"] = "NULLSPACE_API_KEY=k";
  // Both files are asked for base_url before either is asked for api_url.
  CHECK(machine.resolve().base_url == "https://legacy-base.test");
  machine.files[kLegacyFile] = R"({"api_url": "https://legacy-api.test"})";
  CHECK(machine.resolve().base_url == "https://xdg-api.test");
  machine.files.erase(kXdgFile);
  CHECK(machine.resolve().base_url == "https://legacy-api.test");
  machine.files.erase(kLegacyFile);
  CHECK(machine.resolve().base_url == "http://localhost:3000");
  CHECK(machine.resolve().url_source == "the default");
}

TEST_CASE("a blank base URL that was given means the default") {
  Machine machine;
  machine.environment["NULLSPACE_API_KEY"] = "k";
  machine.environment["NULLSPACE_API_URL"] = "https://env.test";
  CHECK(machine.resolve({.base_url = ""}).base_url == "http://localhost:3000");
  CHECK(machine.resolve({.base_url = " \n"}).base_url == "http://localhost:3000");
  // In the environment it does not count.
  machine.environment["NULLSPACE_API_URL"] = "  ";
  machine.environment["NULLSPACE_BASE_URL"] = "https://base.test";
  CHECK(machine.resolve().base_url == "https://base.test");
}

TEST_CASE("trailing slashes go, a path prefix stays") {
  const Machine machine;
  const auto resolved = [&machine](const char* url) {
    return machine.resolve({.api_key = "k", .base_url = url}).base_url;
  };
  CHECK(resolved("https://h/") == "https://h");
  CHECK(resolved("https://h///") == "https://h");
  CHECK(resolved("https://h/api") == "https://h/api");
  CHECK(resolved("https://h/api/v2//") == "https://h/api/v2");
  CHECK(resolved("https://h:8443/api/") == "https://h:8443/api");
  CHECK(resolved("HTTPS://H/Api") == "HTTPS://H/Api");
  CHECK(resolved("http://[::1]:3000/") == "http://[::1]:3000");
}

TEST_CASE("a base URL that is none is refused") {
  const Machine machine;
  for (const char* url :
       {"localhost:3000", "ftp://h", "ws://h", "https://", "https:///", "/", "https://h?x=1",
        "https://h/#top", "https://user:pass@h", "https://h:0", "https://h:70000", "https://h:x",
        "https://h/a b", "https://h/\x01", "https://[::1", "https://h\\x"}) {
    CAPTURE(url);
    const ErrorInfo refused = machine.refusal({.api_key = "k", .base_url = url});
    CHECK(refused.kind == ErrorKind::invalid_request);
    CHECK(refused.message.find("pass") == std::string::npos);
  }
}

TEST_CASE("a key does not travel over plain http to another machine") {
  const Machine machine;
  const char* far =
      GENERATE("http://api.example.test", "http://10.0.0.1:3000", "http://0.0.0.0:3000",
               "http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://[fe80::1]:3000",
               "http://128.0.0.1", "http://xlocalhost");
  CAPTURE(far);
  const ErrorInfo refused = machine.refusal({.api_key = "k", .base_url = far});
  CHECK(refused.kind == ErrorKind::invalid_request);
  CHECK(refused.suggested_action.find("allow_insecure_http") != std::string::npos);
  CHECK(machine.resolve({.api_key = "k", .base_url = far, .allow_insecure_http = true}).base_url ==
        far);
}

TEST_CASE("a key travels over plain http on this machine, and over https anywhere") {
  const Machine machine;
  const char* near = GENERATE("http://localhost", "http://LOCALHOST:3000", "http://127.0.0.1:3000",
                              "http://127.9.8.7", "http://[::1]:3000", "http://app.localhost:3000",
                              "https://api.example.test", "https://10.0.0.1");
  CAPTURE(near);
  CHECK(machine.resolve({.api_key = "k", .base_url = near}).base_url == near);
}

TEST_CASE("a directory cannot have somebody's key sent where it likes") {
  Machine machine;
  machine.files[".env"] = "NULLSPACE_API_URL=https://evil.test";
  SECTION("the key is in the environment") {
    machine.environment["NULLSPACE_API_KEY"] = "victim";
  }
  SECTION("the key is in the user's configuration") {
    machine.files[kXdgFile] = R"({"api_key": "victim"})";
  }
  SECTION("the key is in the .env, too, but the environment's is used") {
    machine.environment["NULLSPACE_API_KEY"] = "victim";
    machine.files[".env"] += "\nNULLSPACE_API_KEY=bait";
  }
  SECTION("by the other name") {
    machine.environment["NULLSPACE_API_KEY"] = "victim";
    machine.files[".env"] = "NULLSPACE_BASE_URL=https://evil.test";
  }
  SECTION("it looks like this machine") {
    machine.environment["NULLSPACE_API_KEY"] = "victim";
    machine.files[".env"] =
        GENERATE("NULLSPACE_API_URL=https://localhost.evil.test",
                 "NULLSPACE_API_URL=https://127.0.0.1.evil.test",
                 "NULLSPACE_API_URL=https://localhost@evil.test",
                 "NULLSPACE_API_URL=https://evil.test/localhost",
                 "NULLSPACE_API_URL=http://localhost:3000@evil.test",
                 "NULLSPACE_API_URL=https://localhost\\@evil.test",
                 "NULLSPACE_API_URL=https://evil.test#@localhost", "NULLSPACE_API_URL=//evil.test");
  }
  const ErrorInfo refused = machine.refusal();
  CHECK(refused.kind == ErrorKind::invalid_request);
  CHECK(refused.message.find(".env") != std::string::npos);
  CHECK(refused.message.find("victim") == std::string::npos);
  CHECK_FALSE(refused.suggested_action.empty());
}

TEST_CASE("a key that was given does not follow a .env either") {
  Machine machine;
  machine.files[".env"] = "NULLSPACE_API_KEY=bait\nNULLSPACE_API_URL=https://evil.test";
  CHECK(machine.refusal({.api_key = "victim"}).kind == ErrorKind::invalid_request);
  // An address that the user chose is not the directory's.
  CHECK(machine.resolve({.api_key = "victim", .base_url = "https://mine.test"}).base_url ==
        "https://mine.test");
  machine.environment["NULLSPACE_API_URL"] = "https://mine.test";
  CHECK(machine.resolve({.api_key = "victim"}).base_url == "https://mine.test");
}

TEST_CASE("a .env may bring its own key, or name this machine") {
  Machine machine;
  machine.files[".env"] = "NULLSPACE_API_KEY=own\nNULLSPACE_API_URL=https://own.test";
  CHECK(machine.resolve().base_url == "https://own.test");
  CHECK(machine.resolve().api_key.reveal() == "own");
  CHECK(machine.resolve().key_source == ".env");
  machine.environment["NULLSPACE_API_KEY"] = "victim";
  machine.files[".env"] = "NULLSPACE_API_URL=http://127.0.0.1:4000";
  CHECK(machine.resolve().base_url == "http://127.0.0.1:4000");
}

TEST_CASE("configuration files are looked for where XDG says, then in the home directory") {
  Machine machine;
  machine.files["/xdg/nullspace/config.json"] = R"({"api_key": "from_xdg_home"})";
  machine.files[kXdgFile] = R"({"api_key": "from_default"})";
  machine.environment["XDG_CONFIG_HOME"] = "/xdg";
  CHECK(machine.resolve().api_key.reveal() == "from_xdg_home");
  machine.environment["XDG_CONFIG_HOME"] = "  ";
  CHECK(machine.resolve().api_key.reveal() == "from_default");
  machine.environment.erase("XDG_CONFIG_HOME");
  machine.environment.erase("HOME");
  CHECK(machine.refusal().code == "missing_api_key");
  machine.environment["XDG_CONFIG_HOME"] = "/xdg";
  CHECK(machine.resolve().api_key.reveal() == "from_xdg_home");
}

TEST_CASE("a configuration file that is broken counts as not there") {
  Machine machine;
  machine.files[kLegacyFile] = R"({"api_key": "from_legacy"})";
  machine.files[kXdgFile] =
      GENERATE("", "{", "[]", "null", "7", "\"text\"", R"({"api_key": 7})", R"({"api_key": null})",
               R"({"api_key": ""})", R"({"api_key": {"a": 1}})", R"({"other": "x"})", "\xFF\xFE{}");
  CAPTURE(machine.files[kXdgFile]);
  CHECK(machine.resolve().api_key.reveal() == "from_legacy");
}

TEST_CASE("files are only read when nothing before them had an answer") {
  Machine machine;
  machine.environment["NULLSPACE_API_KEY"] = "k";
  machine.environment["NULLSPACE_API_URL"] = "https://h";
  (void)machine.resolve();
  CHECK(machine.read.empty());
}

TEST_CASE("a key that could write headers is refused") {
  const Machine machine;
  for (const std::string& key :
       {std::string("a\r\nX-Evil: 1"), std::string("a\nb"), std::string("a\0b", 3)}) {
    const ErrorInfo refused = machine.refusal({.api_key = Secret(key)});
    CHECK(refused.kind == ErrorKind::invalid_request);
    CHECK(refused.message.find("Evil") == std::string::npos);
  }
}

TEST_CASE("the dialect is the option's, else the environment's, else sandbox") {
  Machine machine;
  const ClientOptions options{.api_key = "k"};
  CHECK(machine.resolve(options).dialect == Dialect::sandbox);
  machine.environment["NULLSPACE_DIALECT"] = " machine ";
  CHECK(machine.resolve(options).dialect == Dialect::machine);
  CHECK(machine.resolve({.api_key = "k", .dialect = Dialect::sandbox}).dialect == Dialect::sandbox);
  machine.environment["NULLSPACE_DIALECT"] = "sandbox";
  CHECK(machine.resolve(options).dialect == Dialect::sandbox);
  machine.environment["NULLSPACE_DIALECT"] = "";
  CHECK(machine.resolve(options).dialect == Dialect::sandbox);
  machine.environment["NULLSPACE_DIALECT"] = "toaster";
  CHECK(machine.refusal(options).kind == ErrorKind::invalid_request);
  CHECK(machine.resolve({.api_key = "k", .dialect = Dialect::machine}).dialect == Dialect::machine);
}

TEST_CASE("a file is read whole, and nothing but a file of decent size is") {
  const ConfigSources process = ConfigSources::of_process();
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() /
      ("nullspace-config-" + nullspace::support::random_hex(12));
  std::filesystem::create_directory(directory);
  const auto path = [&directory](const char* name) { return (directory / name).string(); };
  std::ofstream(path("small"), std::ios::binary) << std::string(10'000, 'x');
  std::ofstream(path("huge"), std::ios::binary) << std::string(std::size_t{2} << 20, 'x');
  REQUIRE(::mkfifo(path("pipe").c_str(), 0600) == 0);

  CHECK(process.read_file(path("small")) == std::string(10'000, 'x'));
  CHECK_FALSE(process.read_file(path("huge")));
  CHECK_FALSE(process.read_file(path("missing")));
  CHECK_FALSE(process.read_file(directory.string()));
  // Nobody writes into it: opening it would never return.
  CHECK_FALSE(process.read_file(path("pipe")));
  CHECK_FALSE(process.read_file("/dev/zero"));
  CHECK_FALSE(process.environment("NULLSPACE_NO_SUCH_VARIABLE"));
  std::filesystem::remove_all(directory);
}

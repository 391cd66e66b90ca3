#include "api/config.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/dotenv.hpp"
#include "support/error_info.hpp"
#include "support/redaction.hpp"
#include "transport/url.hpp"
#include "wire/config_file.hpp"

namespace nullspace::inline v0 {

namespace {

constexpr std::string_view kDefaultBaseUrl = "http://localhost:3000";

// A configuration file larger than this is not one.
constexpr std::size_t kLargestConfigFile = std::size_t{1} << 20;

struct Found {
  std::string value;
  std::string source;
};

// Asks each place in turn; reads a file only when nothing before it had an answer.
class Lookup {
 public:
  explicit Lookup(const ConfigSources& sources) : sources_(sources) {}

  [[nodiscard]] std::optional<Found> environment(const char* name) const {
    return non_blank(sources_.environment(name), name);
  }

  [[nodiscard]] std::optional<Found> dotenv(std::string_view name) {
    if (!dotenv_) {
      dotenv_ = support::parse_dotenv(sources_.read_file(".env").value_or(""));
    }
    const auto entry = dotenv_->find(name);
    if (entry == dotenv_->end()) return std::nullopt;
    return non_blank(entry->second, ".env");
  }

  [[nodiscard]] std::optional<Found> config_files(std::string_view name) {
    if (!files_) read_config_files();
    for (const auto& [path, values] : *files_) {
      const auto entry = values.find(name);
      if (entry == values.end()) continue;
      if (auto found = non_blank(entry->second, path)) return found;
    }
    return std::nullopt;
  }

 private:
  static std::optional<Found> non_blank(const std::optional<std::string>& value,
                                        std::string source) {
    if (!value) return std::nullopt;
    const std::string_view trimmed = support::trim(*value);
    if (trimmed.empty()) return std::nullopt;
    return Found{std::string(trimmed), std::move(source)};
  }

  void read_config_files() {
    files_.emplace();
    const auto home = environment("HOME");
    const auto xdg = environment("XDG_CONFIG_HOME");
    std::vector<std::string> paths;
    if (xdg) {
      paths.push_back(xdg->value + "/nullspace/config.json");
    } else if (home) {
      paths.push_back(home->value + "/.config/nullspace/config.json");
    }
    if (home) paths.push_back(home->value + "/.nullspace/config.json");
    for (const std::string& path : paths) {
      if (const auto text = sources_.read_file(path)) {
        files_->emplace_back(path, wire::parse_config_file(*text));
      }
    }
  }

  const ConfigSources& sources_;
  std::optional<std::map<std::string, std::string, std::less<>>> dotenv_;
  std::optional<
      std::vector<std::pair<std::string, std::map<std::string, std::string, std::less<>>>>>
      files_;
};

support::Result<Found> find_key(const ClientOptions& options, Lookup& lookup) {
  ErrorInfo missing;
  missing.kind = ErrorKind::authentication;
  missing.code = "missing_api_key";
  missing.message = "no API key";
  missing.suggested_action =
      "Set NULLSPACE_API_KEY, pass ClientOptions::api_key, or put api_key into "
      "~/.config/nullspace/config.json.";
  if (options.api_key) {
    const std::string_view key = support::trim(options.api_key->reveal());
    if (key.empty()) {
      missing.message = "ClientOptions::api_key is blank";
      return missing;
    }
    return Found{std::string(key), "ClientOptions::api_key"};
  }
  if (auto found = lookup.environment("NULLSPACE_API_KEY")) return *std::move(found);
  if (auto found = lookup.dotenv("NULLSPACE_API_KEY")) return *std::move(found);
  if (auto found = lookup.config_files("api_key")) return *std::move(found);
  return missing;
}

support::Result<Found> find_base_url(const ClientOptions& options, Lookup& lookup,
                                     std::string_view key_source) {
  const Found fallback{std::string(kDefaultBaseUrl), "the default"};
  if (options.base_url) {
    const std::string_view url = support::trim(*options.base_url);
    return url.empty() ? fallback : Found{std::string(url), "ClientOptions::base_url"};
  }
  for (const char* name : {"NULLSPACE_API_URL", "NULLSPACE_BASE_URL"}) {
    if (auto found = lookup.environment(name)) return *std::move(found);
  }
  for (const char* name : {"NULLSPACE_API_URL", "NULLSPACE_BASE_URL"}) {
    auto found = lookup.dotenv(name);
    if (!found) continue;
    const auto url = transport::parse_url(found->value);
    if (key_source == ".env" || (url.ok() && transport::is_loopback_host(url->host)))
      return *std::move(found);
    // Whoever can put a file into the working directory must not be able to have the user's own key
    // sent to a host of theirs.
    ErrorInfo refused =
        support::invalid_request(fmt::format("the .env file of the working directory sets {} to "
                                             "{}, but the API key comes from {}: the key is "
                                             "not sent to an address that a directory chose",
                                             name, support::redact_url(found->value), key_source));
    refused.suggested_action = fmt::format(
        "Set {0} in the environment (or pass ClientOptions::base_url), put the key into the same "
        ".env, or remove {0} "
        "from it.",
        name);
    return refused;
  }
  for (const char* name : {"base_url", "api_url"}) {
    if (auto found = lookup.config_files(name)) return *std::move(found);
  }
  return fallback;
}

support::Result<std::string> check_base_url(const Found& found, bool allow_insecure_http) {
  std::string url = found.value;
  while (!url.empty() && url.back() == '/')
    url.pop_back();
  const auto parsed = transport::parse_url(url);
  const std::string shown = support::redact_url(url);
  if (!parsed.ok() || (parsed->scheme != "http" && parsed->scheme != "https")) {
    return support::invalid_request(fmt::format(
        "base URL '{}' (from {}) is not an http:// or https:// URL", shown, found.source));
  }
  if (url.find_first_of("?#") != std::string::npos) {
    return support::invalid_request(fmt::format(
        "base URL '{}' (from {}) must not have a query or a fragment", shown, found.source));
  }
  if (parsed->scheme == "http" && !transport::is_loopback_host(parsed->host) &&
      !allow_insecure_http) {
    ErrorInfo refused = support::invalid_request(
        fmt::format("base URL '{}' (from {}) is plain http to another machine: the API key would "
                    "travel readable for everybody "
                    "on the way",
                    shown, found.source));
    refused.suggested_action =
        "Use https://, or set ClientOptions::allow_insecure_http if the way is safe.";
    return refused;
  }
  return url;
}

support::Result<Dialect> find_dialect(const ClientOptions& options, const Lookup& lookup) {
  if (options.dialect) return *options.dialect;
  const auto found = lookup.environment("NULLSPACE_DIALECT");
  if (!found || found->value == "sandbox") return Dialect::sandbox;
  if (found->value == "machine") return Dialect::machine;
  return support::invalid_request(
      fmt::format("NULLSPACE_DIALECT is '{}'; it must be 'sandbox' or 'machine'", found->value));
}

}  // namespace

ConfigSources ConfigSources::of_process() {
  return {
      .environment = [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        if (value == nullptr) return std::nullopt;
        return std::string(value);
      },
      .read_file = [](const std::string& path) -> std::optional<std::string> {
        // Anything else, for example a pipe that somebody called .env, may block for ever.
        std::error_code ignored;
        if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
        std::ifstream file(path, std::ios::binary);
        if (!file) return std::nullopt;
        std::string text;
        std::array<char, 4096> buffer{};
        while (file.read(buffer.data(), buffer.size()) || file.gcount() > 0) {
          text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
          if (text.size() > kLargestConfigFile) return std::nullopt;
        }
        return text;
      },
  };
}

support::Result<ResolvedConfig> resolve_config(const ClientOptions& options,
                                               const ConfigSources& sources) {
  Lookup lookup(sources);
  auto key = find_key(options, lookup);
  if (!key.ok()) return std::move(key).error();
  if (key->value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return support::invalid_request(
        fmt::format("the API key (from {}) contains a line break or a NUL", key->source));
  }
  auto url = find_base_url(options, lookup, key->source);
  if (!url.ok()) return std::move(url).error();
  auto checked = check_base_url(*url, options.allow_insecure_http);
  if (!checked.ok()) return std::move(checked).error();
  auto dialect = find_dialect(options, lookup);
  if (!dialect.ok()) return std::move(dialect).error();
  return ResolvedConfig{.api_key = Secret(std::move(key->value)),
                        .base_url = *std::move(checked),
                        .dialect = *dialect,
                        .key_source = std::move(key->source),
                        .url_source = std::move(url->source)};
}

}  // namespace nullspace::inline v0

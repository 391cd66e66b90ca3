#include "support/redaction.hpp"

#include <algorithm>
#include <array>

namespace nullspace::inline v0::support {

namespace {

constexpr std::array<std::string_view, 14> kHarmlessParameters{
    "channel", "limit", "state", "fields",    "template", "offset",     "order",
    "status",  "from",  "to",    "operation", "audience", "sandbox_id", "snapshot_id"};

bool is_harmless(std::string_view name) {
  return std::find(kHarmlessParameters.begin(), kHarmlessParameters.end(), name) !=
         kHarmlessParameters.end();
}

void append_redacted_parameter(std::string& out, std::string_view parameter) {
  const std::size_t equals = parameter.find('=');
  const std::string_view name = parameter.substr(0, equals);
  if (parameter.empty() || is_harmless(name)) {
    out += parameter;
  } else if (equals == std::string_view::npos) {
    out += "***";  // Perhaps no name at all, but the secret itself.
  } else {
    out.append(name).append("=***");
  }
}

// `host` or `host:port`. Anything else may be a password that was not escaped as it should be.
bool is_plain_authority(std::string_view authority) {
  if (authority.find('@') != std::string_view::npos) return false;
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return true;
  const std::string_view port = authority.substr(colon + 1);
  return std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Scheme, host and path. What comes before the last `@` is user info, or part of one.
std::string redact_base(std::string_view base) {
  const std::size_t scheme_end = base.find("://");
  const std::size_t authority = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const std::string scheme(base.substr(0, authority));
  const std::string_view rest = base.substr(authority);
  const std::size_t path = std::min(rest.find('/'), rest.size());
  const std::string_view host = rest.substr(0, path);
  if (path > 0 && is_plain_authority(host)) return scheme + std::string(rest);
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    return scheme + "***@" + std::string(rest.substr(at + 1));
  }
  const bool is_path = path == 0 && scheme.empty();
  return is_path ? std::string(rest) : scheme + "***";
}

}  // namespace

std::string redact_url(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const std::size_t query = url.find('?');
  std::string out = redact_base(url.substr(0, query));
  if (query == std::string_view::npos) return out;

  std::string_view rest = url.substr(query + 1);
  char separator = '?';
  while (true) {
    // Some servers separate with semicolons.
    const std::size_t end = rest.find_first_of("&;");
    out += separator;
    append_redacted_parameter(out, rest.substr(0, end));
    if (end == std::string_view::npos) return out;
    separator = rest[end];
    rest.remove_prefix(end + 1);
  }
}

}  // namespace nullspace::inline v0::support

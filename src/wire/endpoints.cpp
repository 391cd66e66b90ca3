#include "wire/endpoints.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "support/error_info.hpp"
#include "wire/dialect.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

// In the order of Endpoint.
constexpr std::array<EndpointTraits, 28> kEndpoints{{
    // clang-format off
    {Endpoint::health,               "GET",    "/healthz",                                Repeat::harmless, TimeoutClass::request,    true,  false},
    {Endpoint::create_sandbox,       "POST",   "{R}",                                     Repeat::keyed,    TimeoutClass::create,     true,  true},
    {Endpoint::list_sandboxes,       "GET",    "{R}",                                     Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::get_sandbox,          "GET",    "{R}/{}",                                  Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::kill_sandbox,         "DELETE", "{R}/{}",                                  Repeat::harmful,  TimeoutClass::request,    true,  true},
    {Endpoint::set_timeout,          "POST",   "{R}/{}/timeout",                          Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::hibernate,            "POST",   "{R}/{}/hibernate",                        Repeat::harmful,  TimeoutClass::transition, true,  true},
    {Endpoint::resume,               "POST",   "{R}/{}/resume",                           Repeat::harmful,  TimeoutClass::transition, true,  true},
    {Endpoint::metrics,              "GET",    "{R}/{}/metrics",                          Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::exec,                 "POST",   "{R}/{}/exec",                             Repeat::harmful,  TimeoutClass::exec,       true,  true},
    {Endpoint::list_processes,       "GET",    "{R}/{}/processes",                        Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::process_logs,         "GET",    "{R}/{}/processes/{}/logs",                Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::process_stdin,        "POST",   "{R}/{}/processes/{}/stdin",               Repeat::harmful,  TimeoutClass::request,    true,  true},
    {Endpoint::process_kill,         "POST",   "{R}/{}/processes/{}/kill",                Repeat::harmful,  TimeoutClass::request,    true,  true},
    {Endpoint::list_ptys,            "GET",    "{R}/{}/pty",                              Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::get_pty,              "GET",    "{R}/{}/pty/{}",                           Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::kill_pty,             "DELETE", "{R}/{}/pty/{}",                           Repeat::harmful,  TimeoutClass::request,    true,  true},
    {Endpoint::resize_pty,           "POST",   "{R}/{}/pty/{}/resize",                    Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::list_events,          "GET",    "/v1/lifecycle/events",                    Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::list_sandbox_events,  "GET",    "{R}/{}/lifecycle",                        Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::list_snapshot_events, "GET",    "/v1/snapshots/{}/lifecycle",              Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::create_webhook,       "POST",   "/v1/lifecycle/webhooks",                  Repeat::harmful,  TimeoutClass::request,    true,  true},
    {Endpoint::list_webhooks,        "GET",    "/v1/lifecycle/webhooks",                  Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::get_webhook,          "GET",    "/v1/lifecycle/webhooks/{}",               Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::update_webhook,       "PATCH",  "/v1/lifecycle/webhooks/{}",               Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::delete_webhook,       "DELETE", "/v1/lifecycle/webhooks/{}",               Repeat::harmful,  TimeoutClass::request,    false, true},
    {Endpoint::list_deliveries,      "GET",    "/v1/lifecycle/webhooks/{}/deliveries",    Repeat::harmless, TimeoutClass::request,    true,  true},
    {Endpoint::get_delivery,         "GET",    "/v1/lifecycle/webhooks/{}/deliveries/{}", Repeat::harmless, TimeoutClass::request,    true,  true},
    // clang-format on
}};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kEndpoints.size(); ++i) {
    if (static_cast<std::size_t>(kEndpoints.at(i).endpoint) != i) return false;
  }
  return true;
}
static_assert(is_in_order());

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_unreserved(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Space { as_percent, as_plus };

void append_encoded(std::string& out, std::string_view text, Space space) {
  for (const char c : text) {
    if (is_unreserved(c)) {
      out.push_back(c);
    } else if (c == ' ' && space == Space::as_plus) {
      out.push_back('+');
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHexDigits[byte >> 4U]);
      out.push_back(kHexDigits[byte & 15U]);
    }
  }
}

std::optional<std::string> decode_percent(std::string_view text, Space space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && space == Space::as_plus) {
      out.push_back(' ');
    } else if (text[i] == '%') {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// The part up to the next `/`, which is removed with it.
std::string_view take_segment(std::string_view& path) noexcept {
  const std::size_t slash = path.find('/');
  const std::string_view segment = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  return segment;
}

// Whether `path` is made like `pattern`; the ids come out decoded.
bool fits(std::string_view pattern, std::string_view path, std::vector<std::string>& ids) {
  ids.clear();
  while (true) {
    const bool pattern_ends = pattern.find('/') == std::string_view::npos;
    const bool path_ends = path.find('/') == std::string_view::npos;
    if (pattern_ends != path_ends) return false;
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(path);
    if (wanted == "{}") {
      std::optional<std::string> id = decode_path_segment(given);
      if (!id || id->empty()) return false;
      ids.push_back(std::move(*id));
    } else if (wanted != given) {
      return false;
    }
    if (pattern_ends) return true;
  }
}

std::string full_pattern(std::string_view pattern, const Noun& noun) {
  constexpr std::string_view kNounMark = "{R}";
  if (!pattern.starts_with(kNounMark)) return std::string(pattern);
  return std::string(noun.prefix) + std::string(pattern.substr(kNounMark.size()));
}

// Calls `use` with each endpoint that the path fits, until it returns true.
template <typename Use>
bool find_route(std::string_view path, const Use& use) {
  Route route;
  for (const Noun& noun : kNouns) {
    for (const EndpointTraits& candidate : kEndpoints) {
      if (!fits(full_pattern(candidate.path, noun), path, route.ids)) continue;
      route.endpoint = candidate.endpoint;
      route.dialect = noun.dialect;
      if (use(candidate, route)) return true;
    }
  }
  return false;
}

std::optional<WsRoute> match_ws(std::string_view pattern, std::string_view path) {
  std::vector<std::string> ids;
  for (const Noun& candidate : kNouns) {
    if (fits(full_pattern(pattern, candidate), path, ids)) {
      return WsRoute{candidate.dialect, std::move(ids.front())};
    }
  }
  return std::nullopt;
}

}  // namespace

const EndpointTraits& traits(Endpoint endpoint) noexcept {
  return kEndpoints.at(static_cast<std::size_t>(endpoint));
}

std::span<const EndpointTraits> all_endpoints() noexcept {
  return kEndpoints;
}

support::Result<std::string> endpoint_path(Endpoint endpoint, Dialect dialect,
                                           std::initializer_list<std::string_view> ids) {
  const std::string pattern = full_pattern(traits(endpoint).path, noun(dialect));
  std::string path;
  std::string_view rest = pattern;
  for (const std::string_view id : ids) {
    const std::size_t mark = rest.find("{}");
    if (mark == std::string_view::npos)
      return support::invalid_request("too many ids for " + pattern);
    support::Result<std::string> segment = encode_path_segment(id);
    if (!segment) return std::move(segment).error();
    path.append(rest.substr(0, mark)).append(*segment);
    rest.remove_prefix(mark + 2);
  }
  if (rest.find("{}") != std::string_view::npos) {
    return support::invalid_request("too few ids for " + pattern);
  }
  path.append(rest);
  return path;
}

std::string_view channel_word(Channel channel) noexcept {
  switch (channel) {
    case Channel::none:
      return "";
    case Channel::exec:
      return "exec";
    case Channel::pty:
      return "pty";
  }
  return "";
}

std::optional<Channel> channel_from_text(std::string_view text) noexcept {
  for (const Channel channel : {Channel::none, Channel::exec, Channel::pty}) {
    if (channel_word(channel) == text) return channel;
  }
  return std::nullopt;
}

support::Result<std::string> sandbox_ws_path(Dialect dialect, std::string_view id,
                                             Channel channel) {
  support::Result<std::string> segment = encode_path_segment(id);
  if (!segment) return std::move(segment).error();
  std::string path = std::string(noun(dialect).prefix) + "/" + *segment + "/ws";
  if (channel != Channel::none) path.append("?channel=").append(channel_word(channel));
  return path;
}

support::Result<std::string> sandbox_lifecycle_ws_path(Dialect dialect, std::string_view id) {
  support::Result<std::string> segment = encode_path_segment(id);
  if (!segment) return std::move(segment).error();
  return std::string(noun(dialect).prefix) + "/" + *segment + "/lifecycle/ws";
}

std::optional<Route> match_route(std::string_view method, std::string_view path) {
  std::optional<Route> found;
  find_route(path, [&](const EndpointTraits& candidate, Route& route) {
    if (candidate.method != method) return false;
    found = std::move(route);
    return true;
  });
  return found;
}

bool is_known_path(std::string_view path) {
  return find_route(path, [](const EndpointTraits&, const Route&) { return true; });
}

std::optional<WsRoute> match_sandbox_ws(std::string_view path) {
  return match_ws("{R}/{}/ws", path);
}

std::optional<WsRoute> match_sandbox_lifecycle_ws(std::string_view path) {
  return match_ws("{R}/{}/lifecycle/ws", path);
}

support::Result<std::string> encode_path_segment(std::string_view id) {
  if (id.empty()) return support::invalid_request("an id must not be empty");
  if (id == "." || id == "..") {
    return support::invalid_request("an id must not be \".\" or \"..\"");
  }
  std::string segment;
  append_encoded(segment, id, Space::as_percent);
  return segment;
}

std::optional<std::string> decode_path_segment(std::string_view segment) {
  return decode_percent(segment, Space::as_percent);
}

std::string encode_query(const QueryParameters& parameters) {
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (!query.empty()) query.push_back('&');
    append_encoded(query, name, Space::as_plus);
    query.push_back('=');
    append_encoded(query, value, Space::as_plus);
  }
  return query;
}

std::optional<QueryParameters> decode_query(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const std::size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    std::optional<std::string> name = decode_percent(pair.substr(0, equals), Space::as_plus);
    std::optional<std::string> value = decode_percent(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1),
        Space::as_plus);
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return parameters;
}

std::optional<std::string_view> query_value(const QueryParameters& parameters,
                                            std::string_view name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const auto& parameter) { return parameter.first == name; });
  if (found == parameters.end()) return std::nullopt;
  return found->second;
}

support::Result<std::string> fields_mask(std::span<const std::string> fields) {
  std::vector<std::string_view> kept;
  for (const std::string& field : fields) {
    const std::string_view name = trim(field);
    if (!name.empty() && std::find(kept.begin(), kept.end(), name) == kept.end())
      kept.push_back(name);
  }
  if (kept.empty()) return support::invalid_request("the list of fields must not be empty");
  std::string mask;
  for (const std::string_view name : kept) {
    if (!mask.empty()) mask.push_back(',');
    mask.append(name);
  }
  return mask;
}

}  // namespace nullspace::inline v0::wire

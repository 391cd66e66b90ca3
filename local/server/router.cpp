#include "local/server/router.hpp"

#include <optional>
#include <utility>

#include "wire/dialect.hpp"

namespace nullspace::local {

namespace {

constexpr std::string_view kNoun = "{R}";

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

std::optional<std::vector<std::string>> ids_of(const std::vector<std::string>& pattern,
                                               const std::vector<std::string>& path) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "{*}") return ids;
    if (i >= path.size()) return std::nullopt;
    if (pattern[i] == "{}") {
      if (path[i].empty()) return std::nullopt;
      ids.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  if (path.size() != pattern.size()) return std::nullopt;
  return ids;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  add_route(method, pattern, false, handler);
}

void Router::add_websocket(std::string_view pattern, Handler handler) {
  add_route("GET", pattern, true, handler);
}

void Router::add_route(std::string_view method, std::string_view pattern, bool websocket,
                       const Handler& handler) {
  Route route;
  route.method = method;
  route.websocket = websocket;
  route.handler = handler;
  if (!pattern.starts_with(kNoun)) {
    route.text = pattern;
    route.segments = split(pattern);
    routes_.push_back(std::move(route));
    return;
  }
  for (const wire::Noun& noun : wire::kNouns) {
    route.dialect = noun.dialect;
    route.text = std::string(noun.prefix) + std::string(pattern.substr(kNoun.size()));
    route.segments = split(route.text);
    routes_.push_back(route);
  }
}

Router::Match Router::match(const HttpRequest& request) const {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  Match match;
  for (const Route& route : routes_) {
    auto ids = ids_of(route.segments, request.target.segments);
    if (!ids) continue;
    match.dialect = route.dialect;
    if (!route.method.empty() && route.method != method) {
      match.other_methods.push_back(route.method);
      continue;
    }
    match.handler = &route.handler;
    match.websocket = route.websocket;
    match.ids = std::move(*ids);
    match.route = route.text;
    return match;
  }
  return match;
}

}  // namespace nullspace::local

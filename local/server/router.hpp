#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/dialect.hpp>

#include "local/server/request.hpp"

namespace nullspace::local {

using Handler = std::function<void(const RequestPtr&)>;

// Methods and paths to handlers. In a pattern `{R}` is the prefix of either dialect, `{}` one
// segment, whatever it holds, and `{*}` at the end any number of them.
class Router {
 public:
  struct Match {
    const Handler* handler = nullptr;  // null: no such path, or not with this method
    bool websocket = false;
    Dialect dialect = Dialect::sandbox;
    std::vector<std::string> ids;
    std::string route;                       // as the documentation writes it
    std::vector<std::string> other_methods;  // that the path is served for
  };

  void add(std::string_view method, std::string_view pattern, Handler handler);
  void add_websocket(std::string_view pattern, Handler handler);
  // HEAD is served as GET.
  [[nodiscard]] Match match(const HttpRequest& request) const;

 private:
  struct Route {
    std::string method;  // "" = any
    std::string text;
    std::vector<std::string> segments;
    Dialect dialect = Dialect::sandbox;
    bool websocket = false;
    Handler handler;
  };

  void add_route(std::string_view method, std::string_view pattern, bool websocket,
                 const Handler& handler);

  std::vector<Route> routes_;
};

}  // namespace nullspace::local

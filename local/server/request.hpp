#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nullspace/dialect.hpp>

#include "local/server/api_error.hpp"
#include "local/server/auth.hpp"
#include "local/server/http_connection.hpp"
#include "local/server/http_message.hpp"

namespace nullspace::local {

// One authenticated request on its way to its route.
struct Request {
  HttpRequest http;
  Dialect dialect = Dialect::sandbox;  // the noun of its path
  AccountId account = 0;
  std::vector<std::string> ids;  // what stood for `{}` in the route
  std::string route;             // as the documentation writes it
  std::string request_id;
  Responder responder;

  void reply(int status, std::string json) const;
  void no_content() const;
  void fail(const ApiError& error) const;
};

using RequestPtr = std::shared_ptr<const Request>;

HttpResponse error_response(const ApiError& error, Dialect dialect, const std::string& request_id);

}  // namespace nullspace::local

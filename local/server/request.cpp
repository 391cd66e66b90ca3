#include "local/server/request.hpp"

#include "wire/dialect.hpp"
#include "wire/error_body.hpp"

namespace nullspace::local {

void Request::reply(int status, std::string json) const {
  HttpResponse response;
  response.status = status;
  response.body = std::move(json);
  responder.send(std::move(response));
}

void Request::no_content() const {
  HttpResponse response;
  response.status = 204;
  responder.send(std::move(response));
}

void Request::fail(const ApiError& error) const {
  responder.send(error_response(error, dialect, request_id));
}

HttpResponse error_response(const ApiError& error, Dialect dialect, const std::string& request_id) {
  wire::ErrorBody body;
  body.code = wire::code_in(dialect, error.code);
  body.message = error.message;
  body.request_id = request_id;
  body.retryable = error.retryable;
  body.suggested_action = error.suggested_action;
  HttpResponse response;
  response.status = error.status;
  response.body = wire::encode_error(body);
  return response;
}

}  // namespace nullspace::local

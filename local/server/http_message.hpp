#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local/server/url.hpp"

namespace nullspace::local {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string target_text;  // as it was sent
  Target target;
  int minor_version = 1;  // of HTTP/1
  HeaderList headers;     // names in lower case, values trimmed
  std::string body;

  // As it was sent, without the query.
  [[nodiscard]] std::string path() const { return target_text.substr(0, target_text.find('?')); }
  // The first header of that (lower case) name.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // Whether a comma-separated header holds that (lower case) word.
  [[nodiscard]] bool header_has_token(std::string_view name, std::string_view token) const;
  [[nodiscard]] bool keep_alive() const;
  // Asks for a WebSocket, rightly or not.
  [[nodiscard]] bool wants_websocket() const;
};

struct HttpResponse {
  int status = 200;
  HeaderList headers;
  std::string body;
  // Of a body; JSON, because nearly everything is.
  std::string content_type = "application/json";
};

std::string_view reason_phrase(int status);
// Whether an answer with that status has a body, or at least says how long it is.
[[nodiscard]] bool may_have_body(int status);

// Status line and headers, with the blank line. Content-Length is added, Connection: close if asked
// for.
std::string serialize_head(const HttpResponse& response, bool close_after);

std::string lower_case(std::string_view text);
std::string_view trim(std::string_view text);

}  // namespace nullspace::local

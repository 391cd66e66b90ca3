#pragma once

#include "local/server/http_message.hpp"

namespace nullspace::local {

// A key in a header is all the authority there is, and no page can make a browser send one it does
// not have: any origin may ask.
void allow_origin(const HttpRequest& request, HttpResponse& response);

HttpResponse preflight_answer(const HttpRequest& request);

}  // namespace nullspace::local

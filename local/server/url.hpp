#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nullspace::local {

// A request target, taken apart before anything is decoded: an encoded slash stays inside its
// segment and dots mean nothing.
struct Target {
  std::vector<std::string> segments;
  std::map<std::string, std::string, std::less<>> query;  // of a repeated name the last one counts
  std::string query_text;  // as it was sent, without the question mark
  bool has_query = false;
};

// `%41` to `A`. nullopt for a percent sign without two hex digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// `/v1/sandboxes/a%2Fb?x=1+2`; nullopt when it does not begin with a slash or is wrongly encoded.
std::optional<Target> parse_target(std::string_view text);

}  // namespace nullspace::local

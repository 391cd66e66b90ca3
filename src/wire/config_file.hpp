// config.json of the command-line tools.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace nullspace::inline v0::wire {

// The values of `api_key`, `base_url` and `api_url` that are strings and not blank, trimmed. Empty
// for anything that is no JSON object: a broken file must not stop the program.
[[nodiscard]] std::map<std::string, std::string, std::less<>> parse_config_file(
    std::string_view text);

}  // namespace nullspace::inline v0::wire

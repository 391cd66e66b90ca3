#include "wire/config_file.hpp"

#include "wire/json.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

std::map<std::string, std::string, std::less<>> parse_config_file(std::string_view text) {
  std::map<std::string, std::string, std::less<>> values;
  const support::Result<Document> document = parse_document(std::string(text), Blame::client);
  if (!document) return values;
  ObjectReader reader(document->root(), "config.json", Blame::client);
  for (const std::string_view key : {"api_key", "base_url", "api_url"}) {
    const std::string value = reader.text_or_empty(key);
    const std::string_view trimmed = trim(value);
    if (!trimmed.empty()) values.emplace(key, trimmed);
  }
  return values;
}

}  // namespace nullspace::inline v0::wire

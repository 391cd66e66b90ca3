// The query of a list of sandboxes, both ways, and field masks.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "support/error_info.hpp"
#include "wire/endpoints.hpp"
#include "wire/json.hpp"
#include "wire/sandbox_messages.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr int kMaxPageSize = 100;

constexpr std::array<std::string_view, 14> kFields{"id",          "status",
                                                   "config",      "template",
                                                   "metadata",    "started_at",
                                                   "timeout_ms",  "timeout_at",
                                                   "expires_at",  "timeout_action",
                                                   "created_at",  "cwd",
                                                   "snapshot_id", "traffic_access_token"};

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> items;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view item = trim(text.substr(0, comma));
    if (!item.empty()) items.push_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

support::Result<int> read_limit(std::string_view text) {
  int limit = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  const bool is_number = error == std::errc() && rest == text.data() + text.size();
  if (!is_number || limit < 1 || limit > kMaxPageSize) {
    return support::invalid_request("limit: expected an integer from 1 to 100");
  }
  return limit;
}

support::Result<std::vector<SandboxStatus>> read_states(std::string_view text) {
  std::vector<SandboxStatus> states;
  for (const std::string_view word : split_list(text)) {
    const SandboxStatus status = status_from_word(word);
    if (status == SandboxStatus::unknown) {
      return support::invalid_request(
          "state: expected creating, running, paused, destroyed or error");
    }
    states.push_back(status);
  }
  return states;
}

support::Result<Json::Object> read_metadata(std::string_view text) {
  const support::Result<Document> document = parse_document(std::string(text), Blame::client);
  if (!document) return support::invalid_request("metadata: " + document.error().message);
  if (!document->root().IsObject())
    return support::invalid_request("metadata: expected a JSON object");
  return to_public_json(document->root()).object();
}

// Stores a result or remembers why there is none.
template <typename Value, typename Target>
void store(support::Result<Value> result, Target& target, std::optional<ErrorInfo>& problem) {
  if (result) {
    target = std::move(*result);
  } else if (!problem) {
    problem = std::move(result).error();
  }
}

}  // namespace

support::Result<std::string> encode_list_query(const SandboxListOptions& options,
                                               std::string_view fields) {
  QueryParameters parameters;
  if (options.page_size) {
    if (*options.page_size < 1 || *options.page_size > kMaxPageSize) {
      return support::invalid_request("page_size must be 1 to 100");
    }
    parameters.emplace_back("limit", std::to_string(*options.page_size));
  }
  if (!options.next_token.empty()) parameters.emplace_back("next_token", options.next_token);
  std::string states;
  for (const SandboxStatus state : options.states) {
    if (state == SandboxStatus::unknown)
      return support::invalid_request("states: unknown is no state");
    if (!states.empty()) states.push_back(',');
    states.append(status_word(state));
  }
  if (!states.empty()) parameters.emplace_back("state", std::move(states));
  if (!options.template_id.empty()) parameters.emplace_back("template", options.template_id);
  if (!options.metadata.empty()) parameters.emplace_back("metadata", Json(options.metadata).dump());
  if (!fields.empty()) parameters.emplace_back("fields", fields);
  return encode_query(parameters);
}

support::Result<ListRequest> decode_list_query(std::string_view query) {
  const std::optional<QueryParameters> parameters = decode_query(query);
  if (!parameters) return support::invalid_request("the query is malformed");
  ListRequest request;
  request.bare = parameters->empty();
  std::optional<ErrorInfo> problem;
  const auto value_of = [&](std::string_view name) { return query_value(*parameters, name); };
  if (const auto value = value_of("limit")) store(read_limit(*value), request.limit, problem);
  if (const auto value = value_of("next_token")) request.next_token = *value;
  if (const auto value = value_of("state")) store(read_states(*value), request.states, problem);
  if (const auto value = value_of("template")) request.template_id = *value;
  if (const auto value = value_of("metadata"))
    store(read_metadata(*value), request.metadata, problem);
  if (const auto value = value_of("fields"))
    store(decode_fields_mask(*value), request.fields, problem);
  if (problem) return *problem;
  return request;
}

support::Result<std::vector<std::string>> decode_fields_mask(std::string_view value) {
  const auto refuse = [](std::string message) {
    ErrorInfo info = support::invalid_request(std::move(message));
    info.code = "invalid_fields";
    return info;
  };
  std::vector<std::string> fields;
  for (const std::string_view name : split_list(value)) {
    if (std::find(kFields.begin(), kFields.end(), name) == kFields.end()) {
      return refuse("fields: there is no field \"" + std::string(name) + "\"");
    }
    if (std::find(fields.begin(), fields.end(), name) == fields.end()) fields.emplace_back(name);
  }
  if (fields.empty()) return refuse("fields: the list is empty");
  return fields;
}

}  // namespace nullspace::inline v0::wire

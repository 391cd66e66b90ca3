#include "wire/lifecycle_query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include "support/error_info.hpp"
#include "wire/dialect.hpp"
#include "wire/endpoints.hpp"
#include "wire/lifecycle_words.hpp"
#include "wire/timestamp.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr std::string_view kOldestFirst = "asc";
constexpr std::string_view kNewestFirst = "desc";

// With the microseconds, where there are any: a bound that is cut would let another event in.
std::string format_bound(Timestamp instant) {
  std::string text = format_timestamp(instant);
  const auto rest = instant - std::chrono::floor<std::chrono::milliseconds>(instant);
  if (rest.count() == 0) return text;
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%03dZ", static_cast<int>(rest.count()));
  text.pop_back();
  return text.append(digits.data());
}

support::Result<void> check(const PageQuery& page) {
  if (page.offset < 0) return support::invalid_request("offset must not be negative");
  if (page.limit < 1) return support::invalid_request("the limit of a page must be at least 1");
  return {};
}

support::Result<void> check(const LifecycleQuery& query, LifecycleScope scope) {
  if (query.audience == LifecycleAudience::internal) {
    return support::invalid_request("audience: internal events are not public");
  }
  const bool has_unknown_word = query.operation == LifecycleOperation::unknown ||
                                query.status == LifecycleStatus::unknown ||
                                query.audience == LifecycleAudience::unknown;
  if (has_unknown_word)
    return support::invalid_request("operation, status, audience: unknown is no filter");
  const bool narrows_account = query.audience || !query.sandbox_id.empty() ||
                               !query.snapshot_id.empty() || !query.source_sandbox_id.empty() ||
                               !query.target_sandbox_id.empty();
  if (scope != LifecycleScope::account && narrows_account) {
    return support::invalid_request(
        "audience and ids are filters of the account's events, not of one sandbox's or snapshot's");
  }
  return check(query.page);
}

void add_page(QueryParameters& parameters, const PageQuery& page) {
  parameters.emplace_back("offset", std::to_string(page.offset));
  parameters.emplace_back("limit", std::to_string(page.limit));
}

template <typename Word>
void add_word(QueryParameters& parameters, std::string_view name, const std::optional<Word>& word) {
  if (word) parameters.emplace_back(name, to_string(*word));
}

void add_time(QueryParameters& parameters, std::string_view name,
              const std::optional<Timestamp>& time) {
  if (time) parameters.emplace_back(name, format_bound(*time));
}

void add_text(QueryParameters& parameters, std::string_view name, const std::string& text) {
  if (!text.empty()) parameters.emplace_back(name, text);
}

// Reads parameters; the first that is refused is remembered.
class QueryReader {
 public:
  explicit QueryReader(QueryParameters parameters) : parameters_(std::move(parameters)) {}

  [[nodiscard]] const std::optional<ErrorInfo>& problem() const noexcept { return problem_; }

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const {
    return query_value(parameters_, name);
  }

  [[nodiscard]] std::string text(std::string_view name) const {
    return std::string(find(name).value_or(""));
  }

  // An id under the name that either dialect gives it.
  [[nodiscard]] std::string id(std::string_view Noun::*name) const {
    for (const Noun& candidate : kNouns) {
      if (const auto value = find(candidate.*name)) return std::string(*value);
    }
    return {};
  }

  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min,
                                     std::int64_t otherwise) {
    const auto value = find(name);
    if (!value) return otherwise;
    std::int64_t number = 0;
    const char* end = value->data() + value->size();
    const auto [rest, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc() || rest != end || number < min) {
      refuse(name, "expected an integer of at least " + std::to_string(min));
      return otherwise;
    }
    return number;
  }

  [[nodiscard]] std::optional<Timestamp> time(std::string_view name) {
    const auto value = find(name);
    if (!value) return std::nullopt;
    const std::optional<Timestamp> time = parse_timestamp(*value);
    if (!time) refuse(name, "expected an RFC 3339 time");
    return time;
  }

  template <typename Word>
  [[nodiscard]] std::optional<Word> word(std::string_view name,
                                         Word (*from_word)(std::string_view) noexcept) {
    const auto value = find(name);
    if (!value) return std::nullopt;
    const Word word = from_word(*value);
    if (word == Word::unknown) refuse(name, "there is no such value");
    return word;
  }

  [[nodiscard]] PageQuery page() {
    PageQuery page;
    page.offset = integer("offset", 0, page.offset);
    page.limit = static_cast<int>(
        std::min<std::int64_t>(integer("limit", 1, page.limit), kMaxLifecyclePage));
    return page;
  }

  void refuse(std::string_view name, std::string_view what_is_wrong) {
    if (problem_) return;
    problem_ = support::invalid_request(std::string(name) + ": " + std::string(what_is_wrong));
  }

 private:
  QueryParameters parameters_;
  std::optional<ErrorInfo> problem_{};
};

bool read_order(QueryReader& reader) {
  const std::string_view order = reader.find("order").value_or(kNewestFirst);
  if (order != kOldestFirst && order != kNewestFirst) {
    reader.refuse("order", "expected asc or desc");
  }
  return order == kOldestFirst;
}

support::Result<QueryReader> read_query(std::string_view text) {
  std::optional<QueryParameters> parameters = decode_query(text);
  if (!parameters) return support::invalid_request("the query is malformed");
  return QueryReader(std::move(*parameters));
}

}  // namespace

support::Result<std::string> encode_lifecycle_query(const LifecycleQuery& query,
                                                    LifecycleScope scope, Dialect dialect) {
  if (auto checked = check(query, scope); !checked) return std::move(checked).error();
  const Noun& words = noun(dialect);
  QueryParameters parameters;
  add_page(parameters, query.page);
  parameters.emplace_back("order", query.oldest_first ? kOldestFirst : kNewestFirst);
  add_word(parameters, "operation", query.operation);
  add_word(parameters, "status", query.status);
  add_time(parameters, "from", query.from);
  add_time(parameters, "to", query.to);
  add_word(parameters, "audience", query.audience);
  add_text(parameters, words.id_key, query.sandbox_id);
  add_text(parameters, "snapshot_id", query.snapshot_id);
  add_text(parameters, words.source_id_key, query.source_sandbox_id);
  add_text(parameters, words.target_id_key, query.target_sandbox_id);
  return encode_query(parameters);
}

support::Result<std::string> encode_page_query(const PageQuery& query) {
  if (auto checked = check(query); !checked) return std::move(checked).error();
  QueryParameters parameters;
  add_page(parameters, query);
  return encode_query(parameters);
}

support::Result<LifecycleQuery> decode_lifecycle_query(std::string_view text,
                                                       LifecycleScope scope) {
  support::Result<QueryReader> reader = read_query(text);
  if (!reader) return std::move(reader).error();
  LifecycleQuery query;
  query.page = reader->page();
  query.oldest_first = read_order(*reader);
  query.operation = reader->word("operation", operation_from_word);
  query.status = reader->word("status", lifecycle_status_from_word);
  query.from = reader->time("from");
  query.to = reader->time("to");
  if (scope == LifecycleScope::account) {
    query.audience = reader->word("audience", audience_from_word);
    if (query.audience == LifecycleAudience::internal) {
      reader->refuse("audience", "internal events are not public");
    }
    query.sandbox_id = reader->id(&Noun::id_key);
    query.snapshot_id = reader->text("snapshot_id");
    query.source_sandbox_id = reader->id(&Noun::source_id_key);
    query.target_sandbox_id = reader->id(&Noun::target_id_key);
  }
  if (reader->problem()) return *reader->problem();
  return query;
}

support::Result<PageQuery> decode_page_query(std::string_view text) {
  support::Result<QueryReader> reader = read_query(text);
  if (!reader) return std::move(reader).error();
  const PageQuery page = reader->page();
  if (reader->problem()) return *reader->problem();
  return page;
}

}  // namespace nullspace::inline v0::wire

#include "local/server/faults/fault_rule.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "local/server/http_message.hpp"
#include "wire/utf8.hpp"

namespace nullspace::local {

namespace {

constexpr std::size_t kMaxRules = 1000;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxBody = std::size_t{1} << 20U;

struct ChannelWord {
  SocketChannel channel;
  std::string_view word;
};
constexpr std::array kChannelWords{
    ChannelWord{SocketChannel::control, "control"},
    ChannelWord{SocketChannel::exec, "exec"},
    ChannelWord{SocketChannel::pty, "pty"},
    ChannelWord{SocketChannel::monitor, "monitor"},
    ChannelWord{SocketChannel::lifecycle, "lifecycle"},
};

// Splits at the separator; the parts are trimmed.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_name(std::string_view text) {
  constexpr std::size_t kMaxName = 64;
  return !text.empty() && text.size() <= kMaxName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

// Reads the members of a rule; the first problem counts.
class RuleReader {
 public:
  explicit RuleReader(const Json::Object& json) : json_(json) {}

  [[nodiscard]] const std::string& problem() const { return problem_; }
  void refuse(std::string_view key, std::string_view what) {
    if (problem_.empty()) problem_ = std::string(key) + ": " + std::string(what);
  }

  std::optional<std::string> text(std::string_view key, std::size_t limit = kMaxText) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    auto read = value->as_string();
    if (!read || read->size() > limit) {
      refuse(key, "expected a text of at most " + std::to_string(limit) + " bytes");
      return std::nullopt;
    }
    return read;
  }

  std::optional<std::uint64_t> number(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const auto read = value->as_int();
    if (!read || *read < 0) {
      refuse(key, "expected a whole number, not below 0");
      return std::nullopt;
    }
    return static_cast<std::uint64_t>(*read);
  }

  std::optional<double> probability(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const auto read = value->as_double();
    if (!read || *read < 0 || *read > 1) {
      refuse(key, "expected a number from 0 to 1");
      return std::nullopt;
    }
    return read;
  }

  // Seconds, or whatever text a header may hold.
  std::optional<std::string> retry_after(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) {
      auto read = text(key);
      if (read && !is_printable(*read)) refuse(key, "expected what may stand in a header");
      return read;
    }
    const auto seconds = number(key);
    return seconds ? std::optional(std::to_string(*seconds)) : std::nullopt;
  }

  // A member that nobody asked for is a mistake.
  void refuse_unknown() {
    for (const auto& [key, value] : json_) {
      if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
      refuse(wire::replace_invalid_utf8(key.substr(0, kMaxText)), "there is no such field");
    }
  }

 private:
  const Json* find(std::string_view key) {
    asked_.push_back(key);
    const auto found = json_.find(key);
    if (found == json_.end() || found->second.is_null()) return nullptr;
    return &found->second;
  }

  const Json::Object& json_;
  std::vector<std::string_view> asked_;
  std::string problem_;
};

void read_match(RuleReader& reader, FaultRule& rule) {
  rule.method = reader.text("method");
  if (rule.method && !is_name(*rule.method)) reader.refuse("method", "expected a method");
  rule.path = reader.text("path");
  if (rule.path && !rule.path->starts_with('/')) reader.refuse("path", "expected a leading slash");
  if (rule.path && rule.path->starts_with('/')) {
    for (const std::string_view segment : split(std::string_view(*rule.path).substr(1), '/')) {
      if (!rule.path_segments.empty() && rule.path_segments.back() == "**") {
        reader.refuse("path", "** may only be the last segment");
      }
      rule.path_segments.emplace_back(segment);
    }
  }
  if (const auto word = reader.text("channel")) {
    rule.channel = socket_channel_of(*word);
    if (!rule.channel) {
      reader.refuse("channel", "expected exec, pty, control, monitor or lifecycle");
    }
  }
  rule.sandbox_id = reader.text("sandbox");
  rule.type = reader.text("type");
  const bool of_messages = decided_at(rule.fault, FaultStage::message, true);
  if (rule.type && !of_messages) reader.refuse("type", "only faults of messages have one");
}

void read_answer(RuleReader& reader, Fault& fault) {
  const auto code = reader.text("code");
  const auto retry_after = reader.retry_after("retry_after");
  fault.body = reader.text("body", kMaxBody);
  const auto content_type = reader.text("content_type");
  fault.code = code.value_or("");
  fault.retry_after = retry_after.value_or("");
  if (content_type) {
    if (!is_printable(*content_type)) reader.refuse("content_type", "expected a media type");
    fault.content_type = *content_type;
  }
  if (fault.kind == FaultKind::answer) return;
  if (code) reader.refuse("code", "only return-X has one");
  if (retry_after) reader.refuse("retry_after", "only return-X has one");
  if (fault.body) reader.refuse("body", "only return-X has one");
  if (content_type) reader.refuse("content_type", "only return-X has one");
}

RuleOutcome read_rule(const Json& json) {
  if (!json.is_object()) return "a rule is an object";
  RuleReader reader(json.object());
  FaultRule rule;
  const auto id = reader.text("id");
  if (id && !is_name(*id)) reader.refuse("id", "up to 64 letters, digits, dots, dashes and bars");
  rule.id = id.value_or("");
  rule.fault_text = reader.text("fault").value_or("");
  auto parsed = parse_fault(rule.fault_text);
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    reader.refuse("fault", "'" + rule.fault_text + "': " + *problem);
  } else {
    rule.fault = std::get<Fault>(std::move(parsed));
  }
  read_match(reader, rule);
  read_answer(reader, rule.fault);
  rule.skip = reader.number("skip").value_or(0);
  rule.count = reader.number("count");
  rule.probability = reader.probability("probability").value_or(1);
  rule.seed = reader.number("seed").value_or(0);
  rule.random.seed(rule.seed);
  reader.refuse_unknown();
  if (!reader.problem().empty()) return reader.problem();
  return rule;
}

// `count=3` as the JSON of a rule has it: numbers are numbers.
Json value_of(std::string_view text) {
  std::int64_t whole = 0;
  const char* const end = text.data() + text.size();
  if (const auto [rest, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && rest == end) {
    return whole;
  }
  double fraction = 0;
  if (const auto [rest, error] = std::from_chars(text.data(), end, fraction);
      error == std::errc() && rest == end) {
    return fraction;
  }
  return text;
}

}  // namespace

std::string_view word_of(SocketChannel channel) {
  const auto* found =
      std::find_if(kChannelWords.begin(), kChannelWords.end(),
                   [channel](const ChannelWord& known) { return known.channel == channel; });
  return found == kChannelWords.end() ? std::string_view() : found->word;
}

std::optional<SocketChannel> socket_channel_of(std::string_view word) {
  const auto* found = std::find_if(kChannelWords.begin(), kChannelWords.end(),
                                   [word](const ChannelWord& known) { return known.word == word; });
  if (found == kChannelWords.end()) return std::nullopt;
  return found->channel;
}

bool covers(SocketChannel wanted, SocketChannel channel) {
  if (wanted == channel) return true;
  return wanted == SocketChannel::control &&
         (channel == SocketChannel::exec || channel == SocketChannel::pty);
}

bool FaultRule::fits(const RequestFacts& facts) const {
  if (method && *method != facts.method) return false;
  if (channel && !covers(*channel, facts.channel)) return false;
  if (sandbox_id && *sandbox_id != facts.sandbox_id) return false;
  if (!path) return true;
  for (std::size_t i = 0; i < path_segments.size(); ++i) {
    if (path_segments[i] == "**") return true;
    if (i >= facts.segments.size()) return false;
    if (path_segments[i] != "*" && path_segments[i] != facts.segments[i]) return false;
  }
  return path_segments.size() == facts.segments.size();
}

bool FaultRule::fire() {
  ++matched;
  if (matched <= skip || exhausted()) return false;
  if (probability < 1) {
    // By hand, because the library's distributions differ from one to the other.
    const double drawn = static_cast<double>(random() >> 11U) * 0x1.0p-53;
    if (drawn >= probability) return false;
  }
  ++fired;
  return true;
}

RulesOutcome read_fault_rules(const Json& json) {
  if (!json.is_object()) return "expected a rule or {\"rules\": [...]}";
  std::vector<FaultRule> rules;
  if (!json["rules"].is_array()) {
    if (json.object().contains("rules")) return "rules: expected a list";
    auto rule = read_rule(json);
    if (auto* problem = std::get_if<std::string>(&rule)) return std::move(*problem);
    rules.push_back(std::get<FaultRule>(std::move(rule)));
    return rules;
  }
  const Json::Array& list = json["rules"].array();
  if (json.object().size() > 1) return "beside rules there is nothing else";
  if (list.empty() || list.size() > kMaxRules) {
    return "rules: expected 1 to " + std::to_string(kMaxRules);
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto rule = read_rule(list[i]);
    if (const auto* problem = std::get_if<std::string>(&rule)) {
      return "rules[" + std::to_string(i) + "]: " + *problem;
    }
    rules.push_back(std::get<FaultRule>(std::move(rule)));
  }
  return rules;
}

RulesOutcome read_fault_header(std::string_view value) {
  std::vector<FaultRule> rules;
  for (const std::string_view item : split(value, ',')) {
    const auto parts = split(item, ';');
    Json::Object json{{"fault", parts.front()}};
    for (auto part = parts.begin() + 1; part != parts.end(); ++part) {
      const std::size_t equals = part->find('=');
      if (equals == std::string_view::npos) return "expected name=value: " + std::string(*part);
      const std::string key(trim(part->substr(0, equals)));
      const bool known = key == "type" || key == "skip" || key == "count" || key == "probability" ||
                         key == "seed" || key == "retry_after" || key == "code";
      if (!known) return key + ": not in a header";
      json[key] = value_of(trim(part->substr(equals + 1)));
    }
    auto rule = read_rule(json);
    if (auto* problem = std::get_if<std::string>(&rule)) return std::move(*problem);
    rules.push_back(std::get<FaultRule>(std::move(rule)));
  }
  return rules;
}

Json describe(const FaultRule& rule) {
  Json::Object json{{"id", rule.id},       {"fault", rule.fault_text},
                    {"skip", rule.skip},   {"probability", rule.probability},
                    {"seed", rule.seed},   {"matched", rule.matched},
                    {"fired", rule.fired}, {"count", nullptr},
                    {"remaining", nullptr}};
  if (rule.count) {
    json["count"] = *rule.count;
    json["remaining"] = *rule.count - rule.fired;
  }
  if (rule.method) json["method"] = *rule.method;
  if (rule.path) json["path"] = *rule.path;
  if (rule.channel) json["channel"] = word_of(*rule.channel);
  if (rule.sandbox_id) json["sandbox"] = *rule.sandbox_id;
  if (rule.type) json["type"] = *rule.type;
  if (!rule.fault.code.empty()) json["code"] = rule.fault.code;
  if (!rule.fault.retry_after.empty()) json["retry_after"] = rule.fault.retry_after;
  if (rule.fault.body) {
    json["body"] = *rule.fault.body;
    json["content_type"] = rule.fault.content_type;
  }
  return json;
}

}  // namespace nullspace::local

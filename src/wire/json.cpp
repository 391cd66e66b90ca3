#include "wire/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "support/error_info.hpp"
#include "wire/json_string.hpp"
#include "wire/timestamp.hpp"
#include "wire/utf8.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr const char* kTooDeep = "nested too deep";
constexpr const char* kUnterminated = "a string that does not end";
constexpr const char* kAbsurdNumber = "a number that is too long";
constexpr const char* kTruncated = "text that ends too early";

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_number_part(char c) noexcept {
  return is_digit(c) || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

bool is_scalar_end(char c) noexcept {
  return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// RapidJSON converts numbers while it parses. A long exponent overflows its counters, and thousands
// of digits make exact conversion slow; no sender has a reason for either.
ValueEnd scan_number(std::string_view text, std::size_t begin) noexcept {
  std::size_t end = begin;
  std::size_t exponent = 0;
  bool in_exponent = false;
  while (end < text.size() && is_number_part(text[end])) {
    if (in_exponent && is_digit(text[end])) ++exponent;
    in_exponent = in_exponent || text[end] == 'e' || text[end] == 'E';
    ++end;
  }
  if (end - begin > kMaxNumberLength || exponent > kMaxExponentDigits) return {end, kAbsurdNumber};
  return {end};
}

std::string expected(std::string_view what, std::string_view key, std::string_view type) {
  std::string message(what);
  message.append(".").append(key).append(": expected ").append(type);
  return message;
}

std::string between(std::int64_t min, std::int64_t max) {
  if (max >= std::numeric_limits<int>::max()) {
    return min <= std::numeric_limits<int>::min() ? "a smaller integer"
                                                  : "an integer of at least " + std::to_string(min);
  }
  return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

ErrorInfo refusal(Blame blame, std::string message) {
  return blame == Blame::server ? support::invalid_response(std::move(message))
                                : support::invalid_request(std::move(message));
}

std::size_t find_string_end(std::string_view text, std::size_t open) noexcept {
  std::size_t from = open + 1;
  while (true) {
    const std::size_t quote = text.find('"', from);
    if (quote == std::string_view::npos) return quote;
    std::size_t backslashes = 0;
    while (quote - backslashes > open + 1 && text[quote - backslashes - 1] == '\\')
      ++backslashes;
    if (backslashes % 2 == 0) return quote;
    from = quote + 1;
  }
}

ValueEnd find_value_end(std::string_view text, std::size_t begin, int max_depth) noexcept {
  int depth = 0;
  std::size_t position = begin;
  while (position < text.size()) {
    const char c = text[position];
    if (c == '"') {
      const std::size_t quote = find_string_end(text, position);
      if (quote == std::string_view::npos) return {text.size(), kUnterminated};
      position = quote + 1;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) return {position, kTooDeep};
      ++position;
      continue;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return {position};
      --depth;
      ++position;
    } else if (c == '-' || is_digit(c)) {
      const ValueEnd number = scan_number(text, position);
      if (number.problem != nullptr) return number;
      position = number.end;
    } else if (depth > 0) {
      ++position;
      continue;
    } else {
      while (position < text.size() && !is_scalar_end(text[position]))
        ++position;
    }
    if (depth == 0) return {position};
  }
  return {position, depth > 0 ? kTruncated : nullptr};
}

std::optional<std::string> check_json_text(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return "larger than " + std::to_string(limits.max_bytes) + " bytes";
  }
  // A NUL is never part of JSON text, and RapidJSON takes it for the end.
  if (text.find('\0') != std::string_view::npos) return "a NUL byte";
  std::size_t position = 0;
  while (position < text.size()) {
    const ValueEnd value = find_value_end(text, position, limits.max_depth);
    if (value.problem != nullptr) return value.problem;
    position = std::max(value.end, position + 1);
  }
  return std::nullopt;
}

support::Result<Document> parse_document(std::string text, Blame blame, const JsonLimits& limits) {
  if (text.empty()) return refusal(blame, "expected JSON, got an empty body");
  if (const std::optional<std::string> problem = check_json_text(text, limits)) {
    return refusal(blame, "malformed JSON: " + *problem);
  }
  Document document;
  document.text_ = std::make_unique<std::string>(std::move(text));
  document.dom_ = std::make_unique<rj::Document>();
  document.dom_->ParseInsitu<rj::kParseFullPrecisionFlag>(document.text_->data());
  if (document.dom_->HasParseError()) {
    return refusal(blame,
                   "malformed JSON at byte " + std::to_string(document.dom_->GetErrorOffset()));
  }
  return document;
}

Json to_public_json(const JsonValue& value) {
  switch (value.GetType()) {
    case rj::kNullType:
      return {};
    case rj::kFalseType:
      return false;
    case rj::kTrueType:
      return true;
    case rj::kStringType:
      return text_of(value);
    case rj::kNumberType:
      if (value.IsInt64()) return value.GetInt64();
      if (value.IsUint64()) return value.GetUint64();
      return value.GetDouble();
    case rj::kArrayType: {
      Json::Array array;
      array.reserve(value.Size());
      for (const JsonValue& item : value.GetArray())
        array.push_back(to_public_json(item));
      return array;
    }
    case rj::kObjectType: {
      Json::Object object;
      for (const auto& member : value.GetObject()) {
        object.insert_or_assign(std::string(text_of(member.name)), to_public_json(member.value));
      }
      return object;
    }
  }
  return {};
}

ObjectReader::ObjectReader(const JsonValue& value, std::string_view what, Blame blame)
    : what_(what), blame_(blame) {
  if (value.IsObject()) {
    object_ = &value;
  } else {
    problem_ = refusal(blame, std::string(what) + ": expected an object");
  }
}

void ObjectReader::refuse(std::string_view key, std::string_view what_is_wrong) {
  if (problem_) return;
  problem_ = refusal(
      blame_, std::string(what_) + "." + std::string(key) + ": " + std::string(what_is_wrong));
}

const JsonValue* ObjectReader::find(std::string_view key) const noexcept {
  if (object_ == nullptr) return nullptr;
  for (const auto& member : object_->GetObject()) {
    if (text_of(member.name) == key) return member.value.IsNull() ? nullptr : &member.value;
  }
  return nullptr;
}

const JsonValue* ObjectReader::require(std::string_view key, std::string_view type) {
  const JsonValue* value = find(key);
  if (value == nullptr && !problem_) {
    problem_ = refusal(blame_, expected(what_, key, type) + ", but it is missing");
  }
  return value;
}

std::string ObjectReader::required_text(std::string_view key) {
  return require(key, "a string") == nullptr ? std::string() : text_or_empty(key);
}

std::string ObjectReader::required_name(std::string_view key) {
  std::string name = required_text(key);
  if (name.empty()) refuse(key, "must not be empty");
  return name;
}

std::optional<std::string> ObjectReader::text(std::string_view key) {
  const JsonValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsString()) {
    refuse(key, "expected a string");
    return std::nullopt;
  }
  const std::string_view found = text_of(*value);
  return is_valid_utf8(found) ? std::string(found) : replace_invalid_utf8(found);
}

bool ObjectReader::required_flag(std::string_view key) {
  return require(key, "true or false") != nullptr && flag(key).value_or(false);
}

std::optional<bool> ObjectReader::flag(std::string_view key) {
  const JsonValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsBool()) {
    refuse(key, "expected true or false");
    return std::nullopt;
  }
  return value->GetBool();
}

std::int64_t ObjectReader::required_integer(std::string_view key, std::int64_t min,
                                            std::int64_t max) {
  return require(key, "an integer") == nullptr ? 0 : integer(key, min, max).value_or(0);
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view key, std::int64_t min,
                                                  std::int64_t max) {
  const JsonValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsInt64()) {
    refuse(key, "expected an integer");
    return std::nullopt;
  }
  const std::int64_t number = value->GetInt64();
  if (number < min || number > max) {
    refuse(key, "expected " + between(min, max));
    return std::nullopt;
  }
  return number;
}

int ObjectReader::required_int(std::string_view key, int min, int max) {
  return static_cast<int>(required_integer(key, min, max));
}

std::optional<int> ObjectReader::small_integer(std::string_view key, int min, int max) {
  const std::optional<std::int64_t> number = integer(key, min, max);
  return number ? std::optional<int>(static_cast<int>(*number)) : std::nullopt;
}

double ObjectReader::required_number(std::string_view key) {
  const JsonValue* value = require(key, "a number");
  if (value == nullptr) return 0;
  if (!value->IsNumber()) {
    refuse(key, "expected a number");
    return 0;
  }
  return value->GetDouble();
}

std::optional<Timestamp> ObjectReader::timestamp(std::string_view key) const {
  const JsonValue* value = find(key);
  if (value == nullptr || !value->IsString()) return std::nullopt;
  return parse_timestamp(text_of(*value));
}

const JsonValue* ObjectReader::object(std::string_view key) {
  const JsonValue* value = find(key);
  if (value == nullptr || value->IsObject()) return value;
  refuse(key, "expected an object");
  return nullptr;
}

const JsonValue* ObjectReader::array(std::string_view key) {
  const JsonValue* value = find(key);
  if (value == nullptr || value->IsArray()) return value;
  refuse(key, "expected an array");
  return nullptr;
}

std::vector<std::string> ObjectReader::texts(std::string_view key) {
  std::vector<std::string> result;
  const JsonValue* value = array(key);
  if (value == nullptr) return result;
  result.reserve(value->Size());
  for (const JsonValue& item : value->GetArray()) {
    if (!item.IsString()) {
      refuse(key, "expected an array of strings");
      return {};
    }
    result.emplace_back(text_of(item));
  }
  return result;
}

EnvMap ObjectReader::text_map(std::string_view key) {
  EnvMap result;
  const JsonValue* value = object(key);
  if (value == nullptr) return result;
  for (const auto& member : value->GetObject()) {
    if (!member.value.IsString()) {
      refuse(key, "expected an object whose values are strings");
      return {};
    }
    result.insert_or_assign(std::string(text_of(member.name)), std::string(text_of(member.value)));
  }
  return result;
}

Json::Object ObjectReader::json_object(std::string_view key) {
  const JsonValue* value = object(key);
  return value == nullptr ? Json::Object{} : to_public_json(*value).object();
}

void RunWriter::text(std::string_view utf8) {
  const auto put = [this](std::string_view piece) {
    if (!piece.empty()) std::memcpy(os_->Push(piece.size()), piece.data(), piece.size());
  };
  Prefix(rj::kStringType);
  put("\"");
  while (true) {
    const std::size_t plain = plain_prefix(utf8);
    put(utf8.substr(0, plain));
    utf8.remove_prefix(plain);
    if (utf8.empty()) break;
    put(escape(utf8.front()).view());
    utf8.remove_prefix(1);
  }
  put("\"");
}

void JsonWriter::key(std::string_view name) {
  if (is_valid_utf8(name)) {
    writer_.Key(name.data(), static_cast<rj::SizeType>(name.size()));
  } else {
    const std::string clean = replace_invalid_utf8(name);
    writer_.Key(clean.data(), static_cast<rj::SizeType>(clean.size()));
  }
}

void JsonWriter::text(std::string_view value) {
  if (is_valid_utf8(value)) {
    ascii(value);
  } else {
    ascii(replace_invalid_utf8(value));
  }
}

void JsonWriter::number(double value) {
  if (std::isfinite(value)) {
    writer_.Double(value);
  } else {
    writer_.Null();
  }
}

void JsonWriter::texts(const std::vector<std::string>& values) {
  begin_array();
  for (const std::string& value : values)
    text(value);
  end_array();
}

void JsonWriter::text_map(const EnvMap& values) {
  begin_object();
  for (const auto& [name, value] : values)
    text(name, value);
  end_object();
}

void JsonWriter::json(const Json::Object& value) {
  begin_object();
  for (const auto& [name, member] : value) {
    key(name);
    json(member);
  }
  end_object();
}

void JsonWriter::json(const Json& value) {
  if (value.is_object()) {
    json(value.object());
  } else if (value.is_array()) {
    begin_array();
    for (const Json& item : value.array())
      json(item);
    end_array();
  } else if (const std::optional<std::string> string = value.as_string()) {
    text(*string);
  } else if (const std::optional<bool> boolean = value.as_bool()) {
    flag(*boolean);
  } else if (const std::optional<std::int64_t> whole = value.as_int()) {
    integer(*whole);
  } else if (const std::optional<double> real = value.as_double()) {
    number(*real);
  } else {
    null();
  }
}

}  // namespace nullspace::inline v0::wire

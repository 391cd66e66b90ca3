// RapidJSON, guarded. The only door to it: what comes from outside is checked for size, depth and
// absurd numbers before RapidJSON sees it, and values are read by readers that name the field they
// refuse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A host application may have another RapidJSON, with other settings: ours lives in a namespace of
// its own.
#define RAPIDJSON_NAMESPACE nullspace::wire_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN \
  namespace nullspace {           \
  namespace wire_rapidjson {
#define RAPIDJSON_NAMESPACE_END \
  }                             \
  }
#define RAPIDJSON_HAS_STDSTRING 1
// No input may abort the program; types are always asked for before a value is read.
#define RAPIDJSON_ASSERT(condition) static_cast<void>(0)
// RAPIDJSON_SSE2 and _SSE42 stay off: in 1.1.0 they let bytes 0x1A to 0x1F pass, and terminals are
// full of 0x1B.

#include <rapidjson/document.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <nullspace/json.hpp>
#include <nullspace/sandbox_info.hpp>

#include "support/result.hpp"

namespace nullspace::inline v0::wire {

namespace rj = nullspace::wire_rapidjson;

using JsonValue = rj::Value;

// Whose fault a refused text is: it decides between invalid_response and invalid_request.
enum class Blame { server, client };
[[nodiscard]] ErrorInfo refusal(Blame blame, std::string message);

struct JsonLimits {
  std::size_t max_bytes{std::size_t{128} << 20};
  int max_depth{64};
};
inline constexpr std::size_t kMaxNumberLength = 400;
inline constexpr std::size_t kMaxExponentDigits = 4;

// --- text from outside ---

// Where a string that opens at `text[open]` closes; npos when it does not.
[[nodiscard]] std::size_t find_string_end(std::string_view text, std::size_t open) noexcept;

// What is wrong with the text, if it is something that RapidJSON must not see. Not a full check of
// the grammar.
[[nodiscard]] std::optional<std::string> check_json_text(std::string_view text,
                                                         const JsonLimits& limits = {});

// Where the value that starts at `text[begin]` ends. Like check_json_text() for a part of a text
// that has no NUL.
struct ValueEnd {
  std::size_t end{0};
  // Not null: refused, and this is why.
  const char* problem{nullptr};
};
[[nodiscard]] ValueEnd find_value_end(std::string_view text, std::size_t begin,
                                      int max_depth) noexcept;

// A parsed text. The values point into it.
class Document {
 public:
  [[nodiscard]] const JsonValue& root() const noexcept { return *dom_; }

 private:
  friend support::Result<Document> parse_document(std::string text, Blame blame,
                                                  const JsonLimits& limits);
  std::unique_ptr<std::string> text_{};
  std::unique_ptr<rj::Document> dom_{};
};
// Parses in place, therefore takes the text.
[[nodiscard]] support::Result<Document> parse_document(std::string text, Blame blame,
                                                       const JsonLimits& limits = {});

[[nodiscard]] inline std::string_view text_of(const JsonValue& string_value) noexcept {
  return {string_value.GetString(), string_value.GetStringLength()};
}

[[nodiscard]] Json to_public_json(const JsonValue& value);

// --- reading ---

// Reads the members of one object. The first one that is missing or of a wrong type is remembered
// in problem(); readers then return defaults, so that a decoder reads straight down and asks once
// at the end. null counts as absent. Texts that are read are UTF-8: what is none is replaced.
class ObjectReader {
 public:
  // `what` names the object in messages and must outlive the reader.
  ObjectReader(const JsonValue& value, std::string_view what, Blame blame);

  [[nodiscard]] const std::optional<ErrorInfo>& problem() const noexcept { return problem_; }
  // Remembers a problem of the caller's own finding, unless there is one already.
  void refuse(std::string_view key, std::string_view what_is_wrong);

  // The member, unless it is absent or null.
  [[nodiscard]] const JsonValue* find(std::string_view key) const noexcept;
  [[nodiscard]] bool has(std::string_view key) const noexcept { return find(key) != nullptr; }

  [[nodiscard]] std::string required_text(std::string_view key);
  // Required and not empty.
  [[nodiscard]] std::string required_name(std::string_view key);
  [[nodiscard]] std::optional<std::string> text(std::string_view key);
  [[nodiscard]] std::string text_or_empty(std::string_view key) { return text(key).value_or(""); }

  [[nodiscard]] bool required_flag(std::string_view key);
  [[nodiscard]] std::optional<bool> flag(std::string_view key);

  [[nodiscard]] std::int64_t required_integer(
      std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  [[nodiscard]] std::optional<std::int64_t> integer(
      std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  // The same, within int.
  [[nodiscard]] int required_int(std::string_view key, int min = std::numeric_limits<int>::min(),
                                 int max = std::numeric_limits<int>::max());
  [[nodiscard]] std::optional<int> small_integer(std::string_view key,
                                                 int min = std::numeric_limits<int>::min(),
                                                 int max = std::numeric_limits<int>::max());

  [[nodiscard]] double required_number(std::string_view key);

  // Lenient: what is no time is absent.
  [[nodiscard]] std::optional<Timestamp> timestamp(std::string_view key) const;

  // The member if it is there; a wrong type is remembered.
  [[nodiscard]] const JsonValue* object(std::string_view key);
  [[nodiscard]] const JsonValue* array(std::string_view key);
  [[nodiscard]] std::vector<std::string> texts(std::string_view key);
  [[nodiscard]] EnvMap text_map(std::string_view key);
  [[nodiscard]] Json::Object json_object(std::string_view key);

 private:
  [[nodiscard]] const JsonValue* require(std::string_view key, std::string_view type);

  const JsonValue* object_{nullptr};
  std::string_view what_;
  Blame blame_;
  std::optional<ErrorInfo> problem_{};
};

// --- writing ---

// Writes strings in runs; see json_string.hpp.
class RunWriter : public rj::Writer<rj::StringBuffer> {
 public:
  using rj::Writer<rj::StringBuffer>::Writer;
  // `utf8` must be UTF-8.
  void text(std::string_view utf8);
};

// Writes compact JSON text. Bytes that are no UTF-8 become U+FFFD; NUL is a character like any
// other.
class JsonWriter {
 public:
  // `expected_size` in bytes saves growing again and again for a text that is known to be large.
  explicit JsonWriter(std::size_t expected_size = 256)
      : buffer_(nullptr, expected_size), writer_(buffer_) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void begin_object() { writer_.StartObject(); }
  void end_object() { writer_.EndObject(); }
  void begin_array() { writer_.StartArray(); }
  void end_array() { writer_.EndArray(); }
  void key(std::string_view name);

  void text(std::string_view value);
  // A text that is known to be UTF-8.
  void ascii(std::string_view value) { writer_.text(value); }
  void integer(std::int64_t value) { writer_.Int64(value); }
  // What is no finite number is written as null: JSON has no word for it.
  void number(double value);
  void flag(bool value) { writer_.Bool(value); }
  void null() { writer_.Null(); }
  void json(const Json& value);
  void json(const Json::Object& value);
  void texts(const std::vector<std::string>& values);
  void text_map(const EnvMap& values);

  // Key and value in one.
  void text(std::string_view name, std::string_view value) { key(name), text(value); }
  void integer(std::string_view name, std::int64_t value) { key(name), integer(value); }
  void number(std::string_view name, double value) { key(name), number(value); }
  void flag(std::string_view name, bool value) { key(name), flag(value); }
  void null(std::string_view name) { key(name), null(); }

  [[nodiscard]] std::string take() { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rj::StringBuffer buffer_;
  RunWriter writer_;
};

}  // namespace nullspace::inline v0::wire

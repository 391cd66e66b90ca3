#include "wire/public_json.hpp"

#include <utility>

#include <nullspace/error.hpp>

#include "wire/json.hpp"

namespace nullspace::inline v0 {

namespace wire {

support::Result<Json> parse_json(std::string_view text) {
  support::Result<Document> document = parse_document(std::string(text), Blame::server);
  if (!document) return std::move(document).error();
  return to_public_json(document->root());
}

}  // namespace wire

std::optional<bool> Json::as_bool() const noexcept {
  const bool* value = std::get_if<bool>(&value_);
  return value != nullptr ? std::optional<bool>(*value) : std::nullopt;
}

std::optional<std::int64_t> Json::as_int() const noexcept {
  const std::int64_t* value = std::get_if<std::int64_t>(&value_);
  return value != nullptr ? std::optional<std::int64_t>(*value) : std::nullopt;
}

std::optional<double> Json::as_double() const noexcept {
  if (const double* value = std::get_if<double>(&value_)) return *value;
  if (const std::optional<std::int64_t> value = as_int()) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<std::string> Json::as_string() const {
  const std::string* value = std::get_if<std::string>(&value_);
  return value != nullptr ? std::optional<std::string>(*value) : std::nullopt;
}

const Json::Object& Json::object() const noexcept {
  static const Object kEmpty;
  const Object* value = std::get_if<Object>(&value_);
  return value != nullptr ? *value : kEmpty;
}

const Json::Array& Json::array() const noexcept {
  static const Array kEmpty;
  const Array* value = std::get_if<Array>(&value_);
  return value != nullptr ? *value : kEmpty;
}

const Json& Json::operator[](std::string_view key) const noexcept {
  static const Json kNull;
  const Object& members = object();
  const auto found = members.find(key);
  return found != members.end() ? found->second : kNull;
}

std::string Json::dump() const {
  wire::JsonWriter writer;
  writer.json(*this);
  return writer.take();
}

Json Json::parse(std::string_view text) {
  support::Result<wire::Document> document =
      wire::parse_document(std::string(text), wire::Blame::client);
  if (!document) throw Error(std::move(document).error());
  return wire::to_public_json(document->root());
}

}  // namespace nullspace::inline v0

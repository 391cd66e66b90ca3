#include "wire/webhook_messages.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "support/error_info.hpp"
#include "wire/json.hpp"
#include "wire/lifecycle_json.hpp"
#include "wire/lifecycle_words.hpp"
#include "wire/model_json.hpp"
#include "wire/timestamp.hpp"
#include "wire/utf8.hpp"

namespace nullspace::inline v0::wire {

namespace {

using Operations = std::vector<LifecycleOperation>;

// --- what both sides refuse; "" for nothing ---

std::string_view problem_of_url(std::string_view url) noexcept {
  const bool has_scheme = url.starts_with("https://") || url.starts_with("http://");
  if (!has_scheme) return "expected a URL that begins with https:// (or http://)";
  const std::string_view rest = url.substr(url.find("://") + 3);
  if (rest.find_first_of("/?#") == 0 || rest.empty()) return "there is no host in the URL";
  // A line break would end a header wherever the URL is put into one.
  const bool is_printable = std::all_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != 127;
  });
  if (!is_printable) return "must not contain spaces or control characters";
  return is_valid_utf8(url) ? "" : "must be UTF-8";
}

std::string_view problem_of_operations(const Operations& operations) noexcept {
  if (operations.empty()) return "expected at least one operation";
  const bool all_known = std::find(operations.begin(), operations.end(),
                                   LifecycleOperation::unknown) == operations.end();
  return all_known ? "" : "there is no such operation";
}

std::string_view problem_of_secret(const Secret& secret) noexcept {
  if (secret.empty()) return "must not be empty";
  // What is no UTF-8 cannot be sent as it is: the two sides would sign with different keys.
  return is_valid_utf8(secret.reveal()) ? "" : "must be UTF-8";
}

// The first member that is refused, with its name.
support::Result<void> check(const std::optional<std::string>& url,
                            const std::optional<Operations>& operations,
                            const std::optional<Secret>& secret) {
  const auto refuse = [](std::string_view name, std::string_view problem) {
    return support::invalid_request(std::string(name) + ": " + std::string(problem));
  };
  if (url) {
    if (const auto problem = problem_of_url(*url); !problem.empty()) return refuse("url", problem);
  }
  if (operations) {
    const auto problem = problem_of_operations(*operations);
    if (!problem.empty()) return refuse("operations", problem);
  }
  if (secret) {
    const auto problem = problem_of_secret(*secret);
    if (!problem.empty()) return refuse("signing_secret", problem);
  }
  return {};
}

// --- reading ---

Operations operations_from(const std::vector<std::string>& words) {
  Operations operations;
  operations.reserve(words.size());
  for (const std::string& word : words)
    operations.push_back(operation_from_word(word));
  return operations;
}

support::Result<Document> parse_answer(std::string_view body) {
  return parse_document(std::string(body), Blame::server);
}

template <typename Value>
support::Result<std::vector<Value>> read_all(const JsonValue& array, std::string_view what,
                                             support::Result<Value> (*read)(const JsonValue&)) {
  if (!array.IsArray()) return support::invalid_response(std::string(what) + ": expected an array");
  std::vector<Value> values;
  values.reserve(array.Size());
  for (const JsonValue& item : array.GetArray()) {
    support::Result<Value> value = read(item);
    if (!value) return std::move(value).error();
    values.push_back(std::move(*value));
  }
  return values;
}

support::Result<Webhook> read_webhook(const JsonValue& value) {
  ObjectReader reader(value, "webhook", Blame::server);
  Webhook webhook;
  webhook.id = reader.required_name("id");
  webhook.url = reader.required_text("url");
  if (!reader.has("operations")) reader.refuse("operations", "expected an array");
  webhook.operation_texts = reader.texts("operations");
  webhook.operations = operations_from(webhook.operation_texts);
  webhook.enabled = reader.required_flag("enabled");
  webhook.has_signing_secret = reader.required_flag("has_signing_secret");
  webhook.created_at = required_timestamp(reader, "created_at");
  webhook.updated_at = required_timestamp(reader, "updated_at");
  webhook.last_delivery_at = reader.timestamp("last_delivery_at");
  if (std::optional<std::string> status = reader.text("last_delivery_status")) {
    webhook.last_delivery_status = delivery_status_from_word(*status);
    webhook.last_delivery_status_text = std::move(*status);
  }
  webhook.last_error = reader.text_or_empty("last_error");
  if (reader.problem()) return *reader.problem();
  return webhook;
}

support::Result<WebhookDelivery> read_delivery(const JsonValue& value) {
  ObjectReader reader(value, "delivery", Blame::server);
  WebhookDelivery delivery;
  delivery.id = reader.required_name("id");
  delivery.webhook_id = reader.required_name("webhook_id");
  delivery.event_id = reader.required_name("event_id");
  delivery.operation_text = reader.required_text("operation");
  delivery.operation = operation_from_word(delivery.operation_text);
  delivery.status_text = reader.required_text("status");
  delivery.status = lifecycle_status_from_word(delivery.status_text);
  delivery.delivery_status_text = reader.required_text("delivery_status");
  delivery.delivery_status = delivery_status_from_word(delivery.delivery_status_text);
  delivery.attempt_count = reader.required_int("attempt_count", 0);
  delivery.created_at = required_timestamp(reader, "created_at");
  delivery.next_attempt_at = reader.timestamp("next_attempt_at");
  delivery.last_attempt_at = reader.timestamp("last_attempt_at");
  delivery.last_response_status = reader.small_integer("last_response_status");
  delivery.last_error = reader.text_or_empty("last_error");
  if (reader.problem()) return *reader.problem();
  return delivery;
}

support::Result<WebhookAttempt> read_attempt(const JsonValue& value) {
  ObjectReader reader(value, "attempt", Blame::server);
  WebhookAttempt attempt;
  attempt.id = reader.required_name("id");
  attempt.delivery_id = reader.required_name("delivery_id");
  attempt.attempt_number = reader.required_int("attempt_number", 0);
  attempt.attempted_at = required_timestamp(reader, "attempted_at");
  attempt.duration = std::chrono::milliseconds(reader.required_integer("duration_ms", 0));
  attempt.response_status = reader.small_integer("response_status");
  attempt.error_code = reader.text_or_empty("error_code");
  attempt.error_message = reader.text_or_empty("error_message");
  if (reader.problem()) return *reader.problem();
  return attempt;
}

// What a create and an update have in common. An operation that is named twice is kept once.
WebhookUpdateOptions read_options(ObjectReader& reader) {
  WebhookUpdateOptions options;
  options.url = reader.text("url");
  if (reader.has("operations")) {
    Operations operations;
    for (const LifecycleOperation operation : operations_from(reader.texts("operations"))) {
      if (std::find(operations.begin(), operations.end(), operation) == operations.end()) {
        operations.push_back(operation);
      }
    }
    options.operations = std::move(operations);
  }
  if (std::optional<std::string> secret = reader.text("signing_secret")) {
    options.signing_secret = Secret(std::move(*secret));
  }
  options.enabled = reader.flag("enabled");
  return options;
}

// --- writing ---

void write_operations(JsonWriter& writer, const Operations& operations,
                      const std::vector<std::string>& texts) {
  writer.key("operations");
  writer.begin_array();
  for (std::size_t i = 0; i < operations.size(); ++i)
    writer.text(word_or_text(operations[i], i < texts.size() ? texts[i] : std::string()));
  writer.end_array();
}

void write_status_or_null(JsonWriter& writer, std::string_view key,
                          const std::optional<int>& status) {
  if (status) {
    writer.integer(key, *status);
  } else {
    writer.null(key);
  }
}

void write_webhook(JsonWriter& writer, const Webhook& webhook) {
  writer.begin_object();
  writer.text("id", webhook.id);
  writer.text("url", webhook.url);
  write_operations(writer, webhook.operations, webhook.operation_texts);
  writer.flag("enabled", webhook.enabled);
  writer.flag("has_signing_secret", webhook.has_signing_secret);
  writer.text("created_at", format_timestamp(webhook.created_at));
  writer.text("updated_at", format_timestamp(webhook.updated_at));
  write_time_or_null(writer, "last_delivery_at", webhook.last_delivery_at);
  if (webhook.last_delivery_status) {
    writer.text("last_delivery_status",
                word_or_text(*webhook.last_delivery_status, webhook.last_delivery_status_text));
  } else {
    writer.null("last_delivery_status");
  }
  write_text_or_null(writer, "last_error", webhook.last_error);
  writer.end_object();
}

void write_delivery(JsonWriter& writer, const WebhookDelivery& delivery) {
  writer.begin_object();
  writer.text("id", delivery.id);
  writer.text("webhook_id", delivery.webhook_id);
  writer.text("event_id", delivery.event_id);
  writer.text("operation", word_or_text(delivery.operation, delivery.operation_text));
  writer.text("status", word_or_text(delivery.status, delivery.status_text));
  writer.text("delivery_status",
              word_or_text(delivery.delivery_status, delivery.delivery_status_text));
  writer.integer("attempt_count", delivery.attempt_count);
  writer.text("created_at", format_timestamp(delivery.created_at));
  write_time_or_null(writer, "next_attempt_at", delivery.next_attempt_at);
  write_time_or_null(writer, "last_attempt_at", delivery.last_attempt_at);
  write_status_or_null(writer, "last_response_status", delivery.last_response_status);
  write_text_or_null(writer, "last_error", delivery.last_error);
  writer.end_object();
}

void write_attempt(JsonWriter& writer, const WebhookAttempt& attempt) {
  writer.begin_object();
  writer.text("id", attempt.id);
  writer.text("delivery_id", attempt.delivery_id);
  writer.integer("attempt_number", attempt.attempt_number);
  writer.text("attempted_at", format_timestamp(attempt.attempted_at));
  writer.integer("duration_ms", attempt.duration.count());
  write_status_or_null(writer, "response_status", attempt.response_status);
  write_text_or_null(writer, "error_code", attempt.error_code);
  write_text_or_null(writer, "error_message", attempt.error_message);
  writer.end_object();
}

}  // namespace

support::Result<std::string> encode_webhook_create(const WebhookCreateOptions& options) {
  auto checked = check(options.url, options.operations, options.signing_secret);
  if (!checked) return std::move(checked).error();
  JsonWriter writer;
  writer.begin_object();
  writer.text("url", options.url);
  write_operations(writer, options.operations, {});
  writer.text("signing_secret", options.signing_secret.reveal());
  writer.flag("enabled", options.enabled);
  writer.end_object();
  return writer.take();
}

support::Result<std::string> encode_webhook_update(const WebhookUpdateOptions& options) {
  auto checked = check(options.url, options.operations, options.signing_secret);
  if (!checked) return std::move(checked).error();
  JsonWriter writer;
  writer.begin_object();
  if (options.url) writer.text("url", *options.url);
  if (options.operations) write_operations(writer, *options.operations, {});
  if (options.signing_secret) writer.text("signing_secret", options.signing_secret->reveal());
  if (options.enabled) writer.flag("enabled", *options.enabled);
  writer.end_object();
  return writer.take();
}

support::Result<Webhook> decode_webhook(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  return read_webhook(document->root());
}

support::Result<std::vector<Webhook>> decode_webhooks(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  return read_all(document->root(), "webhooks", read_webhook);
}

support::Result<std::vector<WebhookDelivery>> decode_deliveries(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  return read_all(document->root(), "deliveries", read_delivery);
}

support::Result<WebhookDeliveryDetails> decode_delivery_details(std::string_view body) {
  const support::Result<Document> document = parse_answer(body);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "delivery details", Blame::server);
  for (const std::string_view key : {"delivery", "event"}) {
    if (reader.object(key) == nullptr) reader.refuse(key, "expected an object, but it is missing");
  }
  const JsonValue* attempts = reader.array("attempts");
  if (attempts == nullptr) reader.refuse("attempts", "expected an array, but it is missing");
  if (reader.problem()) return *reader.problem();

  support::Result<WebhookDelivery> delivery = read_delivery(*reader.find("delivery"));
  if (!delivery) return std::move(delivery).error();
  support::Result<LifecycleEvent> event = read_lifecycle_event(*reader.find("event"));
  if (!event) return std::move(event).error();
  auto all_attempts = read_all(*attempts, "attempts", read_attempt);
  if (!all_attempts) return std::move(all_attempts).error();
  return WebhookDeliveryDetails{std::move(*delivery), std::move(*event), std::move(*all_attempts)};
}

support::Result<WebhookCreateOptions> decode_webhook_create(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "webhook", Blame::client);
  WebhookUpdateOptions given = read_options(reader);
  for (const std::string_view key : {"url", "operations", "signing_secret"}) {
    if (!reader.has(key)) reader.refuse(key, "is missing");
  }
  if (reader.problem()) return *reader.problem();
  auto checked = check(given.url, given.operations, given.signing_secret);
  if (!checked) return std::move(checked).error();
  WebhookCreateOptions options;
  options.url = *std::move(given.url);
  options.operations = *std::move(given.operations);
  options.signing_secret = *std::move(given.signing_secret);
  options.enabled = given.enabled.value_or(true);
  return options;
}

support::Result<WebhookUpdateOptions> decode_webhook_update(std::string_view body) {
  const support::Result<Document> document = parse_document(std::string(body), Blame::client);
  if (!document) return document.error();
  ObjectReader reader(document->root(), "webhook", Blame::client);
  WebhookUpdateOptions options = read_options(reader);
  if (reader.problem()) return *reader.problem();
  auto checked = check(options.url, options.operations, options.signing_secret);
  if (!checked) return std::move(checked).error();
  return options;
}

std::string encode_webhook(const Webhook& webhook) {
  JsonWriter writer;
  write_webhook(writer, webhook);
  return writer.take();
}

std::string encode_webhooks(std::span<const Webhook> webhooks) {
  JsonWriter writer;
  writer.begin_array();
  for (const Webhook& webhook : webhooks)
    write_webhook(writer, webhook);
  writer.end_array();
  return writer.take();
}

std::string encode_deliveries(std::span<const WebhookDelivery> deliveries) {
  JsonWriter writer;
  writer.begin_array();
  for (const WebhookDelivery& delivery : deliveries)
    write_delivery(writer, delivery);
  writer.end_array();
  return writer.take();
}

std::string encode_delivery_details(Dialect dialect, const WebhookDeliveryDetails& details) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("delivery");
  write_delivery(writer, details.delivery);
  writer.key("event");
  write_lifecycle_event(writer, dialect, details.event);
  writer.key("attempts");
  writer.begin_array();
  for (const WebhookAttempt& attempt : details.attempts)
    write_attempt(writer, attempt);
  writer.end_array();
  writer.end_object();
  return writer.take();
}

}  // namespace nullspace::inline v0::wire

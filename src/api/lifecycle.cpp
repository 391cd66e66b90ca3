#include <nullspace/lifecycle.hpp>

#include <memory>
#include <utility>

#include <nullspace/sandbox.hpp>

#include "api/lifecycle_core.hpp"
#include "api/lifecycle_feed.hpp"
#include "api/lifecycle_list.hpp"
#include "api/lifecycle_reader.hpp"
#include "api/lifecycle_registry.hpp"
#include "api/sandbox_core.hpp"
#include "api/throw.hpp"
#include "support/error_info.hpp"

namespace nullspace::inline v0 {

namespace {

[[noreturn]] void throw_closed() {
  throw_error(support::cancelled("this Lifecycle was closed"));
}

// Nothing when the application's token ended it before it began: a range without events.
std::shared_ptr<detail::LifecycleReader> open_reader(const Client& client,
                                                     detail::LifecycleSource source,
                                                     LifecycleStreamOptions options) {
  const std::stop_token stop = options.stop;
  auto reader = detail::LifecycleReader::open(client.core(), std::move(source), std::move(options));
  if (reader.ok()) return *std::move(reader);
  if (reader.error().kind == ErrorKind::cancelled && stop.stop_requested()) return nullptr;
  throw_error(std::move(reader).error());
}

}  // namespace

Lifecycle::Lifecycle() : Lifecycle(Client()) {}
Lifecycle::Lifecycle(Client client)
    : client_(std::move(client)), registry_(std::make_shared<detail::LifecycleRegistry>()) {}

LifecycleEventList Lifecycle::list_events(LifecycleListOptions options) const {
  return value_or_throw(
      detail::make_event_list(client_, wire::LifecycleScope::account, {}, std::move(options)));
}

LifecycleEventList Lifecycle::list_sandbox_events(std::string_view sandbox_id,
                                                  LifecycleListOptions options) const {
  return value_or_throw(detail::make_event_list(client_, wire::LifecycleScope::sandbox, sandbox_id,
                                                std::move(options)));
}

LifecycleEventList Lifecycle::list_snapshot_events(std::string_view snapshot_id,
                                                   LifecycleListOptions options) const {
  return value_or_throw(detail::make_event_list(client_, wire::LifecycleScope::snapshot,
                                                snapshot_id, std::move(options)));
}

Subscription Lifecycle::subscribe(LifecycleSubscribeOptions options) const {
  if (registry_->closed()) throw_closed();
  const auto core = value_or_throw(detail::LifecycleCore::open(client_.core(), std::move(options)));
  Subscription subscription(core);
  if (!registry_->add(core)) throw_closed();
  return subscription;
}

LifecycleStream Lifecycle::stream(LifecycleStreamOptions options) const {
  if (registry_->closed()) throw_closed();
  const auto reader = open_reader(client_, detail::account_source(), std::move(options));
  LifecycleStream stream(reader);
  if (reader && !registry_->add(reader)) throw_closed();
  return stream;
}

void Lifecycle::close() noexcept {
  registry_->close();
}

LifecycleStream::LifecycleStream(std::shared_ptr<detail::LifecycleReader> reader) noexcept
    : reader_(std::move(reader)) {}
LifecycleStream::LifecycleStream(LifecycleStream&&) noexcept = default;
LifecycleStream& LifecycleStream::operator=(LifecycleStream&& other) noexcept {
  if (this != &other) {
    close();
    reader_ = std::move(other.reader_);
    event_ = std::move(other.event_);
  }
  return *this;
}
LifecycleStream::~LifecycleStream() {
  close();
}

std::optional<LifecycleEvent> LifecycleStream::next() {
  // A copy: a callback may destroy or replace the stream.
  const auto reader = reader_;
  return reader ? reader->next() : std::nullopt;
}

void LifecycleStream::close() noexcept {
  if (const auto reader = reader_) reader->close();
}

LifecycleStream::Iterator::Iterator(LifecycleStream& stream) : stream_(&stream) {
  ++*this;
}

const LifecycleEvent& LifecycleStream::Iterator::operator*() const noexcept {
  return *stream_->event_;
}

LifecycleStream::Iterator& LifecycleStream::Iterator::operator++() {
  stream_->event_ = stream_->next();
  return *this;
}

bool LifecycleStream::Iterator::at_end() const noexcept {
  return stream_ == nullptr || !stream_->event_;
}

LifecycleEventList Sandbox::list_lifecycle(LifecycleListOptions options) const {
  return value_or_throw(detail::make_event_list(client(), wire::LifecycleScope::sandbox,
                                                core_->id(), std::move(options)));
}

LifecycleStream Sandbox::stream_events(LifecycleStreamOptions options) const {
  if (!options.sandbox_id.empty()) {
    throw_error(
        support::invalid_request("sandbox_id: these are the events of one sandbox already"));
  }
  auto source = value_or_throw(detail::sandbox_source(core_->client(), core_->id()));
  return LifecycleStream(open_reader(client(), std::move(source), std::move(options)));
}

}  // namespace nullspace::inline v0

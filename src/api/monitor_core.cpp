#include "api/monitor_core.hpp"

#include <chrono>
#include <utility>
#include <variant>

#include "api/open_stream.hpp"
#include "support/expiry.hpp"
#include "support/random.hpp"
#include "wire/endpoints.hpp"

namespace nullspace::inline v0::detail {

namespace {

Timestamp now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

StreamTarget target() {
  return {.path = std::string(wire::kMonitorWsPath)};
}

std::string hello(const std::string& id, const MonitorOptions& options) {
  return wire::encode(wire::MonitorSubscribe{
      .id = id, .interval = options.interval, .include_processes = options.include_processes});
}

}  // namespace

support::Result<std::shared_ptr<MonitorCore>> MonitorCore::open(
    std::shared_ptr<const ClientCore> client, MonitorOptions options) {
  const Timeouts& timeouts = client->options().timeouts;
  const auto expiry = support::Expiry::after(timeouts.websocket_open + timeouts.request);
  auto opened = open_stream(*client, target(), expiry, {});
  if (!opened.ok()) return std::move(opened).error();
  std::shared_ptr<transport::MessageStream> stream = *std::move(opened);
  std::string id = "monitor_" + support::random_hex(8);
  (void)stream->send(hello(id, options), expiry, {});  // A failure shows as a lost connection.
  auto core = std::make_shared<MonitorCore>(std::move(client), std::move(stream), std::move(id),
                                            std::move(options));
  core->run_in_background();
  return core;
}

MonitorCore::MonitorCore(std::shared_ptr<const ClientCore> client,
                         std::shared_ptr<transport::MessageStream> stream, std::string id,
                         MonitorOptions options)
    : SubscriptionStream(
          std::move(client), std::move(stream), {.target = target(), .name = "monitor"},
          {.on_error = options.on_error, .on_state_change = options.on_state_change}),
      options_(std::move(options)),
      id_(std::move(id)) {}

std::optional<std::string> MonitorCore::greeting() {
  return hello(id_, options_);
}

std::string MonitorCore::farewell() const {
  return wire::encode(wire::MonitorUnsubscribe{.id = id_});
}

void MonitorCore::handle_message(std::string message) {
  auto decoded = wire::decode_monitor_message(message, now());
  if (!decoded.ok()) {
    report(std::move(decoded).error());
    return;
  }
  if (decoded->id != id_) return;
  if (const auto* snapshot = std::get_if<MonitorSnapshotEvent>(&decoded->event)) {
    handle(*snapshot);
  } else if (const auto* update = std::get_if<MonitorUpdateEvent>(&decoded->event)) {
    handle(*update);
  } else if (const auto* metrics = std::get_if<MonitorMetricsEvent>(&decoded->event)) {
    deliver(options_.on_metrics, *metrics);
  } else if (const auto* processes = std::get_if<MonitorProcessesEvent>(&decoded->event)) {
    deliver(options_.on_processes, *processes);
  } else if (auto* problem = std::get_if<wire::MonitorProblem>(&decoded->event)) {
    ErrorInfo error;
    error.code = "monitor_error";
    error.message = std::move(problem->message);
    report(std::move(error));
  }
}

void MonitorCore::handle(const MonitorSnapshotEvent& snapshot) {
  std::set<std::string, std::less<>> present;
  for (const SandboxInfo& sandbox : snapshot.sandboxes)
    present.insert(sandbox.id);
  // Gone while nobody was listening: the server will never say so.
  std::set<std::string, std::less<>> gone;
  for (const std::string& id : known_) {
    if (!present.contains(id)) gone.insert(id);
  }
  known_ = std::move(present);
  for (const std::string& id : gone)
    deliver(options_.on_update, MonitorUpdateEvent{.sandbox_id = id, .removed = true});
  deliver(options_.on_snapshot, snapshot);
}

void MonitorCore::handle(const MonitorUpdateEvent& update) {
  if (update.removed) {
    known_.erase(update.sandbox_id);
  } else {
    known_.insert(update.sandbox_id);
  }
  deliver(options_.on_update, update);
}

}  // namespace nullspace::inline v0::detail

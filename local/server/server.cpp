#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "local/guest/launcher.hpp"
#include "local/local.hpp"
#include "local/server/background_worker.hpp"
#include "local/server/blocked_signals.hpp"
#include "local/server/control_door.hpp"
#include "local/server/event_loop.hpp"
#include "local/server/host_guard.hpp"
#include "local/server/ids.hpp"
#include "local/server/server_core.hpp"
#include "local/server/service_clock.hpp"
#include "local/server/state_directory.hpp"

namespace nullspace::local {

class Server::Impl {
 public:
  explicit Impl(ServerOptions options) : options_(std::move(options)) {
    if (options_.api_keys.empty()) {
      options_.api_keys.emplace_back("ns_local_" + random_hex(16));
    }
  }
  ~Impl() { stop(); }

  void start() {
    if (thread_.joinable()) return;
    try {
      prepare();
    } catch (...) {
      clear();
      throw;
    }
    const BlockedSignals blocked;
    thread_ = std::thread([this] { loop_->run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_->post([this] { core_->shut_down(); });
    thread_.join();
    clear();
  }

  [[nodiscard]] std::string url() const {
    std::string host = options_.host;
    if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    return "http://" + host + ":" + std::to_string(port_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const Secret& api_key() const { return options_.api_keys.front(); }
  [[nodiscard]] const guest::IsolationProbe& isolation() const { return isolation_; }

  // Runs `use` on the loop's thread and waits for what it hands to its callback.
  template <typename Result>
  Result ask(std::size_t account,
             const std::function<void(ControlDoor&, std::function<void(Result)>)>& use) {
    if (account >= options_.api_keys.size())
      throw std::invalid_argument("there is no such account");
    const auto answer = std::make_shared<std::promise<Result>>();
    auto result = answer->get_future();
    const bool serving = thread_.joinable() && loop_->post([this, answer, use] {
      use(core_->control(), [answer](Result value) { answer->set_value(std::move(value)); });
    });
    if (!serving) throw std::logic_error("the server is not running");
    return result.get();
  }

 private:
  using Reason = StartError::Reason;

  [[nodiscard]] bool manual_clock() const { return options_.clock == ClockMode::manual; }

  void prepare() {
    if (!options_.allow_remote && !is_loopback_host(options_.host)) {
      throw StartError(Reason::address,
                       options_.host +
                           " is not a loopback address: whoever reaches it and has "
                           "a key can run commands here (see --allow-remote)");
    }
    for (const Secret& key : options_.api_keys) {
      if (key.empty()) throw StartError(Reason::system, "an API key must not be empty");
    }
    const auto guest = guest::find_guest_executable(options_.guest_executable);
    if (!guest) {
      throw StartError(Reason::guest_missing,
                       "the guest agent nullspace-local-guest was not found (NULLSPACE_LOCAL_GUEST "
                       "can name it)");
    }
    loop_ = EventLoop::create();
    if (!loop_) throw StartError(Reason::system, std::generic_category().message(errno));
    if (const std::string error = state_.open(options_.state_dir); !error.empty()) {
      throw StartError(Reason::state_dir, error);
    }
    choose_isolation(*guest);
    clock_ = std::make_unique<ServiceClock>(
        *loop_, manual_clock() ? ServiceClock::Mode::manual : ServiceClock::Mode::real);
    worker_ = std::make_unique<BackgroundWorker>();

    ServerCore::Options core;
    core.api_keys = options_.api_keys;
    core.any_host = options_.allow_remote;
    core.control = options_.faults || manual_clock();
    core.ping_interval = options_.ping_interval;
    core.webhook_retry_delays = options_.webhook_retry_delays;
    if (options_.log) core.log = [log = options_.log](const std::string& line) { log(line); };
    core_ = std::make_unique<ServerCore>(
        *loop_, Machinery{*loop_, *clock_, *worker_, state_.path(), *guest, isolation_},
        std::move(core));

    std::string error_text;
    const int error = core_->listener().open(options_.host, options_.port, error_text);
    if (error != 0) {
      throw StartError(error == EADDRINUSE ? Reason::address_in_use : Reason::address,
                       options_.host + ":" + std::to_string(options_.port) + ": " + error_text);
    }
    port_ = core_->listener().port();
    core_->listener().start();
  }

  void choose_isolation(const std::filesystem::path& guest) {
    isolation_ = {};
    isolation_.reason = "it was switched off";
    if (options_.isolation == IsolationMode::none) return;
    guest::ProbeOptions probe;
    probe.guest_executable = guest;
    probe.state_dir = state_.path();
    isolation_ = guest::probe_isolation(probe);
    const bool required = options_.isolation == IsolationMode::required;
    if (isolation_.refused || (required && !isolation_.isolated)) {
      throw StartError(Reason::isolation, "sandboxes cannot be isolated: " + isolation_.reason);
    }
  }

  void clear() {
    core_.reset();
    // Removes the last trees.
    worker_.reset();
    state_.remove();
    clock_.reset();
    loop_.reset();
  }

  ServerOptions options_;
  StateDirectory state_;
  guest::IsolationProbe isolation_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ServiceClock> clock_;
  std::unique_ptr<BackgroundWorker> worker_;
  std::unique_ptr<ServerCore> core_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

namespace {

using Outcome = ControlDoor::Outcome;
using OutcomeCallback = std::function<void(Outcome)>;

Json json_of(const Outcome& outcome) {
  if (const auto* error = std::get_if<ApiError>(&outcome)) {
    if (error->status == 400) throw std::invalid_argument(error->message);
    throw std::logic_error(error->message);
  }
  return std::get<Json>(outcome);
}

ConnectionFilter filter_of(const ConnectionDrop& drop, std::size_t account) {
  ConnectionFilter filter;
  filter.account = account;
  if (!drop.sandbox_id.empty()) filter.sandbox_id = drop.sandbox_id;
  if (drop.channel.empty()) return filter;
  filter.http = drop.channel == "http";
  filter.channel = socket_channel_of(drop.channel);
  filter.websockets = filter.channel.has_value();
  if (!filter.http && !filter.websockets) {
    throw std::invalid_argument("there is no channel " + drop.channel);
  }
  return filter;
}

ConnectionEnd end_of(const ConnectionDrop& drop) {
  const auto closing = closing_with(drop.close_code);
  if (!closing) throw std::invalid_argument("this close code must not be sent");
  ConnectionEnd end;
  switch (drop.how) {
    case ConnectionDrop::How::reset:
      end.how = ConnectionEnd::How::reset;
      break;
    case ConnectionDrop::How::close:
      end = *closing;
      break;
    case ConnectionDrop::How::vanish:
      end.how = ConnectionEnd::How::vanish;
      break;
  }
  return end;
}

}  // namespace

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;

void Server::start() {
  impl_->start();
}
void Server::stop() {
  impl_->stop();
}
std::string Server::url() const {
  return impl_->url();
}
std::uint16_t Server::port() const {
  return impl_->port();
}
const Secret& Server::api_key() const {
  return impl_->api_key();
}
bool Server::isolated() const {
  return impl_->isolation().isolated;
}
const std::string& Server::isolation_reason() const {
  return impl_->isolation().reason;
}

std::string Server::install_faults(std::string_view json, std::size_t account) {
  return json_of(impl_->ask<Outcome>(account,
                                     [account, text = std::string(json)](
                                         ControlDoor& door, const OutcomeCallback& done) {
                                       done(door.install_faults(account, text));
                                     }))
      .dump();
}

std::string Server::faults(std::size_t account) const {
  return impl_
      ->ask<Json>(account,
                  [account](ControlDoor& door, const auto& done) { done(door.faults(account)); })
      .dump();
}

std::size_t Server::clear_faults(std::size_t account) {
  const Json answer = impl_->ask<Json>(account, [account](ControlDoor& door, const auto& done) {
    done(door.clear_faults(account));
  });
  return static_cast<std::size_t>(answer["removed"].as_int().value_or(0));
}

std::size_t Server::drop_connections(const ConnectionDrop& drop, std::size_t account) {
  const ConnectionFilter filter = filter_of(drop, account);
  const ConnectionEnd end = end_of(drop);
  return impl_->ask<std::size_t>(account, [filter, end](ControlDoor& door, const auto& done) {
    done(door.drop_connections(filter, end));
  });
}

void Server::reset(std::size_t account) {
  impl_->ask<Json>(account,
                   [account](ControlDoor& door, const auto& done) { done(door.reset(account)); });
}

std::chrono::sys_time<std::chrono::microseconds> Server::now() const {
  return impl_->ask<Timestamp>(0, [](ControlDoor& door, const auto& done) { done(door.now()); });
}

std::uint64_t Server::advance_clock(std::chrono::milliseconds by) {
  if (by < std::chrono::milliseconds::zero()) {
    throw std::invalid_argument("a clock does not go back");
  }
  const Json answer = json_of(impl_->ask<Outcome>(
      0, [by](ControlDoor& door, const OutcomeCallback& done) { door.advance_clock(by, done); }));
  return static_cast<std::uint64_t>(answer["fired"].as_int().value_or(0));
}

}  // namespace nullspace::local

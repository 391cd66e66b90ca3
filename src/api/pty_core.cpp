#include "api/pty_core.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "api/open_stream.hpp"
#include "support/error_info.hpp"
#include "support/random.hpp"
#include "wire/endpoints.hpp"
#include "wire/error_body.hpp"

namespace nullspace::inline v0::detail {

namespace {

using std::chrono::milliseconds;
using Wait = transport::MessageStream::Wait;

// Raw bytes per pty_input; base64 makes 64 KiB of them.
constexpr std::size_t kInputPiece = std::size_t{48} << 10;

// What a message takes up in the send queue, roughly; what the first messages of a connection do.
std::size_t cost(const std::string& message) {
  constexpr std::size_t kOverhead = 256;
  return message.size() + kOverhead;
}
constexpr std::size_t kFirstWords = 4096;

// The last output may be sent after pty_exited. Silence of this length means that there is no more.
constexpr milliseconds kSilenceAfterEnd{250};

// What the SDK answers for a wait that ran out of time; no shell ends with it by itself.
constexpr int kTimedOutExitCode = 124;

ErrorInfo session_error(wire::StreamError error) {
  ErrorInfo info;
  info.code = error.code.empty() ? "pty_protocol_error" : std::move(error.code);
  info.kind = wire::kind_of_code(info.code);
  info.message = std::move(error.message);
  return info;
}

// The first message of the server. Anything but pty_started is a refusal.
support::Result<PtySessionInfo> receive_started(transport::MessageStream& stream,
                                                milliseconds timeout, const std::stop_token& stop) {
  switch (stream.wait_message(support::Expiry::after(timeout), stop)) {
    case Wait::ready:
      break;
    case Wait::closed:
      return stream_cut(*stream.close_cause());
    case Wait::timed_out:
      return support::timed_out(Deadline::connect,
                                "the server did not answer in time that the terminal has started");
    case Wait::cancelled:
      return support::cancelled("stopped while the terminal was starting");
  }
  auto message = wire::decode_pty_server_message(*stream.take());
  if (!message.ok()) return std::move(message).error();
  if (auto* started = std::get_if<wire::PtyStarted>(&*message)) return std::move(started->session);
  if (auto* error = std::get_if<wire::StreamError>(&*message))
    return session_error(std::move(*error));
  return support::invalid_response("the first message of a terminal must be pty_started");
}

}  // namespace

support::Result<std::shared_ptr<PtyCore>> PtyCore::open(
    std::shared_ptr<SandboxCore> sandbox,
    const std::variant<wire::PtyStart, wire::PtyConnect>& hello, Callbacks callbacks,
    const std::stop_token& stop) {
  const ClientCore& client = sandbox->client();
  const milliseconds open_timeout = client.options().timeouts.websocket_open;
  auto path = wire::sandbox_ws_path(client.config().dialect, sandbox->id(), wire::Channel::pty);
  if (!path.ok()) return std::move(path).error();
  const auto expiry = support::Expiry::after(open_timeout + client.options().timeouts.request);
  StreamTarget target{.path = *std::move(path), .sandbox_id = sandbox->id()};
  auto opened = open_stream(client, target, expiry, stop);
  if (!opened.ok()) return std::move(opened).error();
  std::shared_ptr<transport::MessageStream> stream = *std::move(opened);

  const std::string text =
      std::visit([](const auto& message) { return wire::encode(message); }, hello);
  (void)stream->send(text, expiry, stop);  // A failure shows in the wait for the answer.
  auto info = receive_started(*stream, open_timeout, stop);
  if (!info.ok()) {
    stream->abort();
    return std::move(info).error();
  }
  // A server that does not tell the size has taken the one asked for.
  const auto* start = std::get_if<wire::PtyStart>(&hello);
  const PtySize asked = start != nullptr ? PtySize{start->cols, start->rows} : PtySize{};
  if (info->cols == 0) info->cols = asked.cols;
  if (info->rows == 0) info->rows = asked.rows;
  std::string id = std::visit([](const auto& message) { return message.id; }, hello);
  const bool in_background = static_cast<bool>(callbacks.on_data);
  auto core = std::make_shared<PtyCore>(sandbox, std::move(stream), std::move(target),
                                        std::move(id), *std::move(info), std::move(callbacks));
  if (in_background) core->run_in_background();
  return core;
}

PtyCore::PtyCore(std::shared_ptr<SandboxCore> sandbox,
                 std::shared_ptr<transport::MessageStream> stream, StreamTarget target,
                 std::string id, PtySessionInfo info, Callbacks callbacks)
    : LiveStream(sandbox->client_ptr(), std::move(stream),
                 {.target = std::move(target),
                  .answer_within = sandbox->client().options().timeouts.websocket_open,
                  .name = "terminal"}),
      sandbox_(std::move(sandbox)),
      id_(std::move(id)),
      session_id_(info.session_id),
      callbacks_(std::move(callbacks)),
      info_(std::move(info)) {
  if (callbacks_.on_data) sink_ = std::make_shared<const BytesCallback>(callbacks_.on_data);
}

PtySessionInfo PtyCore::info() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

bool PtyCore::connected() const {
  return attached() && !over();
}

std::optional<int> PtyCore::exit_code() const {
  const std::lock_guard lock(mutex_);
  return exit_code_;
}

support::Result<void> PtyCore::send_now(std::string_view message) {
  const milliseconds patience = sandbox_->client().options().timeouts.request;
  if (connected()) {
    switch (send(message, support::Expiry::after(patience), {})) {
      case Wait::ready:
        return {};
      case Wait::timed_out:
        return support::timed_out(Deadline::caller, "the terminal did not take more input in time");
      case Wait::closed:
      case Wait::cancelled:
        break;
    }
  }
  return disconnected_error();
}

std::optional<support::Result<void>> PtyCore::queue(std::string& message, std::size_t input_bytes) {
  const std::lock_guard lock(queue_mutex_);
  if (!away_ && connected()) return std::nullopt;
  if (gate().closed() || over() || !client().options().reconnect.enabled) {
    return disconnected_error();
  }
  const std::size_t limit = callbacks_.queued_input_bytes;
  // It is to fit into the empty send buffer of a new connection, behind its first words.
  const std::size_t buffer = client().options().send_buffer_bytes;
  const bool fits = queued_cost_ + cost(message) + kFirstWords <= buffer;
  if (!fits || input_bytes > limit - std::min(queued_bytes_, limit)) {
    ErrorInfo refused = disconnected_error();
    refused.message += limit == 0 ? " and connects again; the input was not taken"
                                  : " and connects again; no more input can be kept until then";
    return refused;
  }
  queued_bytes_ += input_bytes;
  queued_cost_ += cost(message);
  queued_.push_back({std::move(message), input_bytes});
  return support::Result<void>{};
}

support::Result<void> PtyCore::send_or_queue(std::string message, std::size_t input_bytes) {
  while (true) {
    bool away = false;
    {
      const std::lock_guard lock(queue_mutex_);
      away = away_;
    }
    if (!away) {
      auto sent = send_now(message);
      if (sent.ok() || sent.error().kind == ErrorKind::timeout) return sent;
    }
    if (auto settled = queue(message, input_bytes)) return *std::move(settled);
  }
}

support::Result<void> PtyCore::send_input(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kInputPiece);
    bytes.remove_prefix(piece.size());
    auto sent =
        send_or_queue(wire::encode(wire::PtyInput{
                          .id = id_, .session_id = session_id_, .data = std::string(piece)}),
                      piece.size());
    if (!sent.ok()) return sent;
  }
  return {};
}

std::string PtyCore::size_message(PtySize size) const {
  return wire::encode(
      wire::PtyResize{.id = id_, .session_id = session_id_, .cols = size.cols, .rows = size.rows});
}

support::Result<void> PtyCore::resize(PtySize size) {
  if (auto valid = wire::validate(size); !valid.ok()) return valid;
  const auto note = [this, size] {
    const std::lock_guard lock(mutex_);
    info_.cols = size.cols;
    info_.rows = size.rows;
  };
  {
    const std::lock_guard lock(queue_mutex_);
    if (away_ && !gate().closed() && !over()) {
      note();
      resized_ = true;
      return {};
    }
  }
  auto sent = send_now(size_message(size));
  if (!sent.ok() && sent.error().kind == ErrorKind::transport) {
    // Lost, and nobody has noticed yet.
    const std::lock_guard lock(queue_mutex_);
    if (!connected() && !gate().closed() && !over() && client().options().reconnect.enabled) {
      resized_ = true;
      sent = {};
    }
  }
  if (sent.ok()) note();
  return sent;
}

support::Result<void> PtyCore::kill() {
  return send_now(wire::encode(wire::PtyKill{.id = id_, .session_id = session_id_}));
}

class PtyCore::Attention {
 public:
  Attention(PtyCore& core, Sink sink, support::Expiry expiry, const std::stop_token& stop)
      : core_(core), driving_(core) {
    // Inside the gate: what the executor is just delivering still goes where it belongs.
    const auto turn = core.gate().enter(expiry, stop);
    before_ = core.swap_sink(std::move(sink));
  }
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;
  ~Attention() { (void)core_.swap_sink(std::move(before_)); }

 private:
  PtyCore& core_;
  const Driving driving_;
  Sink before_;
};

support::Result<PtyResult> PtyCore::wait(const PtyWaitOptions& options) {
  const auto expiry = support::Expiry::after(options.timeout);
  // Without a callback of its own it goes on with the one given at connect; without any, output is
  // discarded.
  const BytesCallback& on_data = options.on_data ? options.on_data : callbacks_.on_data;
  const Sink sink =
      std::make_shared<const BytesCallback>(on_data ? on_data : [](std::string_view) {});
  const Attention attention(*this, sink, expiry, options.stop);
  deliver_unread(*sink, expiry, options.stop);

  Drive end = drive(expiry, options.stop, [this] { return over(); });
  if (end == Drive::done) {
    end = drain(expiry, options.stop, [] { return false; });
    if (end != Drive::cancelled) {
      close_connection();
      return stored_result();
    }
  }
  if (end == Drive::cancelled)
    return support::cancelled("the wait was stopped; the terminal session goes on");
  if (end == Drive::shut) {
    return disconnected_error();
  }
  {
    const std::lock_guard lock(mutex_);
    wait_timed_out_ = true;
  }
  shut();
  return stored_result();
}

support::Result<std::optional<std::string>> PtyCore::read(const PtyReadOptions& options) {
  const auto expiry = support::Expiry::after(options.timeout);
  const auto has_piece = [this] {
    const std::lock_guard lock(mutex_);
    return !unread_.empty();
  };
  const Sink sink = std::make_shared<const BytesCallback>([this](std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    unread_.emplace_back(bytes);
  });
  const Attention attention(*this, sink, expiry, options.stop);

  Drive end = drive(expiry, options.stop, [this, &has_piece] { return has_piece() || over(); });
  if (end == Drive::done && !has_piece()) end = drain(expiry, options.stop, has_piece);
  if (auto piece = next_unread()) return piece;
  switch (end) {
    case Drive::timed_out:
      if (!over())
        return support::timed_out(Deadline::caller,
                                  "no output came in time; the terminal session goes on");
      break;
    case Drive::cancelled:
      return support::cancelled("the read was stopped; the terminal session goes on");
    case Drive::done:
    case Drive::shut:
      break;
  }
  auto result = stored_result();
  if (!result.ok()) return std::move(result).error();
  // Disconnected, by hand or by a wait that ran out of time, is not the end of the session.
  if (result->timed_out || !over()) {
    return disconnected_error();
  }
  close_connection();
  return std::optional<std::string>{};
}

std::optional<std::string> PtyCore::next_unread() {
  const std::lock_guard lock(mutex_);
  if (unread_.empty()) return std::nullopt;
  std::string piece = std::move(unread_.front());
  unread_.pop_front();
  return piece;
}

void PtyCore::deliver_unread(const BytesCallback& on_data, support::Expiry expiry,
                             const std::stop_token& stop) {
  const auto turn = gate().enter(expiry, stop);
  if (!turn) return;
  // One by one: what is left when the callback throws is delivered the next time.
  while (const auto piece = next_unread())
    on_data(*piece);
}

LiveStream::Drive PtyCore::drain(support::Expiry expiry, const std::stop_token& stop,
                                 const std::function<bool()>& enough) {
  const auto done = [this, &enough] { return enough() || exhausted(); };
  const auto count = [this] {
    const std::lock_guard lock(mutex_);
    return messages_;
  };
  while (true) {
    const std::uint64_t before = count();
    const auto silence = support::Expiry::earlier(expiry, support::Expiry::after(kSilenceAfterEnd));
    const Drive end = drive(silence, stop, done);
    if (end != Drive::timed_out || expiry.passed() || count() == before) return end;
  }
}

support::Result<PtyResult> PtyCore::stored_result() const {
  const std::lock_guard lock(mutex_);
  // Whatever went wrong after pty_exited, the shell's exit code is known.
  if (failure_ && !exit_code_ && !server_error_) return *failure_;
  if (wait_timed_out_ && !exit_code_ && !server_error_) {
    return PtyResult{
        .exit_code = kTimedOutExitCode, .error = "PTY wait timed out", .timed_out = true};
  }
  return PtyResult{.exit_code = exit_code_.value_or(server_error_ ? 1 : 0),
                   .error = server_error_.value_or("")};
}

PtyCore::Sink PtyCore::swap_sink(Sink sink) {
  const std::lock_guard lock(mutex_);
  return std::exchange(sink_, std::move(sink));
}

ErrorInfo PtyCore::disconnected_error() const {
  return support::transport_error(fmt::format("terminal session {} is disconnected", session_id_));
}

bool PtyCore::over() const {
  const std::lock_guard lock(mutex_);
  return exit_code_ || server_error_ || failure_ || wait_timed_out_;
}

std::optional<std::string> PtyCore::greeting() {
  if (over()) return std::nullopt;
  return wire::encode(wire::PtyConnect{.id = id_, .session_id = session_id_});
}

LiveStream::Reply PtyCore::handle_reply(std::string message) {
  auto decoded = wire::decode_pty_server_message(std::move(message));
  if (!decoded.ok()) return {Reply::Verdict::refused, std::move(decoded).error()};
  if (std::holds_alternative<wire::PtyStarted>(*decoded)) return {Reply::Verdict::taken};
  if (auto* error = std::get_if<wire::StreamError>(&*decoded)) {
    ErrorInfo refused = session_error(std::move(*error));
    refused.message = fmt::format("terminal session {} cannot be attached to again: {}",
                                  session_id_, refused.message);
    return {Reply::Verdict::refused, std::move(refused)};
  }
  handle(*std::move(decoded));
  return {};
}

void PtyCore::handle_connected(bool again) {
  if (!again) return;
  {
    const std::lock_guard lock(queue_mutex_);
    if (resized_) {
      const PtySessionInfo now = info();
      send_soon(size_message({.cols = now.cols, .rows = now.rows}));
    }
    resized_ = false;
    // All of it fits, see queue(). What does not go because the connection has broken again waits
    // for the next one.
    while (!queued_.empty() && send(queued_.front().message,
                                    support::Expiry::after(milliseconds{0}), {}) == Wait::ready) {
      queued_bytes_ -= queued_.front().input_bytes;
      queued_cost_ -= cost(queued_.front().message);
      queued_.pop_front();
    }
    away_ = !queued_.empty();
  }
  const PtyGap gap{std::chrono::ceil<milliseconds>(
      std::chrono::steady_clock::now() - lost_at_.value_or(std::chrono::steady_clock::now()))};
  lost_at_.reset();
  sandbox_->client().logger().log(
      LogLevel::warning, "terminal",
      fmt::format("session {} was away for {} ms; what it wrote meanwhile is lost", session_id_,
                  gap.away.count()));
  if (callbacks_.on_state_change && !gate().closed())
    callbacks_.on_state_change({StreamState::connected, std::nullopt});
  if (callbacks_.on_gap && !gate().closed()) callbacks_.on_gap(gap);
}

void PtyCore::handle_lost(const ErrorInfo& cause) {
  {
    const std::lock_guard lock(queue_mutex_);
    away_ = true;
  }
  if (!lost_at_) lost_at_ = std::chrono::steady_clock::now();
  if (callbacks_.on_state_change && !gate().closed())
    callbacks_.on_state_change({StreamState::reconnecting, Error(cause)});
}

void PtyCore::handle_message(std::string message) {
  auto decoded = wire::decode_pty_server_message(std::move(message));
  if (decoded.ok()) {
    handle(*std::move(decoded));
  } else if (over()) {
    close_connection();
  } else {
    fail(std::move(decoded).error());
  }
}

void PtyCore::handle(wire::PtyServerMessage message) {
  Sink sink;
  {
    const std::lock_guard lock(mutex_);
    ++messages_;
    sink = sink_;
    if (failure_) return;
    if (const auto* exited = std::get_if<wire::PtyExited>(&message)) {
      if (!exit_code_) exit_code_ = exited->exit_code;
    } else if (auto* error = std::get_if<wire::StreamError>(&message)) {
      if (!server_error_) server_error_ = std::move(error->message);
    }
  }
  if (const auto* output = std::get_if<wire::PtyOutput>(&message)) {
    if (sink && *sink) (*sink)(output->data);
  }
}

void PtyCore::handle_end(ErrorInfo cause) {
  std::size_t unsent = 0;
  {
    const std::lock_guard lock(queue_mutex_);
    unsent = std::exchange(queued_bytes_, 0);
    queued_cost_ = 0;
    queued_.clear();
  }
  if (over()) return;
  if (unsent > 0) {
    cause.message += fmt::format("; {} bytes of input that were kept were never sent", unsent);
  }
  fail(std::move(cause));
}

void PtyCore::handle_exception(std::exception_ptr thrown) {
  fail(support::callback_failed("terminal", std::move(thrown)));
}

void PtyCore::fail(ErrorInfo error) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = error;
  }
  close_connection();
  // A callback may have disconnected a moment ago: it was the last one then.
  if (gate().closed()) return;
  const auto tell = [this](const auto& callback, const auto& news) {
    // Any of them may end the session, and is the last then.
    if (!callback || gate().closed()) return;
    try {
      callback(news);
    } catch (...) {
      const ErrorInfo thrown = support::callback_failed("terminal", std::current_exception());
      client().logger().log(LogLevel::error, "terminal", thrown.message);
    }
  };
  if (callbacks_.on_data) tell(callbacks_.on_error, Error(error));
  tell(callbacks_.on_state_change, StateChange{StreamState::closed, Error(std::move(error))});
}

}  // namespace nullspace::inline v0::detail

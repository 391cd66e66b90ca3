#include "local/server/faults/session_faults.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "local/server/faults/damage.hpp"
#include "local/server/websocket_session.hpp"

namespace nullspace::local {

SessionFaults::SessionFaults(const ServingContext& context,
                             std::shared_ptr<const ConnectionOwner> owner,
                             WebSocketSession& session)
    : context_(context),
      owner_(std::move(owner)),
      session_(session),
      own_(owner_->faults),
      delay_timer_(context.loop) {}

void SessionFaults::send(std::string text) {
  // What comes behind a delayed message stays behind it.
  if (delay_ > Clock::duration::zero() || !delayed_.empty()) {
    return put_off({Clock::now() + delay_, std::move(text), std::nullopt});
  }
  emit(std::move(text));
}

void SessionFaults::emit(std::string text) {
  if (!session_.open()) return;
  const std::uint64_t sent = session_.messages_sent();
  const std::string_view type = message_type(text);
  auto fault = own_.at_message(owner_->facts, sent, type);
  if (!fault && !context_.faults.idle()) {
    fault = context_.faults.of(owner_->account).at_message(owner_->facts, sent, type);
  }
  if (fault) {
    emit_changed(*fault, std::move(text));
  } else {
    session_.write_message(std::move(text));
  }
  settle();
}

void SessionFaults::emit_changed(const Fault& fault, std::string text) {
  switch (fault.kind) {
    case FaultKind::skip_event:
    case FaultKind::drop_exit_frame:
      return;
    case FaultKind::duplicate_event:
      session_.write_message(text);
      return session_.write_message(std::move(text));
    case FaultKind::split_frame:
      return session_.write_fragments(text);
    case FaultKind::garbage_json:
      return session_.write_message(garbage_json(text));
    case FaultKind::bad_utf8:
      return session_.write_message(bad_utf8(text));
    case FaultKind::truncate_frame:
      return session_.write_truncated(std::move(text));
    default:
      return apply(fault);
  }
}

void SessionFaults::settle() {
  if (!session_.open()) return;
  const std::uint64_t sent = session_.messages_sent();
  std::vector<Fault> faults = own_.at_session(owner_->facts, sent, own_decided_);
  if (!context_.faults.idle()) {
    const auto more = context_.faults.of(owner_->account).at_session(owner_->facts, sent, decided_);
    faults.insert(faults.end(), more.begin(), more.end());
  }
  for (const Fault& fault : faults)
    apply(fault);
}

void SessionFaults::apply(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::stall_pong:
      pongs_stalled_ = true;
      return;
    case FaultKind::stall_ping:
      pings_stalled_ = true;
      return;
    case FaultKind::stall_reads:
      return session_.stall_reading();
    case FaultKind::stall_writes:
      return session_.stall_writing();
    case FaultKind::delay_messages:
      delay_ = std::max<Clock::duration>(delay_, fault.time);
      return;
    case FaultKind::reset:
      return session_.cut(SocketStream::Cut::reset);
    case FaultKind::broken_stream:
      return session_.cut(SocketStream::Cut::end);
    case FaultKind::vanish:
      return session_.cut(SocketStream::Cut::vanish);
    case FaultKind::close:
      stop();
      if (fault.number == kCloseAbnormal) return session_.cut(SocketStream::Cut::reset);
      return session_.close(static_cast<std::uint16_t>(fault.number), "a fault that was asked for");
    default:
      return;
  }
}

bool SessionFaults::close_later(std::uint16_t code, std::string_view reason) {
  if (delayed_.empty()) return false;
  put_off({delayed_.back().due, std::string(reason), code});
  return true;
}

void SessionFaults::put_off(Delayed delayed) {
  delayed_bytes_ += delayed.text.size();
  delayed_.push_back(std::move(delayed));
  if (delayed_.size() == 1) arm();
}

void SessionFaults::arm() {
  delay_timer_.start_at(delayed_.front().due, [this] {
    const auto alive = session_.shared_from_this();
    Delayed first = std::move(delayed_.front());
    delayed_.pop_front();
    delayed_bytes_ -= first.text.size();
    if (first.close_code) {
      session_.close(*first.close_code, first.text);
    } else {
      emit(std::move(first.text));
    }
    if (!delayed_.empty()) arm();
  });
}

void SessionFaults::stop() {
  delay_timer_.cancel();
  delayed_.clear();
  delayed_bytes_ = 0;
}

}  // namespace nullspace::local

#include "api/live_stream.hpp"

#include <utility>

namespace nullspace::inline v0 {

LiveStream::~LiveStream() {
  stream_->close();
}

void LiveStream::run_in_background() {
  in_background_ = true;
  stream_->set_ready_hook([weak = weak_from_this()] {
    if (const auto self = std::static_pointer_cast<LiveStream>(weak.lock())) {
      self->schedule(self->client_->executor());
    }
  });
}

bool LiveStream::handle_next() {
  if (auto message = stream_->take()) {
    handle_message(*std::move(message));
    return true;
  }
  if (!close_handled_ && stream_->exhausted()) {
    close_handled_ = true;
    handle_close(*stream_->close_cause());
    return true;
  }
  return false;
}

LiveStream::Driving::~Driving() {
  // Whatever way the wait ended, messages that the executor left alone must not be left lying.
  --stream_.drivers_;
  if (stream_.in_background_) stream_.schedule(stream_.client_->executor());
}

bool LiveStream::step() {
  if (drivers_ > 0) return false;
  bool handled = true;
  try {
    handled = handle_next();
  } catch (...) {
    handle_exception(std::current_exception());
  }
  // A thread may wait for what this message brought.
  if (handled) stream_->wake();
  return handled;
}

LiveStream::Drive LiveStream::drive(support::Expiry expiry, const std::stop_token& stop,
                                    const std::function<bool()>& done) {
  const Driving driving(*this);
  while (true) {
    const std::uint64_t version = stream_->version();
    if (const auto turn = gate().enter(expiry, stop)) {
      while (!done()) {
        // A callback may have shut the stream: it was the last one then.
        if (gate().closed()) return Drive::shut;
        if (stop.stop_requested()) return Drive::cancelled;
        if (expiry.passed() || !handle_next()) break;
      }
    } else if (gate().closed()) {
      return done() ? Drive::done : Drive::shut;
    }
    if (done()) return Drive::done;
    switch (stream_->wait_change(version, expiry, stop)) {
      case transport::MessageStream::Wait::cancelled:
        return Drive::cancelled;
      case transport::MessageStream::Wait::timed_out:
        return Drive::timed_out;
      case transport::MessageStream::Wait::ready:
      case transport::MessageStream::Wait::closed:
        break;
    }
  }
}

bool LiveStream::attached() const {
  return !gate().closed() && stream_->is_open();
}

void LiveStream::shut() noexcept {
  gate().close();
  // Before anybody is waited for: a callback may itself be waiting for this stream.
  stream_->close();
  stream_->wake();
  gate().wait_empty();
}

}  // namespace nullspace::inline v0

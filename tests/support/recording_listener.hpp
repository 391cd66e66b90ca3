// A WebSocketListener that writes down what happens and lets the test wait for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nullspace/transport.hpp>

namespace nullspace::tests {

class RecordingListener final : public WebSocketListener {
 public:
  // Called first thing in the callback of that name, on the I/O thread.
  std::function<void()> when_open{};
  std::function<void(const std::string&)> when_message{};
  std::function<void()> when_drained{};
  std::function<void(const TransportFailure&)> when_closed{};

  void on_open() override {
    if (when_open) when_open();
    record([this] { opened_ = true; });
  }
  void on_message(std::string message) override {
    if (when_message) when_message(message);
    record([&] { messages_.push_back(std::move(message)); });
  }
  void on_drained() override {
    if (when_drained) when_drained();
    record([this] { ++drained_; });
  }
  void on_closed(const TransportFailure& why) override {
    if (when_closed) when_closed(why);
    record([&] {
      closed_ = why;
      ++closed_calls_;
    });
  }

  // Each gives false when the guard against hanging ran out.
  [[nodiscard]] bool wait_open() {
    return wait([this] { return opened_ || closed_; }) && opened();
  }
  [[nodiscard]] bool wait_messages(std::size_t count) {
    return wait([this, count] { return messages_.size() >= count || closed_; }) &&
           messages().size() >= count;
  }
  [[nodiscard]] bool wait_drained(int count) {
    return wait([this, count] { return drained_ >= count || closed_; }) && drained() >= count;
  }
  // How it ended; an empty failure with message "still open" when it did not.
  [[nodiscard]] TransportFailure wait_closed() {
    if (!wait([this] { return closed_.has_value(); })) {
      TransportFailure open;
      open.message = "still open";
      return open;
    }
    const std::lock_guard lock(mutex_);
    return *closed_;
  }

  [[nodiscard]] bool opened() const {
    const std::lock_guard lock(mutex_);
    return opened_;
  }
  [[nodiscard]] std::vector<std::string> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  [[nodiscard]] int drained() const {
    const std::lock_guard lock(mutex_);
    return drained_;
  }
  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_.has_value();
  }
  [[nodiscard]] int closed_calls() const {
    const std::lock_guard lock(mutex_);
    return closed_calls_;
  }

 private:
  static constexpr std::chrono::seconds kGuard{30};

  template <typename Change>
  void record(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }
  template <typename Predicate>
  [[nodiscard]] bool wait(Predicate predicate) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kGuard, predicate);
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool opened_{false};
  std::vector<std::string> messages_;
  int drained_{0};
  std::optional<TransportFailure> closed_;
  int closed_calls_{0};
};

}  // namespace nullspace::tests

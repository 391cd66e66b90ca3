// Work of one stream in small steps on an executor, by one thread at a time, however many threads
// the executor has.
#pragma once

#include <atomic>
#include <memory>

#include <nullspace/client.hpp>

#include "transport/turn_gate.hpp"

namespace nullspace::inline v0 {

class SerialSteps : public std::enable_shared_from_this<SerialSteps> {
 public:
  SerialSteps(const SerialSteps&) = delete;
  SerialSteps& operator=(const SerialSteps&) = delete;
  virtual ~SerialSteps() = default;

 protected:
  SerialSteps() = default;

  // Does one thing; false when there was nothing to do. Called inside the gate. Must not throw.
  virtual bool step() = 0;

  // Steps are taken on the executor soon. Thread-safe; must not be called before the object is
  // owned by a shared_ptr.
  void schedule(const Executor& executor);

  [[nodiscard]] transport::TurnGate& gate() noexcept { return gate_; }
  [[nodiscard]] const transport::TurnGate& gate() const noexcept { return gate_; }

 private:
  void run_some(const Executor& executor);

  transport::TurnGate gate_;
  // A task is on its way to the executor.
  std::atomic<bool> scheduled_{false};
  // A task found another thread inside, which must look again when it has left.
  std::atomic<bool> missed_{false};
};

}  // namespace nullspace::inline v0

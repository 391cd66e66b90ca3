#include "api/serial_steps.hpp"

namespace nullspace::inline v0 {

namespace {

// After this many steps other streams on the same executor get their turn.
constexpr int kStepsPerTurn = 64;

}  // namespace

void SerialSteps::schedule(const Executor& executor) {
  if (scheduled_.exchange(true)) return;
  try {
    // The executor belongs to the client, which every stream keeps alive.
    executor([weak = weak_from_this(), &executor] {
      if (const auto self = weak.lock()) self->run_some(executor);
    });
  } catch (...) {
    // The application's executor takes no more work. This may be the I/O thread, which must not
    // fall with it; the next event asks again.
    scheduled_ = false;
  }
}

void SerialSteps::run_some(const Executor& executor) {
  scheduled_ = false;
  missed_ = true;
  bool more = true;
  {
    const auto turn = gate_.try_enter();
    if (!turn) return;
    missed_ = false;
    for (int count = 0; more && count < kStepsPerTurn && !gate_.closed(); ++count)
      more = step();
  }
  if ((more || missed_) && !gate_.closed()) schedule(executor);
}

}  // namespace nullspace::inline v0

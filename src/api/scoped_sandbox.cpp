#include <nullspace/sandbox.hpp>

#include <utility>

#include "api/client_core.hpp"

namespace nullspace::inline v0 {

ScopedSandbox::ScopedSandbox(Sandbox sandbox) noexcept : sandbox_(std::move(sandbox)) {}

ScopedSandbox::ScopedSandbox(ScopedSandbox&& other) noexcept
    : sandbox_(std::exchange(other.sandbox_, std::nullopt)) {}

ScopedSandbox& ScopedSandbox::operator=(ScopedSandbox&& other) noexcept {
  if (this != &other) {
    kill_quietly();
    sandbox_ = std::exchange(other.sandbox_, std::nullopt);
  }
  return *this;
}

ScopedSandbox::~ScopedSandbox() {
  kill_quietly();
}

Sandbox ScopedSandbox::release() noexcept {
  Sandbox released = *std::move(sandbox_);
  sandbox_.reset();
  return released;
}

void ScopedSandbox::kill_quietly() noexcept {
  if (!sandbox_) return;
  const Client client = sandbox_->client();
  const support::Logger& logger = client.core()->logger();
  try {
    sandbox_->kill();
  } catch (const Error& error) {
    // Gone already (killed, expired, hibernated) is what was wanted.
    if (error.kind() == ErrorKind::not_found) return;
    logger.log(LogLevel::warning, "sandbox",
               "could not be killed and lives until its time-out: " + sandbox_->id() + ": " +
                   error.what());
  }
}

}  // namespace nullspace::inline v0

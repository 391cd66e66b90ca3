// Creating a sandbox so that there is one of it or none, whatever happens to the answer.
#pragma once

#include <chrono>
#include <memory>

#include <nullspace/sandbox.hpp>

#include "api/sandbox_core.hpp"
#include "support/result.hpp"

namespace nullspace::inline v0 {

// How long to wait before a create is asked for again.
struct RepeatPauses {
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds longest{10'000};
  // Attempts are counted from 1; the pause doubles with each.
  [[nodiscard]] std::chrono::milliseconds after(int attempt) const noexcept;
};

[[nodiscard]] support::Result<std::shared_ptr<detail::SandboxCore>> create_sandbox(
    const std::shared_ptr<detail::ClientCore>& client, SandboxCreateOptions options,
    const RepeatPauses& pauses = {});

}  // namespace nullspace::inline v0

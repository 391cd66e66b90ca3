// The REST calls on processes, as values.
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include <nullspace/commands.hpp>

#include "api/sandbox_core.hpp"
#include "support/expiry.hpp"
#include "support/result.hpp"

namespace nullspace::inline v0 {

[[nodiscard]] support::Result<std::vector<ProcessInfo>> list_processes(
    const detail::SandboxCore& sandbox, const std::stop_token& stop = {},
    support::Expiry expiry = support::Expiry::never());
[[nodiscard]] support::Result<ProcessLogs> process_logs(
    const detail::SandboxCore& sandbox, int pid, const std::stop_token& stop = {},
    support::Expiry expiry = support::Expiry::never());
[[nodiscard]] support::Result<void> kill_process(const detail::SandboxCore& sandbox, int pid);
[[nodiscard]] support::Result<void> send_stdin(const detail::SandboxCore& sandbox, int pid,
                                               std::string_view data);
// Over a socket of its own: REST has no word for it.
[[nodiscard]] support::Result<void> close_stdin(
    const std::shared_ptr<const detail::SandboxCore>& sandbox, int pid);

}  // namespace nullspace::inline v0

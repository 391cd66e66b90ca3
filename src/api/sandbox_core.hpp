// What all handles to one sandbox share.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <nullspace/sandbox_info.hpp>
#include <nullspace/secret.hpp>

#include "api/client_core.hpp"

namespace nullspace::inline v0::detail {

// Thread-safe. The id never changes: connecting to a paused sandbox makes a new one.
class SandboxCore {
 public:
  SandboxCore(std::shared_ptr<ClientCore> client, SandboxInfo info,
              std::optional<Secret> traffic_token = {}, std::string dispatch_proof = {})
      : client_(std::move(client)),
        id_(info.id),
        traffic_token_(std::move(traffic_token)),
        dispatch_proof_(std::move(dispatch_proof)),
        info_(std::move(info)) {}

  [[nodiscard]] const ClientCore& client() const noexcept { return *client_; }
  [[nodiscard]] const std::shared_ptr<ClientCore>& client_ptr() const noexcept { return client_; }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const std::optional<Secret>& traffic_token() const noexcept {
    return traffic_token_;
  }
  // Opaque header of the create answer that every exec of this handle sends back; "" = none.
  [[nodiscard]] const std::string& dispatch_proof() const noexcept { return dispatch_proof_; }

  [[nodiscard]] SandboxInfo info() const {
    const std::lock_guard lock(mutex_);
    return info_;
  }
  void set_info(SandboxInfo info) {
    const std::lock_guard lock(mutex_);
    info_ = std::move(info);
  }

 private:
  const std::shared_ptr<ClientCore> client_;
  const std::string id_;
  const std::optional<Secret> traffic_token_;
  const std::string dispatch_proof_;
  mutable std::mutex mutex_;
  SandboxInfo info_;
};

}  // namespace nullspace::inline v0::detail

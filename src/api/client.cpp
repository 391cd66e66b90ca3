#include <nullspace/client.hpp>

#include <utility>

#include <fmt/format.h>

#include "api/client_core.hpp"
#include "api/rest.hpp"
#include "api/throw.hpp"
#include "support/redaction.hpp"

namespace nullspace::inline v0 {

Client::Client(ClientOptions options, int header_major, int header_minor) {
  check_library_version(header_major, header_minor);
  core_ = value_or_throw(detail::ClientCore::make(std::move(options), ConfigSources::of_process()));
}

Client::Client(std::shared_ptr<detail::ClientCore> core) noexcept : core_(std::move(core)) {}
Client::Client(const Client&) = default;
Client& Client::operator=(const Client&) = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

const std::string& Client::base_url() const noexcept {
  return core_->config().base_url;
}
Dialect Client::dialect() const noexcept {
  return core_->config().dialect;
}

std::string Client::describe() const {
  const ResolvedConfig& config = core_->config();
  return fmt::format("nullspace {} -> {} (from {}, key from {}, {} dialect)", library_version(),
                     support::redact_url(config.base_url), config.url_source, config.key_source,
                     config.dialect == Dialect::machine ? "machine" : "sandbox");
}

bool Client::is_healthy() const {
  return call(*core_, wire::Endpoint::health, {}).ok();
}

}  // namespace nullspace::inline v0

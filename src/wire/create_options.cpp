// What can be refused of a create without asking a server.
#include <algorithm>
#include <string>

#include "support/error_info.hpp"
#include "wire/exec_json.hpp"
#include "wire/sandbox_messages.hpp"
#include "wire/trim.hpp"

namespace nullspace::inline v0::wire {

namespace {

constexpr int kMinDiskMb = 512;
constexpr int kMaxDiskMb = 131'072;

// Collects the first thing that is wrong.
class Checks {
 public:
  void require(bool condition, std::string_view message) {
    if (!condition && result_.ok()) result_ = support::invalid_request(std::string(message));
  }
  [[nodiscard]] support::Result<void> take() { return std::move(result_); }

 private:
  support::Result<void> result_{};
};

bool has_nul(std::string_view text) noexcept {
  return text.find('\0') != std::string_view::npos;
}

bool is_display(std::string_view text) noexcept {
  return text.size() > 1 && text.front() == ':' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void check_desktop(Checks& checks, const DesktopOptions& desktop, std::string_view template_id) {
  const bool is_given = desktop.width || desktop.height || desktop.dpi || !desktop.display.empty();
  checks.require(!is_given || template_id == "desktop", "desktop needs template_id \"desktop\"");
  checks.require(desktop.width.has_value() == desktop.height.has_value(),
                 "desktop: width and height go together");
  checks.require(!desktop.width || *desktop.width > 0, "desktop.width must be positive");
  checks.require(!desktop.height || *desktop.height > 0, "desktop.height must be positive");
  checks.require(!desktop.dpi || *desktop.dpi > 0, "desktop.dpi must be positive");
  checks.require(desktop.display.empty() || is_display(desktop.display),
                 "desktop.display must be ':' and a number");
}

void check_volumes(Checks& checks, const std::vector<VolumeMount>& volumes) {
  checks.require(!volumes.empty(), "volumes must not be an empty list");
  for (const VolumeMount& volume : volumes) {
    checks.require(!trim(volume.ref).empty(), "volumes: ref must not be blank");
    checks.require(!trim(volume.mount_path).empty(), "volumes: mount_path must not be blank");
    checks.require(!has_nul(volume.mount_path) && !has_nul(volume.subpath),
                   "volumes: a path must not contain NUL");
  }
}

void check_warm_pool(Checks& checks, const WarmPoolOptions& pool) {
  const bool needs_id = pool.mode.value_or(WarmPoolMode::prefer) != WarmPoolMode::bypass;
  checks.require(!needs_id || !trim(pool.id).empty(), "warm_pool.id must not be blank");
  checks.require(!pool.wait || pool.wait->count() >= 0, "warm_pool.wait must not be negative");
}

void check_snapshot(Checks& checks, const SandboxCreateOptions& options) {
  checks.require(!trim(options.snapshot_id).empty(), "snapshot_id must not be blank");
  checks.require(!options.disk_mb,
                 "disk_mb cannot be changed by snapshot_id: it comes from the snapshot");
  checks.require(
      options.internet_access,
      "internet_access cannot be switched off with snapshot_id: egress comes from the snapshot");
  const bool has_egress_rules = options.network && (!options.network->deny_out.empty() ||
                                                    !options.network->allow_out.empty());
  checks.require(
      !has_egress_rules,
      "network.deny_out and allow_out cannot be used with snapshot_id: egress comes from the "
      "snapshot");
}

// It becomes a header: anything but printable ASCII could become another one.
bool is_header_text(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7E; });
}

}  // namespace

support::Result<void> validate(const SandboxCreateOptions& options) {
  Checks checks;
  if (options.snapshot_id.empty()) {
    checks.require(!trim(options.template_id).empty(), "template_id must not be blank");
  } else {
    check_snapshot(checks, options);
  }
  checks.require(options.vcpus >= 1, "vcpus must be at least 1");
  checks.require(!options.memory_mb || *options.memory_mb >= 1, "memory_mb must be at least 1");
  checks.require(
      !options.disk_mb || (*options.disk_mb >= kMinDiskMb && *options.disk_mb <= kMaxDiskMb),
      "disk_mb must be 512 to 131072");
  checks.require(options.timeout.count() > 0, "timeout must be positive");
  checks.require(options.timeout_action != TimeoutAction::unknown, "timeout_action is unknown");
  checks.require(!options.auto_resume || options.timeout_action != TimeoutAction::destroy,
                 "auto_resume needs timeout_action hibernate");
  const std::string_view env_problem = problem_of(options.envs);
  checks.require(env_problem.empty(), "envs: " + std::string(env_problem));
  checks.require(options.cwd.empty() || (options.cwd.front() == '/' && !has_nul(options.cwd)),
                 "cwd must be an absolute path");
  if (options.desktop) {
    // With a snapshot the template, and so the desktop, is the snapshot's; what is given here is
    // not sent.
    check_desktop(checks, *options.desktop,
                  options.snapshot_id.empty() ? options.template_id : "desktop");
  }
  if (options.volumes) check_volumes(checks, *options.volumes);
  if (options.warm_pool) check_warm_pool(checks, *options.warm_pool);
  checks.require(is_header_text(options.idempotency_key),
                 "idempotency_key must consist of printable ASCII characters");
  checks.require(!options.request_timeout || options.request_timeout->count() > 0,
                 "request_timeout must be positive");
  return checks.take();
}

}  // namespace nullspace::inline v0::wire

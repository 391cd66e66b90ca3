/// @file
/// Sandboxes: create, find, list, extend, end.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nullspace/client.hpp>
#include <nullspace/commands.hpp>
#include <nullspace/error.hpp>
#include <nullspace/export.hpp>
#include <nullspace/lifecycle.hpp>
#include <nullspace/paged_range.hpp>
#include <nullspace/pty.hpp>
#include <nullspace/sandbox_info.hpp>

namespace nullspace::inline v0 {

/// Network rules of a sandbox, fixed at create.
struct NetworkOptions {
  /// false: preview traffic also needs the traffic token.
  std::optional<bool> allow_public_traffic{};
  /// Replaces the Host header sent to the service; `${PORT}` is substituted per request.
  std::string mask_request_host{};
  /// IPv4 CIDRs that outbound traffic may not reach.
  std::vector<std::string> deny_out{};
  /// IPv4 CIDRs that are exceptions to deny_out.
  std::vector<std::string> allow_out{};
};

/// Screen of a `desktop` sandbox.
struct DesktopOptions {
  /// Pixels; both or neither.
  std::optional<int> width{};
  std::optional<int> height{};
  std::optional<int> dpi{};
  /// `:` and a number, for example `:1`.
  std::string display{};
};

/// A volume to mount at create.
struct VolumeMount {
  /// Name or id of the volume.
  std::string ref{};
  /// Absolute path in the sandbox.
  std::string mount_path{};
  bool read_only{false};
  /// Directory inside the volume.
  std::string subpath{};
};

enum class WarmPoolMode {
  prefer,   ///< Take a ready instance if there is one, else create.
  require,  ///< Fail with `warm_pool_unavailable` if there is none.
  bypass    ///< Always create.
};

struct WarmPoolOptions {
  /// Needed for prefer and require.
  std::string id{};
  std::optional<WarmPoolMode> mode{};
  std::optional<std::chrono::milliseconds> wait{};
};

struct SandboxCreateOptions {
  /// `base`, `code-interpreter`, `desktop`, `name:tag`, `namespace/name:tag`, ...
  std::string template_id{"base"};
  /// Time until timeout_action. Default 5 minutes; set_timeout() moves it.
  std::chrono::milliseconds timeout{std::chrono::minutes{5}};
  /// Default: destroy.
  std::optional<TimeoutAction> timeout_action{};
  /// Let requests that address the paused sandbox wake it. Needs timeout_action hibernate (or no
  /// action).
  bool auto_resume{false};
  int vcpus{2};
  /// MiB. Default: 2048 for `code-interpreter`, else 512.
  std::optional<int> memory_mb{};
  /// MiB, 512 to 131072; not with snapshot_id.
  std::optional<int> disk_mb{};
  /// Environment of every command.
  EnvMap envs{};
  /// Any JSON object, stored as it is.
  Json::Object metadata{};
  std::optional<NetworkOptions> network{};
  /// false: no network at all.
  bool internet_access{true};
  /// Default directory of commands and terminals: absolute.
  std::string cwd{};
  /// Only with template `desktop`.
  std::optional<DesktopOptions> desktop{};
  /// If given, not empty.
  std::optional<std::vector<VolumeMount>> volumes{};
  std::optional<WarmPoolOptions> warm_pool{};
  /// Start from a reusable snapshot: template, sizes, envs, cwd, desktop and egress come from it.
  std::string snapshot_id{};
  /// Default: a fresh random UUID. Pass the one of a failed create to try it again without making a
  /// second sandbox.
  std::string idempotency_key{};
  /// Per attempt; default: the client's timeouts.create.
  std::optional<std::chrono::milliseconds> request_timeout{};
  /// For the whole call with all its attempts. Default: 10 minutes.
  std::chrono::milliseconds deadline{std::chrono::minutes{10}};
  std::stop_token stop{};
};

struct SandboxConnectOptions {
  /// If given, the time-out is set to now plus this; the action stays.
  std::optional<std::chrono::milliseconds> timeout{};
  std::stop_token stop{};
};

struct SandboxListOptions {
  /// Default: running and paused ones.
  std::vector<SandboxStatus> states{};
  std::string template_id{};
  /// Every key and value must match.
  Json::Object metadata{};
  /// Sandboxes per page, 1 to 100; default: the server's.
  std::optional<int> page_size{};
  /// Where to go on: SandboxPage::next_token.
  std::string next_token{};
  std::stop_token stop{};
};

struct SandboxPage {
  std::vector<SandboxInfo> items{};
  std::string next_token{};
  bool has_next{false};
};

/// All sandboxes that match, fetched page by page while you iterate: `for (const SandboxInfo& s :
/// Sandbox::list())`. Single pass; not thread-safe. Iterating throws Error like any request.
class NULLSPACE_EXPORT SandboxList : public PagedRange<SandboxList, SandboxInfo> {
 public:
  SandboxList(Client client, SandboxListOptions options);

  /// The next page (`GET /v1/sandboxes`), or nothing after the last.
  [[nodiscard]] std::optional<SandboxPage> next_page();

 private:
  friend PagedRange;
  [[nodiscard]] std::optional<std::vector<SandboxInfo>> next_items();

  Client client_;
  SandboxListOptions options_;
  std::set<std::string> cursors_{};
  bool finished_{false};
};

struct SetTimeoutOptions {
  /// Default: the action stays as it is.
  std::optional<TimeoutAction> action{};
  std::stop_token stop{};
};

struct RunOnceOptions {
  std::string template_id{"base"};
  std::vector<std::string> args{};
  bool shell{false};
  EnvMap envs{};
  Json::Object metadata{};
  std::optional<NetworkOptions> network{};
  bool internet_access{true};
  /// How long the command may run.
  std::chrono::milliseconds timeout{30'000};
  std::stop_token stop{};
};

/// A sandbox. A small handle: copies address the same sandbox; thread-safe. Destroying the handle
/// does *not* end the sandbox (ScopedSandbox does); it ends by kill() or at its time-out.
///
/// All calls throw Error; see Error::kind(). Static functions without a Client use one configured
/// from the environment.
class NULLSPACE_EXPORT Sandbox {
 public:
  /// Creates a sandbox and returns when it is usable (`POST /v1/sandboxes`). Sends an
  /// Idempotency-Key; when the answer is lost or the create is still under way, the same create is
  /// asked for again, so that there is one sandbox or none. Throws Error: `invalid_request` (an
  /// option, before any I/O), `capacity_exceeded`, `quota_exceeded`, `template_not_found`,
  /// `unauthorized`, `timeout`, `cancelled`, ... with info().idempotency_key.
  [[nodiscard]] static Sandbox create(SandboxCreateOptions options = {});
  [[nodiscard]] static Sandbox create(const Client& client, SandboxCreateOptions options = {});

  /// A handle to an existing sandbox. A paused one is resumed, and the handle has the id the server
  /// then gives. Throws Error `sandbox_not_found`, `missing_snapshot_id`.
  [[nodiscard]] static Sandbox connect(std::string_view sandbox_id,
                                       SandboxConnectOptions options = {});
  [[nodiscard]] static Sandbox connect(const Client& client, std::string_view sandbox_id,
                                       SandboxConnectOptions options = {});

  /// A handle if there is such a sandbox, else nothing. Never resumes it.
  [[nodiscard]] static std::optional<Sandbox> find(std::string_view sandbox_id);
  [[nodiscard]] static std::optional<Sandbox> find(const Client& client,
                                                   std::string_view sandbox_id);

  /// The account's sandboxes. Nothing is sent before you iterate.
  [[nodiscard]] static SandboxList list(SandboxListOptions options = {});
  [[nodiscard]] static SandboxList list(const Client& client, SandboxListOptions options = {});
  /// One page with only some fields of each sandbox, as JSON.
  [[nodiscard]] static std::vector<Json> list_fields(const Client& client,
                                                     const std::vector<std::string>& fields,
                                                     SandboxListOptions options = {});

  /// `GET /v1/sandboxes/{id}` without a handle; never resumes.
  [[nodiscard]] static SandboxInfo get_info_by_id(const Client& client,
                                                  std::string_view sandbox_id);
  /// `DELETE /v1/sandboxes/{id}` without a handle.
  static void kill_by_id(const Client& client, std::string_view sandbox_id);
  [[nodiscard]] static std::vector<SandboxMetrics> get_metrics_by_id(const Client& client,
                                                                     std::string_view sandbox_id);

  /// Creates a sandbox, runs one command, always kills the sandbox. Waits out the moment right
  /// after a create in which the runtime cannot start commands yet (`exec_failed`, 5 attempts, 0.25
  /// s apart).
  static CommandResult run_once(std::string_view command, RunOnceOptions options = {});
  static CommandResult run_once(const Client& client, std::string_view command,
                                RunOnceOptions options = {});

  [[nodiscard]] const std::string& id() const noexcept;
  /// What is known without asking: from create, connect or the last get_info().
  [[nodiscard]] SandboxInfo info() const;
  /// Asks the server (`GET /v1/sandboxes/{id}`) and refreshes info().
  SandboxInfo get_info() const;
  /// Only these fields, as JSON; info() stays. Throws Error `invalid_request` for an empty list.
  [[nodiscard]] Json get_info(const std::vector<std::string>& fields) const;
  /// Asks the server; false for paused and for one that is gone.
  [[nodiscard]] bool is_running() const;
  /// The sandbox now lives for another `timeout` from now (`POST .../timeout`). Call it repeatedly
  /// to keep it alive.
  void set_timeout(std::chrono::milliseconds timeout, SetTimeoutOptions options = {}) const;
  /// Ends the sandbox and everything in it (`DELETE /v1/sandboxes/{id}`).
  void kill() const;
  /// Samples of resource use, oldest first; may be empty right after create.
  [[nodiscard]] std::vector<SandboxMetrics> get_metrics() const;
  /// Needed by clients of a sandbox without public traffic. Only on the handle that create()
  /// returned.
  [[nodiscard]] std::optional<Secret> traffic_access_token() const;

  /// What happened to this sandbox (`GET /v1/sandboxes/{id}/lifecycle`); see
  /// Lifecycle::list_sandbox_events().
  [[nodiscard]] LifecycleEventList list_lifecycle(LifecycleListOptions options = {}) const;
  /// What happens to this sandbox, live (`/v1/sandboxes/{id}/lifecycle/ws`); see
  /// Lifecycle::stream(). LifecycleStreamOptions::sandbox_id stays empty.
  [[nodiscard]] LifecycleStream stream_events(LifecycleStreamOptions options = {}) const;

  [[nodiscard]] Commands commands() const;
  [[nodiscard]] Process process() const;
  [[nodiscard]] Pty pty() const;
  [[nodiscard]] Client client() const;

  /// For the SDK's own use.
  explicit Sandbox(std::shared_ptr<detail::SandboxCore> core) noexcept;

 private:
  std::shared_ptr<detail::SandboxCore> core_;
};

/// A sandbox that ends with its scope. Movable, not copyable; use it like a pointer.
///
/// @code
/// ns::ScopedSandbox sandbox = ns::Sandbox::create();
/// sandbox->commands().run("make");
/// @endcode
class NULLSPACE_EXPORT ScopedSandbox {
 public:
  ScopedSandbox(Sandbox sandbox) noexcept;
  ScopedSandbox(ScopedSandbox&&) noexcept;
  ScopedSandbox& operator=(ScopedSandbox&&) noexcept;
  ScopedSandbox(const ScopedSandbox&) = delete;
  ScopedSandbox& operator=(const ScopedSandbox&) = delete;
  /// Kills the sandbox; a failure is logged, not thrown. Takes at most the client's request
  /// timeout.
  ~ScopedSandbox();

  [[nodiscard]] Sandbox& operator*() noexcept { return *sandbox_; }
  [[nodiscard]] Sandbox* operator->() noexcept { return &*sandbox_; }
  [[nodiscard]] const Sandbox& operator*() const noexcept { return *sandbox_; }
  [[nodiscard]] const Sandbox* operator->() const noexcept { return &*sandbox_; }
  /// Gives the sandbox back; it will not be killed.
  [[nodiscard]] Sandbox release() noexcept;

 private:
  void kill_quietly() noexcept;
  std::optional<Sandbox> sandbox_;
};

}  // namespace nullspace::inline v0

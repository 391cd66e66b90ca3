#include "local/server/sandbox_store.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace nullspace::local {

namespace {

constexpr std::size_t kRememberedGone = 1000;
constexpr int kDefaultPage = 100;
constexpr std::string_view kTokenPrefix = "nt_";

// Sequence numbers only fall along a listing, so a token stays good whatever happens to the
// sandboxes.
std::string token_after(std::uint64_t sequence) {
  return std::string(kTokenPrefix) + std::to_string(sequence);
}

std::optional<std::uint64_t> sequence_of(std::string_view token) {
  if (!token.starts_with(kTokenPrefix)) return std::nullopt;
  token.remove_prefix(kTokenPrefix.size());
  std::uint64_t sequence = 0;
  const auto [rest, error] = std::from_chars(token.data(), token.data() + token.size(), sequence);
  if (error != std::errc() || rest != token.data() + token.size()) return std::nullopt;
  return sequence;
}

bool matches(const SandboxInfo& info, const wire::ListRequest& request) {
  const bool listed_by_default =
      info.status != SandboxStatus::destroyed && info.status != SandboxStatus::creating;
  const bool state_matches = request.states.empty()
                                 ? listed_by_default
                                 : std::find(request.states.begin(), request.states.end(),
                                             info.status) != request.states.end();
  if (!state_matches) return false;
  if (!request.template_id.empty() && info.template_id != request.template_id) return false;
  return std::all_of(request.metadata.begin(), request.metadata.end(), [&info](const auto& wanted) {
    const auto found = info.metadata.find(wanted.first);
    return found != info.metadata.end() && found->second == wanted.second;
  });
}

}  // namespace

void SandboxStore::add(std::shared_ptr<Sandbox> sandbox) {
  by_age_.emplace(sandbox->sequence(), sandbox);
  const std::string id = sandbox->id();
  by_id_.insert_or_assign(id, std::move(sandbox));
}

void SandboxStore::drop(const Sandbox& sandbox) {
  by_age_.erase(sandbox.sequence());
  // Last, because the caller's reference may be the only other one.
  by_id_.erase(std::string(sandbox.id()));
}

std::vector<std::shared_ptr<Sandbox>> SandboxStore::drop_all(AccountId account) {
  std::vector<std::shared_ptr<Sandbox>> dropped;
  for (const auto& [sequence, sandbox] : by_age_) {
    if (sandbox->spec().account == account) dropped.push_back(sandbox);
  }
  for (const auto& sandbox : dropped)
    drop(*sandbox);
  std::erase_if(gone_, [account](const auto& entry) { return entry.second.account == account; });
  return dropped;
}

void SandboxStore::remove(const Sandbox& sandbox) {
  Gone gone;
  gone.account = sandbox.spec().account;
  gone.info = sandbox.info();
  gone.info.status = SandboxStatus::destroyed;
  gone.info.status_text = "destroyed";
  gone.info.started_at.reset();
  gone.info.timeout_at.reset();
  gone.info.expires_at.reset();
  gone.info.snapshot_id.reset();
  gone_.emplace(sandbox.sequence(), std::move(gone));
  if (gone_.size() > kRememberedGone) gone_.erase(std::prev(gone_.end()));
  drop(sandbox);
}

std::shared_ptr<Sandbox> SandboxStore::find(AccountId account, const std::string& id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->spec().account != account) return nullptr;
  return found->second;
}

std::shared_ptr<Sandbox> SandboxStore::find_snapshot(AccountId account,
                                                     const std::string& snapshot_id) const {
  for (const auto& [id, sandbox] : by_id_) {
    if (sandbox->spec().account == account && !snapshot_id.empty() &&
        sandbox->snapshot_id() == snapshot_id) {
      return sandbox;
    }
  }
  return nullptr;
}

bool SandboxStore::list(AccountId account, const wire::ListRequest& request, Page& page) const {
  std::uint64_t below = UINT64_MAX;
  if (!request.next_token.empty()) {
    const auto sequence = sequence_of(request.next_token);
    if (!sequence) return false;
    below = *sequence;
  }
  const std::size_t limit =
      request.bare ? SIZE_MAX : static_cast<std::size_t>(request.limit.value_or(kDefaultPage));

  auto live = by_age_.begin();
  auto gone = gone_.begin();
  std::uint64_t last = 0;
  while (live != by_age_.end() || gone != gone_.end()) {
    const bool take_live =
        live != by_age_.end() && (gone == gone_.end() || live->first > gone->first);
    const std::uint64_t sequence = take_live ? live->first : gone->first;
    const AccountId owner = take_live ? live->second->spec().account : gone->second.account;
    const bool considered = sequence < below && owner == account;
    SandboxInfo info;
    if (considered) info = take_live ? live->second->info() : gone->second.info;
    if (take_live) {
      ++live;
    } else {
      ++gone;
    }
    if (!considered || !matches(info, request)) continue;
    if (page.items.size() == limit) {
      page.next_token = token_after(last);
      return true;
    }
    page.items.push_back(std::move(info));
    last = sequence;
  }
  return true;
}

std::vector<std::shared_ptr<Sandbox>> SandboxStore::all() const {
  std::vector<std::shared_ptr<Sandbox>> sandboxes;
  for (const auto& [sequence, sandbox] : by_age_)
    sandboxes.push_back(sandbox);
  return sandboxes;
}

}  // namespace nullspace::local

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nullspace/sandbox_info.hpp>

#include "local/server/auth.hpp"
#include "local/server/sandbox.hpp"
#include "wire/sandbox_messages.hpp"

namespace nullspace::local {

// All sandboxes, and what is remembered of those that are gone. Knows no guests and no time.
class SandboxStore {
 public:
  struct Page {
    std::vector<SandboxInfo> items;
    std::string next_token;  // "" when this was the last page
  };

  void add(std::shared_ptr<Sandbox> sandbox);
  // Takes it out of everybody's sight; lists that ask for destroyed ones still show it.
  void remove(const Sandbox& sandbox);
  // Takes it out without a trace: it never was, or it goes on under another id.
  void drop(const Sandbox& sandbox);
  // Drops all that the account has or had; those it had are returned.
  std::vector<std::shared_ptr<Sandbox>> drop_all(AccountId account);

  // Of that account, destroyed ones never.
  [[nodiscard]] std::shared_ptr<Sandbox> find(AccountId account, const std::string& id) const;
  [[nodiscard]] std::shared_ptr<Sandbox> find_snapshot(AccountId account,
                                                       const std::string& snapshot_id) const;
  // Newest first. False when the request's token is none of ours.
  [[nodiscard]] bool list(AccountId account, const wire::ListRequest& request, Page& page) const;
  [[nodiscard]] std::vector<std::shared_ptr<Sandbox>> all() const;
  [[nodiscard]] std::uint64_t next_sequence() { return ++last_sequence_; }

 private:
  struct Gone {
    AccountId account = 0;
    SandboxInfo info;
  };

  std::map<std::string, std::shared_ptr<Sandbox>> by_id_;
  std::map<std::uint64_t, std::shared_ptr<Sandbox>, std::greater<>> by_age_;
  std::map<std::uint64_t, Gone, std::greater<>> gone_;
  std::uint64_t last_sequence_ = 0;
};

}  // namespace nullspace::local

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "local/server/auth.hpp"
#include "local/server/lifecycle_journal.hpp"
#include "local/server/websocket_session.hpp"
#include "wire/lifecycle_messages.hpp"

namespace nullspace::local {

// The sandbox whose own socket it is, and the noun of its path.
struct LifecycleChannelScope {
  std::string sandbox_id;
  Dialect dialect = Dialect::sandbox;
};

// `/v1/lifecycle/ws` and `/v1/sandboxes/{id}/lifecycle/ws`: events as they are written, and those
// of before. Nothing is queued for a client that does not keep up: the socket has a position in the
// log, and moves on when there is room.
class LifecycleChannel : public WebSocketHandler,
                         public LifecycleObserver,
                         public std::enable_shared_from_this<LifecycleChannel> {
 public:
  // Without a scope: all of the account.
  LifecycleChannel(LifecycleJournal& journal, AccountId account,
                   std::optional<LifecycleChannelScope> scope);

  void on_open(std::shared_ptr<WebSocketSession> session) override;
  void on_message(std::string text, bool binary) override;
  void on_drain() override;
  void on_closed() override;

  void on_lifecycle_event(AccountId account, const LoggedEvent& entry) override;
  void on_lifecycle_forgotten(AccountId account) override;

 private:
  void handle(std::string_view text);
  void subscribe(const wire::LifecycleSubscribe& message);
  // Sends what the log has and the socket takes.
  void deliver();
  void refuse(std::string message);

  LifecycleJournal& journal_;
  AccountId account_;
  const LifecycleLog& log_;
  std::optional<LifecycleChannelScope> scope_;
  std::shared_ptr<WebSocketSession> session_;
  bool subscribed_ = false;
  LifecycleFilter filter_;
  LifecycleLog::Position next_ = 0;
};

}  // namespace nullspace::local
